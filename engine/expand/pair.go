package expand

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// isPair reports whether one provider takes mail and another keeps it.
func (srv *server) isPair() bool { return srv.roles[roleMTA] != srv.roles[roleStore] }

// addPair makes what two providers need that share the work of a server: the
// settings of the one that keeps mail, the way that mail takes to it, and who
// judges passwords where users submit mail.
func (e *expander) addPair(s section, srv *server) {
	lmtp, lmtpWritten := s.nested("lmtp")
	auth, authWritten := s.nested("auth")
	asks := srv.submits && providerOf(srv.roles[roleMTA]) == "postfix" && providerOf(srv.roles[roleStore]) == "dovecot"
	// The blocks say where these services listen if there are any: the files stay as
	// they are when the provider changes.
	if !srv.isPair() {
		return
	}
	store := srv.roles[roleStore]
	certificate, key := e.certificate(s)
	e.add(srv.block, ".mailstore", schema.KindMailStore, store, srv.label(), map[string]cty.Value{
		"hostname":        cty.StringVal(srv.host.Host()),
		"retention":       e.val(s.attr("retention").seconds()),
		"tls_certificate": certificate,
		"tls_key":         key,
	})
	delivery := map[string]cty.Value{
		"owner": cty.StringVal(srv.label()),
		"lmtp":  e.addInner(srv, roleStore, "lmtp", schema.ParseListen, lmtp, lmtpWritten),
		"auth":  cty.StringVal(""),
	}
	switch {
	case asks:
		at := e.addInner(srv, roleStore, "auth", schema.ParseListen, auth, authWritten)
		delivery["auth"] = cty.UnknownVal(cty.String)
		if at.IsKnown() {
			delivery["auth"] = cty.StringVal("dovecot:" + at.AsString())
		}
	case srv.submits:
		srv.judges = srv.directory == nil
		delivery["auth"] = cty.StringVal("authd")
	}
	e.add(srv.block, ".delivery", schema.KindDelivery, srv.roles[roleMTA], srv.label(), delivery)
	if srv.front {
		e.addSubmitted(s, srv)
	}
}

// addInner makes the listener of a service between two servers, at one of them, and
// says where it is reached. parse reads the addresses that it may have.
func (e *expander) addInner(srv *server, at role, service string, parse func(string) (string, error), s section, written bool) cty.Value {
	standard := schema.BlockByType("server").Block(service).Attribute("listen").Default
	var listen []string
	f := absent
	on := value{e: e, b: srv.block, path: service, elem: -1}
	first := orUnknown("", unknown)
	if written {
		on = s.attr("listen")
		listen, f = readList(on, parse)
		if elems, ef := on.list(); f == known && ef == known && len(elems) > 0 {
			first = orUnknown(read(elems[0], parse))
		}
	}
	if f == absent {
		first = standard.Index(cty.NumberIntVal(0))
		listen, f = []string{first.AsString()}, known
	}
	e.addListener(srv.block, service, srv.roles[at], srv.host, listen, f, nil, known)
	for _, l := range listen {
		e.claimPort(l, srv.addr+"."+service, srv.roles[at], on)
	}
	if !first.IsKnown() {
		return first
	}
	return cty.StringVal(reached(first.AsString()))
}

// reached is where what listens there is reached from the same machine.
func reached(listen string) string {
	if rest, ok := strings.CutPrefix(listen, ":"); ok {
		return "127.0.0.1:" + rest
	}
	return listen
}

// addRecipient lets the server that takes mail know of a mailbox that another
// one keeps: that mail for it is accepted, and who may submit mail.
func (e *expander) addRecipient(s section, srv *server, mail string) {
	if !srv.isPair() || mail == "disabled" {
		return
	}
	hash := cty.ListValEmpty(cty.String)
	if srv.judges {
		hash = s.attr("password_hash").secrets()
	}
	e.add(s.b, ".recipient", schema.KindRecipient, srv.roles[roleMTA], s.b.mail, map[string]cty.Value{
		"address":       cty.StringVal(s.b.mail),
		"password_hash": hash,
	})
}

