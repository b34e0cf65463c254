package postfix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/schema"
)

// Validate implements providers.Validator: what Postfix cannot hold, and what stands
// against it in its configuration.
func (p *Provider) Validate(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.load(ctx)
	if errors.Is(err, errNoPostfix) {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	v := &validation{w: w, filters: map[string][]string{}, leads: map[string]string{}}
	for i := range wanted {
		a, err := attributes.Check(wanted[i].Kind, wanted[i].Attrs)
		switch {
		case err != nil:
		case wanted[i].Kind == schema.KindFilter:
			v.filters[a.Str("service")] = append(v.filters[a.Str("service")], a.Str("address"))
		case wanted[i].Kind == schema.KindSmarthost:
			v.leading = true
		case wanted[i].Kind == schema.KindListener:
			v.listeners = append(v.listeners, a)
		case wanted[i].Kind == schema.KindRoute:
			v.refuses = v.refuses || a.Str("type") == typeRefused
		case wanted[i].Kind == schema.KindLookup:
			v.refuses = v.refuses || a.Str("user_mail") != ""
		}
	}
	if err := v.ask(ctx); err != nil {
		return nil, err
	}
	for i := range wanted {
		r := &wanted[i]
		a, err := attributes.Check(r.Kind, r.Attrs)
		if err != nil {
			continue // what is not known yet is looked at when it is
		}
		if i := slices.Index(tableKinds[:], r.Kind); i >= 0 {
			_, err = w.rowOf(i, r.Key, a)
		} else if slices.Contains(ledgerKinds, r.Kind) {
			if _, err = p.derive(r.Kind, a, w.former); err == nil && r.Kind == schema.KindSmarthost {
				err = checkLogin(a)
			}
		}
		if err == nil && v.refuses && r.Kind == schema.KindParameter && r.Key == recipientRestrictions {
			err = errors.New("name: " + beside)
		}
		if err == nil && v.leading && r.Kind == schema.KindParameter && slices.Contains(ways, r.Key) {
			err = fmt.Errorf("name: %s begins with the ways to smarthosts, and cannot be a parameter beside them; in main.cf it can be, and is kept", r.Key)
		}
		if err != nil {
			v.problem(r.Address, err)
			continue
		}
		v.judge(ctx, r, a)
	}
	return v.problems, v.parameters(ctx)
}

type validation struct {
	w        *world
	problems []providers.Problem
	// effective are the values of parameters with everything that they refer to.
	effective map[string]string
	hostname  string
	// filters are the addresses of those that are declared, by service.
	filters map[string][]string
	// listeners are those that are declared.
	listeners []attrs
	// refuses: there is somebody who gets no mail.
	refuses bool
	// leading: there is a smarthost; leads: which one mail goes to, by what tells it;
	// logsIn: Postfix can log in there.
	leading, logsIn bool
	leads           map[string]string
	// names of parameters that are declared, by address.
	names, addresses []string
}

// problem takes an error apart: what is before its colon is the attribute.
func (v *validation) problem(address string, err error) {
	attribute, detail, ok := strings.Cut(err.Error(), ": ")
	if !ok || strings.Contains(attribute, " ") {
		attribute, detail = "", err.Error()
	}
	v.problems = append(v.problems, providers.Problem{Address: address, Attribute: attribute, Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."})
}

func (v *validation) ask(ctx context.Context) error {
	names := append([]string{"virtual_alias_domains", "virtual_alias_expansion_limit"}, relayParameters...)
	out, err := host.Must(ctx, v.w.p.on, v.w.p.program("postconf", append([]string{"-x"}, names...)...))
	if err != nil {
		return err
	}
	if v.leading {
		types, err := host.Must(ctx, v.w.p.on, v.w.p.program("postconf", "-A"))
		if err != nil {
			return err
		}
		v.logsIn = slices.Contains(strings.Fields(string(types.Stdout)), "cyrus")
	}
	v.effective = map[string]string{}
	for l := range strings.Lines(string(out.Stdout)) {
		name, value, _ := strings.Cut(l, "=")
		v.effective[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return nil
}

// judge looks at a resource that could be written.
func (v *validation) judge(ctx context.Context, r *schema.Resource, a attrs) {
	switch r.Kind {
	case schema.KindSetting:
		if why := openServices(v.w.services, func(name string) string { return v.effective[name] }); why != "" {
			v.problems = append(v.problems, providers.Problem{Address: r.Address,
				Detail: "This Postfix would be an open relay: " + why + ". Mend that first; mailform does not run a server that anybody can send through."})
		}
	case schema.KindDelivery:
		v.judgeDelivery(r, a)
	case schema.KindFilter:
		v.judgeFilter(r, a)
	case schema.KindLookup:
		v.judgeLookup(ctx, r, a)
	case schema.KindSmarthost:
		v.judgeSmarthost(r, a)
	case schema.KindMailDomain:
		for _, name := range []string{"mydestination", "virtual_alias_domains", "relay_domains"} {
			if slices.Contains(splitList(strings.ToLower(v.effective[name])), r.Key) {
				v.problems = append(v.problems, providers.Problem{Address: r.Address,
					Detail: fmt.Sprintf("Postfix has %s in %s already, and a domain can be in one place alone. Take it out there.", r.Key, name)})
			}
		}
	case schema.KindRoute:
		limit, err := strconv.Atoi(v.effective["virtual_alias_expansion_limit"])
		if n := len(a.Strings("members")); err == nil && n > limit {
			v.problems = append(v.problems, providers.Problem{Address: r.Address, Attribute: "members",
				Detail: fmt.Sprintf("They are %d, and virtual_alias_expansion_limit is %d: mail for the address would wait for ever. Set it in parameters of the provider.", n, limit)})
		}
	case schema.KindParameter:
		v.names, v.addresses = append(v.names, r.Key), append(v.addresses, r.Address)
	}
}

// judgeLookup asks the directory whether Postfix will find anybody there.
func (v *validation) judgeLookup(ctx context.Context, r *schema.Resource, a attrs) {
	if !v.w.p.ldap {
		v.problem(r.Address, errors.New("this Postfix cannot ask a directory: install the package postfix-ldap"))
		return
	}
	l, err := schema.ReadLookup(a.Value)
	if err == nil {
		err = checkSecret(l)
	}
	if err != nil {
		v.problem(r.Address, err)
		return
	}
	if err := ldap.Sees(ctx, l); err != nil {
		v.problems = append(v.problems, providers.Problem{Address: r.Address, Detail: "Postfix would find no users in the directory: " + err.Error() + "."})
	}
}

// checkSecret refuses a password that a file of Postfix cannot hold.
func checkSecret(l schema.Lookup) error {
	if l.BindPassword != strings.TrimSpace(l.BindPassword) {
		return errors.New("bind_password: it begins or ends with white space, which cannot stand in a file of Postfix")
	}
	return nil
}

// judgeDelivery refuses to take away the way of mail for domains that others have.
func (v *validation) judgeDelivery(r *schema.Resource, a attrs) {
	maps, plain := v.w.foreignMaps("virtual_mailbox_domains")
	others := append(maps, plain...)
	way := v.w.former("virtual_transport")
	if len(others) > 0 && !same(way, "lmtp:inet:"+a.Str("lmtp")) {
		if way == "" {
			way = "virtual"
		}
		v.problems = append(v.problems, providers.Problem{Address: r.Address, Attribute: "lmtp",
			Detail: fmt.Sprintf("Postfix has other domains in virtual_mailbox_domains (%s), whose mail goes to virtual_transport = %s; all of it would go to lmtp:inet:%s. "+
				"Give those their own way in transport_maps and take virtual_transport out, or have mail for all go to the same server.", strings.Join(others, ", "), way, a.Str("lmtp"))})
	}
}

// parameters asks Postfix whether it knows the parameters that are declared.
func (v *validation) parameters(ctx context.Context) error {
	if len(v.names) == 0 {
		return nil
	}
	out, err := v.w.p.on.Run(ctx, v.w.p.program("postconf", append([]string{"--"}, v.names...)...))
	if err != nil {
		return err
	}
	for i, name := range v.names {
		if strings.Contains(string(out.Stderr), " "+name+": unknown parameter") {
			v.problem(v.addresses[i], fmt.Errorf("name: Postfix knows no parameter %s", name))
		}
	}
	return nil
}
