package sendmail

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Smarthosts are a map of ours, as the mailertable of the administrator is one: what
// it knows of a sender's and a recipient's domain is the mailer and the host that the
// message goes to. There is a mailer for each port. What is local stays so.

// routeKey is the key of a row: either domain can be any, which is empty.
func routeKey(sender, recipient string) string { return sender + "," + recipient }

// checkSmarthost refuses what Sendmail does not do by these rules.
func checkSmarthost(key string, a attrs) error {
	h, _, err := endpoint(a.Str("host"))
	switch {
	case err != nil:
		return fmt.Errorf("host: %w", err)
	case h == "":
		return fmt.Errorf("host: %q has no host", a.Str("host"))
	case key != a.Str("owner")+"/"+a.Str("host"):
		return fmt.Errorf("owner: it is not that of %s", key)
	case a.Str("username") != "":
		return errors.New("username: Sendmail logs in at no smarthost by mailform")
	case a.Str("password") != "":
		return errors.New("password: Sendmail logs in at no smarthost by mailform")
	case a.Str("tls") != "opportunistic":
		return fmt.Errorf("tls: Sendmail has no %q for one host", a.Str("tls"))
	}
	for _, attribute := range []string{"senders", "recipients"} {
		for _, s := range a.Strings(attribute) {
			if name, err := schema.ParseDomainName(s); err != nil || name != s {
				return fmt.Errorf("%s: %q is no domain name", attribute, s)
			}
		}
	}
	return nil
}

// addSmarthost puts its rows into the map.
func (to rows) addSmarthost(key string, a attrs) error {
	if err := checkSmarthost(key, a); err != nil {
		return err
	}
	value := smarthostValue(a.Str("host"))
	for _, k := range routeKeys(a.Strings("senders"), a.Strings("recipients")) {
		if other, ok := to[mailertable][k]; ok && other != value {
			return fmt.Errorf("host: mail %s goes to %s already", fromTo(k), smarthostOf(other))
		}
		to[mailertable][k] = value
	}
	return nil
}

// fromTo says which mail a row is about.
func fromTo(key string) string {
	sender, recipient, _ := strings.Cut(key, ",")
	var words []string
	if sender != "" {
		words = append(words, "from "+sender)
	}
	if recipient != "" {
		words = append(words, "for "+recipient)
	}
	if words == nil {
		return "for anywhere"
	}
	return strings.Join(words, " ")
}

// routeKeys are the keys of all rows of a smarthost.
func routeKeys(senders, recipients []string) []string {
	if len(senders) == 0 {
		senders = []string{""}
	}
	if len(recipients) == 0 {
		recipients = []string{""}
	}
	var keys []string
	for _, s := range senders {
		for _, r := range recipients {
			keys = append(keys, routeKey(s, r))
		}
	}
	return keys
}

const relayMailer = "mailform-to-"

// smarthostValue is the mailer and the host that stand for host:port.
func smarthostValue(at string) string {
	h, port, _ := endpoint(at)
	return relayMailer + port + ":" + bracketed(h)
}

// smarthostOf is the reverse; empty: it is no mailer that hands mail on by SMTP. Those
// of the administrator have port 25.
func smarthostOf(value string) string {
	name, at, ok := strings.Cut(value, ":")
	port, ours := strings.CutPrefix(name, relayMailer)
	if !ours {
		port = "25"
		ok = ok && slices.Contains([]string{"smtp", "esmtp", "smtp8", "dsmtp", "relay"}, name)
	}
	at = strings.TrimPrefix(strings.TrimSuffix(strings.TrimPrefix(at, "["), "]"), "IPv6:")
	at = net.JoinHostPort(strings.ToLower(at), port)
	if _, _, err := endpoint(at); !ok || err != nil {
		return ""
	}
	return at
}

// smarthostLines are the map, a mailer for each port, and the rules.
func (w *world) smarthostLines() (string, error) {
	ports := map[string]bool{}
	for _, h := range w.ledger.all(schema.KindSmarthost) {
		_, port, err := endpoint(h.attrs.Str("host"))
		if err != nil {
			return "", fmt.Errorf("host: %w", err)
		}
		ports[port] = true
	}
	if len(ports) == 0 {
		return "", nil
	}
	var b strings.Builder
	b.WriteString(w.p.mailertableLine(w.mapType) + "\n")
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		b.WriteString("C{MailformTo}" + relayMailer + port + "\n" + relayLine(port) + "\n")
	}
	b.WriteString(smarthostRules)
	return b.String(), nil
}

func (p *Provider) mailertableLine(mapType string) string {
	return fmt.Sprintf("Kmailformroute %s %s", mapType, p.file(mailertable))
}

// relayLine is the mailer for a port.
func relayLine(port string) string {
	return fmt.Sprintf("M%s, P=[IPC], F=%s, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=990, T=DNS/RFC822/SMTP, A=TCP $h %s", relayMailer+port, relayFlags, port)
}

