package sendmail

import (
	"errors"
	"fmt"
	"strings"
)

// deliveryLines are the maps, rules and the mailer for mail that another server keeps.
// Where there are directories, they have users too.
func (p *Provider) deliveryLines(a attrs, mapType string, directories []*holding) (string, error) {
	auth := a.Str("auth")
	if auth != "" && auth != "authd" {
		return "", errors.New("auth: Sendmail asks no Dovecot who a user is")
	}
	m, err := mailer("mailform", lmtpFlags, a.Str("lmtp"))
	if err != nil {
		return "", fmt.Errorf("lmtp: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Kmailform %s %s\nKmailformsender %s %s\n", mapType, p.file(addresses), mapType, p.file(senders))
	fmt.Fprintf(&b, "O AliasFile=%s:%s\n", mapType, p.file(aliases))
	if auth == "authd" {
		fmt.Fprintf(&b, "ESASL_CONF_PATH=%s\nO AuthMechanisms=PLAIN LOGIN\nO AuthOptions=p\nC{TrustAuthMech}PLAIN LOGIN\n", p.file("sasl"))
	}
	if len(directories) > 0 {
		b.WriteString(p.lookupLines())
	}
	b.WriteString(rulesFor(directories))
	b.WriteString(m + "\n")
	if m, err = mailer("mailformbox", boxFlags, a.Str("lmtp")); err != nil {
		return "", fmt.Errorf("lmtp: %w", err)
	}
	b.WriteString(m + "\n")
	return b.String(), nil
}

// rulesFor are for addresses of our domains: whoever is in the map is known by the
// address that stands there, else by that of the catch-all; nobody else is. Whoever
// has logged in sends in his own name, or in that of an alias of his. Where there is a
// directory, each is looked up there after our own map.
func rulesFor(directories []*holding) string {
	var b strings.Builder
	for line := range strings.Lines(rules) {
		if line, more := strings.CutPrefix(line, "+"); !more || len(directories) > 0 {
			b.WriteString(line)
		}
	}
	return b.String()
}

// takenRule is the last one of those by which Sendmail knows whose mail it takes in:
// that for our domains, and not for their subdomains. In the class R they would be
// among them, and hosts that are called so could hand in mail for anywhere.
const (
	takenRule = "SRcpt_ok\n" + takenLine + "\n"
	takenLine = "R$+ <@ $={Mailform} >\t$@ RELAY"
)

// Lines that begin with + are about the directory.
const rules = `SParseLocal
R$+ <@ $={Mailform} . >	$1 <@ $2 >
R$+ <@ $={Mailform} >	$: <$(mailform $1@$2 $: NO $)> $1 <@ $2 >
+R<NO> $+ <@ $+ >	$: <$(mailformdirectory $1@$2 $: NO $)> $1 <@ $2 >
R<NO> $+ <@ $+ >	$: <$(mailform @$2 $: NO $)> $1 <@ $2 >
+R<NO> $+ <@ $+ >	$: <$(mailformdirectory @$2 $: NO $)> $1 <@ $2 >
+R<$* <TMPF>> $*	$#error $@ 4.3.0 $: "451 4.3.0 The directory of users does not answer"
R<NO> $+	$#error $@ 5.1.1 $: "550 5.1.1 User unknown"
R<REFUSED> $+	$#error $@ 5.1.1 $: "550 5.1.1 User unknown"
R<$+ + * @ $+> $+ <@ $+ >	$#mailformbox $@ mailform $: $1 <@ $2 >
R<$+ @ $+> $+ <@ $+ >	$#mailform $@ mailform $: $1 <@ $2 >
SLocal_check_mail
R$*	$: $1 $| $&{auth_authen}
R$* $|	$@ OK
R<> $| $+	$@ OK
R$* $| $+	$: $2 $| $>canonify $1
R$+ $| $* <@ $+ . >	$1 $| $2 <@ $3 >
R$+ $| $* <@ $+ >	$: <$(mailformsender $2@$3,$1 $: NO $)> $2@$3,$1
+R<NO> $+	$: <$(mailformdirectorysender $1 $: NO $)> $1
+R<$* <TMPF>> $*	$#error $@ 4.3.0 $: "451 4.3.0 The directory of users does not answer"
R<OK> $*	$@ OK
R$*	$#error $@ 5.7.1 $: "553 5.7.1 Sender address is not yours"
`
