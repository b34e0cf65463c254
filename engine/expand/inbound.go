package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addInbound says how a server treats mail from others, and whom it asks about
// them. Where nothing is said of it, it decides itself.
func (e *expander) addInbound(whole section, srv *server) {
	target := srv.roles[roleMTA]
	mine := func(name string) (section, bool) {
		s, ok := whole.nested(name)
		return s, ok && e.mayTreat(whole, srv, name)
	}
	owner := cty.StringVal(srv.label())
	if s, ok := mine("resolver"); ok {
		servers, f := readInOrder(s.attr("servers"), func(text string) (string, error) {
			a, err := schema.ParseAddressPort(text)
			return a.String(), err
		})
		e.add(srv.block, ".resolver", schema.KindResolver, target, srv.label(), map[string]cty.Value{
			"owner": owner, "servers": list(servers, f),
		})
	}
	s, ok := mine("inbound")
	if !ok {
		return
	}
	word := func(name string) cty.Value { return orUnknown(s.attr(name).str("")) }
	sealers, sf := readList(s.attr("trusted_sealers"), schema.ParseDomainName)
	exempt, xf := readList(s.attr("exempt"), network)
	e.add(srv.block, ".inbound", schema.KindInbound, target, srv.label(), map[string]cty.Value{
		"owner": owner,
		"spf":   word("spf"), "dkim": word("dkim"), "arc": word("arc"), "dmarc": word("dmarc"),
		"trusted_sealers": list(sealers, orZero(sf)),
		"exempt":          list(exempt, orZero(xf)),
	})
}

// network is a network as its kinds have it, as parse function.
func network(text string) (string, error) {
	p, err := schema.ParseNetwork(text)
	return p.String(), err
}
