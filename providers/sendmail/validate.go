package sendmail

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/schema"
)

// Validate implements providers.Validator: what Sendmail cannot hold, and whether its
// configuration would let anybody send mail anywhere.
func (p *Provider) Validate(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	var problems []providers.Problem
	judges := false
	for i := range wanted {
		if r := &wanted[i]; r.Kind == schema.KindDelivery {
			a, err := attributes.Check(r.Kind, r.Attrs)
			judges = judges || err != nil || a.Str("auth") == "authd"
		}
	}
	ways := newRows()
	for i := range wanted {
		r := &wanted[i]
		a, err := attributes.Check(r.Kind, r.Attrs)
		if err != nil {
			continue // what is not known yet is looked at when it is
		}
		if err := p.judgeResource(r.Kind, r.Key, a); err != nil {
			problems = append(problems, problem(r.Address, err))
		} else if r.Kind == schema.KindListener && a.Str("service") == "submission" && !judges {
			problems = append(problems, providers.Problem{Address: r.Address, Detail: "Nobody tells Sendmail who may submit mail: the delivery has no auth."})
		}
		if r.Kind == schema.KindLookup {
			if l, err := checkLookup(r.Key, a); err == nil {
				if err := ldap.Sees(ctx, *l); err != nil {
					problems = append(problems, providers.Problem{Address: r.Address, Detail: fmt.Sprintf("Sendmail would find no users in the directory: %s.", err)})
				}
			}
		}
		if r.Kind == schema.KindSmarthost {
			if err := ways.addSmarthost(r.Key, a); err != nil {
				problems = append(problems, problem(r.Address, err))
			}
		}
		if r.Kind == schema.KindFilter {
			if err := w.judgeFilters(wanted); err != nil {
				problems = append(problems, providers.Problem{Address: r.Address, Detail: err.Error() + "."})
			}
		}
		if r.Kind == schema.KindSetting {
			why, err := w.openRelay(ctx)
			if err != nil {
				return nil, err
			}
			if why != "" {
				problems = append(problems, providers.Problem{Address: r.Address,
					Detail: "This Sendmail would be an open relay: " + why + ". Mend that first; mailform does not run a server that anybody can send through."})
			}
		}
	}
	return problems, nil
}

// problem takes an error apart: what is before its colon is the attribute.
func problem(address string, err error) providers.Problem {
	attribute, detail, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(attribute, " ") {
		attribute, detail = "", err.Error()
	}
	return providers.Problem{Address: address, Attribute: attribute, Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."}
}

// openFeatures are features of sendmail.mc that let in mail for anywhere by what its
// sender says of himself.
var openFeatures = map[string]string{
	"promiscuous_relay": "everybody", "relay_local_from": "whoever says to be of a local domain",
	"relay_mail_from": "whoever says to be of a domain that may", "loose_relay_check": "whoever writes user%other@here",
}

// openRelay says why a configuration would hand on anybody's mail to anywhere; empty:
// it does not.
func (w *world) openRelay(ctx context.Context) (string, error) {
	for line := range strings.Lines(string(w.files[w.p.mc].Content)) {
		line = strings.Join(strings.Fields(line), "")
		for feature, who := range openFeatures {
			if strings.HasPrefix(line, "FEATURE(`"+feature+"'") || strings.HasPrefix(line, "FEATURE("+feature+")") {
				return fmt.Sprintf("FEATURE(`%s') of %s lets in mail for anywhere from %s", feature, w.p.mc, who), nil
			}
		}
	}
	if !w.files[w.p.cf].Exists {
		return "", nil
	}
	// Sendmail itself is asked, for clients of networks that nobody has (RFC 5737).
	c := host.Cmd(w.p.program("sendmail"), "-C", w.p.cf, "-bt")
	c.Stdin = []byte(".D{client_addr}203.0.113.9\n.D{client_name}[203.0.113.9]\n.D{client_resolve}FAIL\ncheck_rcpt anybody@[198.51.100.7]\n")
	out, err := host.Must(ctx, w.p.on, c)
	if err != nil {
		return "", err
	}
	answer := ""
	for line := range strings.Lines(string(out.Stdout)) {
		if name, result, ok := strings.Cut(line, "returns:"); ok && strings.Contains(name, "Basic_check_rcpt") {
			answer = strings.TrimSpace(result)
		}
	}
	switch {
	case answer == "":
		return "", errors.New("sendmail -bt does not say whether mail for elsewhere is refused (check_rcpt)")
	case !strings.HasPrefix(answer, "$# error"):
		return "the rules in " + w.p.cf + " let anybody hand in mail for anywhere (check_rcpt answers " + answer + ")", nil
	}
	return "", nil
}
