package expand

import (
	"net/netip"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A nameserver is a nameserver block.
type nameserver struct {
	*block
	host   rdata.Name
	target string
	// local is set where it is only reached on loopback addresses.
	local bool
}

func (e *expander) readNameservers() {
	for _, b := range e.byType["nameserver"] {
		s := e.section(b)
		roles, ok := s.roles([]role{roleDNS})
		host, hok := readKey(s.attr("hostname"), parseHost)
		if !ok || !hok {
			continue
		}
		ns := &nameserver{block: b, host: host, target: roles[roleDNS]}
		e.nameservers[b] = ns
		e.addSecondaries(ns, s)
		e.addRateLimit(ns, s)
		v := s.attr("listen")
		if !runs(ns.target) {
			addresses, _ := s.addresses()
			ns.local = len(addresses) > 0 && !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() })
			e.listensElsewhere(ns, v)
			continue
		}
		listen, lf := readList(v, schema.ParseListen)
		if lf == absent {
			addresses, af := s.addresses()
			listen, lf = onAddresses(addresses, "53"), orZero(af)
		}
		ns.local = lf == known && !slices.ContainsFunc(listen, func(l string) bool { return !onLoopback(l) })
		e.addListener(b, "dns", ns.target, host, listen, lf, nil, known)
		for _, l := range listen {
			e.claimPort(l, b.addr+".dns", ns.target, v)
		}
	}
}

// addRateLimit says how many answers a network gets from a name server.
func (e *expander) addRateLimit(ns *nameserver, section section) {
	s, ok := section.nested("rate_limit")
	if !ok {
		return
	}
	if !runs(ns.target) {
		section.attr("rate_limit").errorf("Name server that others run",
			"The server at %s is not run by mailform, and its own configuration says how much it answers. Leave out rate_limit.", ns.target)
		return
	}
	exempt, f := readList(s.attr("exempt"), network)
	e.add(ns.block, ".rate_limit", schema.KindRateLimit, ns.target, ns.label(), map[string]cty.Value{
		"owner":                cty.StringVal(ns.label()),
		"responses_per_second": e.val(s.attr("responses_per_second").integer(0)),
		"exempt":               list(exempt, orZero(f)),
	})
}

// listensElsewhere refuses a listen address of a server that mailform does not
// run. What was left out has its default.
func (e *expander) listensElsewhere(ns *nameserver, v value) {
	standard := schema.BlockByType("nameserver").Attribute("listen").Default
	if v.fact() != known || v.v.RawEquals(standard) {
		return
	}
	v.errorf("Name server that others run",
		"The server at %s is not run by mailform, and its own configuration says where it listens. Leave out listen here; addresses says under which addresses others reach it, and server in the provider block where mailform does.", ns.target)
}

// onLoopback reports whether what listens there is only reached from its machine.
func onLoopback(listen string) bool {
	ap, err := netip.ParseAddrPort(listen)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// reachedAt are the addresses that a name server's records name: those it
// says, or else the specific ones that it listens on.
func (s section) reachedAt() ([]netip.Addr, fact) {
	addresses, f := s.addresses()
	if f != absent {
		return addresses, f
	}
	listen, f := readList(s.attr("listen"), schema.ParseListen)
	if f != known {
		return nil, f
	}
	for _, l := range listen {
		ap, err := netip.ParseAddrPort(l)
		if err == nil && !ap.Addr().IsUnspecified() && !slices.Contains(addresses, ap.Addr()) {
			addresses = append(addresses, ap.Addr())
		}
	}
	return addresses, known
}

// addHostRecords makes the address records of the servers whose names lie in
// our zones. Two servers may share a name: it then has the addresses of both.
func (e *expander) addHostRecords() {
	for _, typ := range []string{"server", "nameserver", "web"} {
		for _, b := range e.byType[typ] {
			s := e.section(b)
			var host rdata.Name
			var addresses []netip.Addr
			var f fact
			if srv := e.servers[b]; srv != nil {
				host = srv.host
				addresses, f = s.addresses()
			} else if w := e.webs[b]; w != nil {
				host = w.host
				addresses, f = s.addresses()
			} else if ns := e.nameservers[b]; ns != nil {
				host = ns.host
				addresses, f = s.reachedAt()
			} else {
				continue
			}
			z := e.zoneOf(host)
			if z == nil {
				continue
			}
			if f == unknown {
				e.needKnown(s.attr("addresses").rng(), "The addresses of "+b.addr)
				continue
			}
			e.addAddressSets(b, z, host, addresses, s.attr("addresses"))
		}
	}
}

func (e *expander) addAddressSets(b *block, z *zone, host rdata.Name, addresses []netip.Addr, v value) {
	byType := map[string][]string{}
	for _, a := range addresses {
		t := "AAAA"
		if a.Is4() {
			t = "A"
		}
		byType[t] = append(byType[t], a.String())
	}
	for _, t := range []string{"A", "AAAA"} {
		if len(byType[t]) > 0 {
			e.addSet(&rrset{
				setKey: setKey{z, host, t}, suffix: indexed("address", t), block: b, src: v,
				ttl: z.ttl, values: sorted(byType[t]), valuesKnown: known, made: true,
			})
		}
	}
}
