package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addLists says which lists a server asks about its clients.
func (e *expander) addLists(whole section, srv *server) {
	seen := map[string]value{}
	for _, s := range whole.each("dnsbl") {
		if !e.mayTreat(whole, srv, "dnsbl") {
			return
		}
		zone, ok := readKey(s.attr("zone"), func(text string) (string, error) {
			name, err := schema.ParsePolicyDomain(text)
			return name, err
		})
		action, aok := readKey(s.attr("action"), text)
		if !ok || !aok {
			continue
		}
		key := zone + "/" + action
		if other, there := seen[key]; there {
			s.attr("zone").errorf("List named twice", "%s asks %s twice with the action %q (%s). Put the answers of both into one block.", srv.addr, zone, action, at(other.rng()))
			continue
		}
		seen[key] = s.attr("zone")
		answers, f := readList(s.attr("answers"), func(text string) (string, error) {
			p, err := schema.ParseDNSBLAnswer(text)
			return p.String(), err
		})
		e.add(srv.block, indexed("dnsbl", key), schema.KindDNSBL, srv.roles[roleMTA], srv.label()+"/"+key, map[string]cty.Value{
			"owner": cty.StringVal(srv.label()), "zone": cty.StringVal(zone), "action": cty.StringVal(action),
			"weight": e.val(s.attr("weight").integer(schema.DNSBLEnough)), "answers": list(answers, orZero(f)),
		})
	}
}

// addGreylist says how a server puts off senders that nobody knows.
func (e *expander) addGreylist(whole section, srv *server) {
	s, ok := whole.nested("greylist")
	if !ok || !e.mayTreat(whole, srv, "greylist") {
		return
	}
	delay, within, keep := s.attr("delay").seconds(), s.attr("retry_within").seconds(), s.attr("keep").seconds()
	if delay.f == known && within.f == known && within.n <= delay.n {
		s.attr("retry_within").errorf("Senders that could never come", "retry_within of %s has to be longer than delay: no other attempt would count as one.", srv.addr)
		return
	}
	if within.f == known && keep.f == known && keep.n < within.n {
		s.attr("keep").errorf("Senders forgotten too early", "keep of %s has to be as long as retry_within at least.", srv.addr)
		return
	}
	pass := s.attr("pass_spf")
	spf := cty.UnknownVal(cty.Bool)
	if pass.fact() != unknown {
		spf = cty.BoolVal(pass.yes())
	}
	exempt, f := readList(s.attr("exempt"), network)
	e.add(srv.block, ".greylist", schema.KindGreylist, srv.roles[roleMTA], srv.label(), map[string]cty.Value{
		"owner": cty.StringVal(srv.label()), "delay": e.val(delay), "retry_within": e.val(within), "keep": e.val(keep),
		"known_after": e.val(s.attr("known_after").integer(0)), "pass_spf": spf, "exempt": list(exempt, orZero(f)),
	})
}

// mayTreat says whether a server can be told how to treat mail by a block; it reports
// where it cannot.
func (e *expander) mayTreat(whole section, srv *server, name string) bool {
	target := srv.roles[roleMTA]
	if !runs(target) {
		whole.attr(name).errorf("Server that others make",
			"%s has no attribute for what a block %s says: its own configuration, and the filters that it asks, decide that. Leave out %s.", target, name, name)
		return false
	}
	return true
}