// smarthostRules are the last of ours for an address: it is not one of our domains, nor
// one that the administrator has here. The sender and the recipient, the recipient, the
// sender, anybody: whatever is known first is the way. A mailer that this Sendmail does
// not have yet is none.
const smarthostRules = `SParseLocal
R$+ <@ $+ >	$: $>MailformRoute $1 <@ $2 >
SMailformRoute
R$+ <@ $=w . >	$@ $1 <@ $2 . >
R$+ <@ $=w >	$@ $1 <@ $2 >
R$+ <@ $={VirtHost} . >	$@ $1 <@ $2 . >
R$+	$: $&f $| $1
R<$*> $| $+	$: $1 $| $2
R$+ @ $+ $| $+	$: <$2> $3
R$* $| $+	$: <> $2
R<$*> $+ <@ $+ >	$: <$1> <$3> $2 <@ $3 >
R<$*> <$+ .> $+	$: <$1> <$2> $3
R<$*> <$+> $+	$: <$(mailformroute $1,$2 $: NO $)> <$1> <$2> $3
R<NO> <$*> <$+> $+	$: <$(mailformroute ,$2 $: NO $)> <$1> <$2> $3
R<NO> <$*> <$+> $+	$: <$(mailformroute $1, $: NO $)> <$1> <$2> $3
R<NO> <$*> <$+> $+	$: <$(mailformroute , $: NO $)> <$1> <$2> $3
R<$={MailformTo} : $+> <$*> <$+> $+	$# $1 $@ $2 $: $5
R<$+> <$*> <$+> $+	$@ $4
`

// smarthost puts into vals what Sendmail has of one, and reports whether it has it.
func (w *world) smarthost(h *holding, cf native, vals map[string]cty.Value) bool {
	_, port, _ := endpoint(h.attrs.Str("host"))
	if !cf.lines[w.p.mailertableLine(w.mapType)] || !cf.lines[relayLine(port)] {
		return false
	}
	senders, recipients := h.attrs.Strings("senders"), h.attrs.Strings("recipients")
	value := smarthostValue(h.attrs.Str("host"))
	have := map[string]bool{}
	for key, v := range w.live[mailertable] {
		if v == value {
			have[key] = true
		}
	}
	if len(have) == 0 {
		return false
	}
	liveSenders, liveRecipients := domainsOf(have)
	if slices.Equal(liveSenders, senders) && slices.Equal(liveRecipients, recipients) {
		// Of several senders some may lead elsewhere to some recipients.
		liveRecipients = slices.DeleteFunc(liveRecipients, func(r string) bool {
			return slices.ContainsFunc(routeKeys(senders, []string{r}), func(key string) bool { return !have[key] })
		})
		if len(recipients) > 0 && len(liveRecipients) == 0 {
			return false
		}
	}
	vals["senders"], vals["recipients"] = schema.StringList(liveSenders), schema.StringList(liveRecipients)
	return true
}

// domainsOf are the domains in keys of rows, as a smarthost has them. What stands beside
// them for any domain is *.
func domainsOf(keys map[string]bool) (senders, recipients []string) {
	both := [2]map[string]bool{{}, {}}
	for key := range keys {
		sender, recipient, _ := strings.Cut(key, ",")
		both[0][sender], both[1][recipient] = true, true
	}
	var out [2][]string
	for i, set := range both {
		if len(set) > 1 && set[""] {
			delete(set, "")
			set["*"] = true
		}
		if !set[""] {
			out[i] = slices.Sorted(maps.Keys(set))
		}
	}
	return out[0], out[1]
}

// foreignSmarthosts are what rows come to that somebody else has put into our map or a
// mailertable. label is that of the server.
func (w *world) foreignSmarthosts(label string, table map[string]string) []providers.Observed {
	of := map[string]map[string]bool{}
	for key, value := range table {
		if at := smarthostOf(value); at != "" {
			if of[at] == nil {
				of[at] = map[string]bool{}
			}
			of[at][key] = true
		}
	}
	var list []providers.Observed
	for _, at := range slices.Sorted(maps.Keys(of)) {
		senders, recipients := domainsOf(of[at])
		h := &holding{Kind: schema.KindSmarthost, Key: label + "/" + at}
		list = append(list, h.observe("", attrs{Value: schema.KindByName(h.Kind).Object(map[string]cty.Value{
			"owner": cty.StringVal(label), "host": cty.StringVal(at), "senders": schema.StringList(senders), "recipients": schema.StringList(recipients),
			"username": cty.StringVal(""), "password": cty.StringVal(""), "tls": cty.StringVal("opportunistic"),
		})}))
	}
	return list
}

// hasSmarthost reports whether the smarthost of a row is one of ours.
func (w *world) hasSmarthost(value string) bool {
	return slices.ContainsFunc(w.ledger.all(schema.KindSmarthost), func(h *holding) bool { return smarthostValue(h.attrs.Str("host")) == value })
}