// addRefusal has neither an alias nor a catch-all lead to a user whose mail is to be
// refused: a server beside the one that keeps the mailbox knows who receives mail, and
// gives that of all others to the catch-all.
func (e *expander) addRefusal(s section, d *domain, srv *server, mail string) {
	if !srv.isPair() || mail != "disabled" {
		return
	}
	e.closed[mailAddress{srv.roles[roleMTA], s.b.mail}] = true
	if d.section.attr("catch_all").fact() != absent {
		e.addRoute(s.b, ".refusal", srv.roles[roleMTA], s.b.mail, "refused", list(nil, known), false)
	}
}

// providerOf is the name of the provider of a target.
func providerOf(target string) string {
	name, _, _ := strings.Cut(target, ".")
	return name
}

// machine says where the server of a target is: the host and port of its
// connection, or nothing for this machine.
func (e *expander) machine(target string) string {
	c := e.providerAttr(target, "connection")
	if c == cty.NilVal || c.IsNull() || !c.IsKnown() {
		return ""
	}
	if c.Type().HasAttribute("type") {
		if v, _ := c.GetAttr("type").Unmark(); v.IsKnown() && !v.IsNull() && v.AsString() == "local" {
			return ""
		}
	}
	var parts []string
	for _, name := range []string{"host", "port"} {
		if !c.Type().HasAttribute(name) {
			continue
		}
		v, _ := c.GetAttr(name).Unmark()
		if !v.IsKnown() || v.IsNull() {
			continue
		}
		if v.Type() == cty.String {
			parts = append(parts, v.AsString())
		} else if v.Type() == cty.Number {
			parts = append(parts, v.AsBigFloat().Text('f', -1))
		}
	}
	return strings.Join(parts, " ")
}

// providerAttr is an attribute of the block of a target without marks; NilVal
// where there is no block, or it has no such attribute.
func (e *expander) providerAttr(target, name string) cty.Value {
	for i := range e.cfg.Providers {
		p := &e.cfg.Providers[i]
		if p.Target() != target || p.Value.IsNull() || !p.Value.Type().HasAttribute(name) {
			continue
		}
		v, _ := p.Value.GetAttr(name).Unmark()
		return v
	}
	return cty.NilVal
}

// emitServices makes, for each server in use that mailform does not bring along
// and that takes or keeps mail, that it runs, and its native settings.
func (e *expander) emitServices() {
	targets := make([]string, 0, len(e.used))
	for t := range e.used {
		if roles := providerRoles[providerOf(t)]; !runs(t) && (slices.Contains(roles, roleMTA) || slices.Contains(roles, roleStore)) {
			targets = append(targets, t)
		}
	}
	slices.Sort(targets)
	for _, target := range targets {
		rng := e.used[target].inst.Range
		for i := range e.cfg.Providers {
			if e.cfg.Providers[i].Target() == target {
				rng = e.cfg.Providers[i].Range
			}
		}
		address := "provider." + target
		e.addOfProvider(address+".service", schema.KindService, target, providerOf(target), rng, map[string]cty.Value{
			"name": cty.StringVal(providerOf(target)), "running": cty.True,
		})
		parameters := e.providerAttr(target, "parameters")
		switch {
		case parameters == cty.NilVal || parameters.IsNull():
			continue
		case !parameters.IsKnown():
			e.needKnown(rng, "Which parameters "+address+" has")
			continue
		}
		for it := parameters.ElementIterator(); it.Next(); {
			k, v := it.Element()
			v, _ = v.Unmark()
			name := k.AsString()
			if v.IsKnown() && v.IsNull() {
				continue
			}
			e.addOfProvider(address+indexed("parameter", name), schema.KindParameter, target, name, rng, map[string]cty.Value{
				"name": k, "value": v,
			})
		}
	}
}

// addOfProvider puts a resource of a provider block into the result.
func (e *expander) addOfProvider(address, kind, target, key string, rng hcl.Range, attrs map[string]cty.Value) {
	e.out = append(e.out, schema.Resource{
		Address: address, Kind: kind, Target: target, Key: key, Attrs: schema.KindByName(kind).Object(attrs), Range: rng,
	})
	e.owner = append(e.owner, nil)
}
