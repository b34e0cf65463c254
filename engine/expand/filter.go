package expand

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addFilters makes the filters of a service that takes mail: those that its block
// names, or else those of the server.
func (e *expander) addFilters(s, sub section, written bool, srv *server, service string) {
	v := s.attr("filters")
	switch {
	case written && sub.attr("filters").fact() != absent:
		v = sub.attr("filters")
	case srv.misfiltered:
		return // said once
	}
	before := len(e.diags)
	defer func() { srv.misfiltered = len(e.diags) > before }()
	elems, f := v.list()
	if f == unknown {
		e.needKnown(v.rng(), "Which filters the service "+service+" of "+srv.addr+" has")
		return
	}
	if len(elems) > 0 && !holds(srv.roles[roleMTA], schema.KindFilter) {
		v.errorf("Setting that the provider does not have", "%s: %s has no filters.", srv.addr, srv.roles[roleMTA])
		return
	}
	seen := map[*block]bool{}
	for i, el := range elems {
		_, b, f := el.ref()
		switch {
		case f != known:
			continue
		case seen[b]:
			v.errorf("Filter named twice", "%s stands twice in the list. Mail passes a filter once.", b.addr)
			continue
		}
		seen[b] = true
		e.addFilter(srv, service, b, i+1)
	}
}

// addFilter makes a filter of a service.
func (e *expander) addFilter(srv *server, service string, b *block, position int) {
	s := e.section(b)
	typ, tf := s.attr("type").str("")
	address := orUnknown(read(s.attr("address"), schema.ParseFilterAddress))
	if s.attr("address").fact() == absent {
		if address = standardFilterAddress(typ, tf); address == cty.NilVal {
			s.attr("type").errorf("Filter without an address", "%s is any milter, and nobody but its block can say where it listens: address = \"127.0.0.1:…\" or address = \"unix:/…\".", b.addr)
			return
		}
	}
	onFailure := orUnknown(read(s.attr("on_failure"), text))
	junk, jf := readList(s.attr("junk"), schema.ParseJunkField)
	name := b.label()
	e.add(srv.block, "."+service+indexed("filter", name), schema.KindFilter, srv.roles[roleMTA], strings.Join([]string{srv.label(), service, name}, "/"), map[string]cty.Value{
		"owner":      cty.StringVal(srv.label()),
		"service":    cty.StringVal(service),
		"name":       cty.StringVal(name),
		"position":   cty.NumberIntVal(int64(position)),
		"type":       orUnknown(typ, tf),
		"address":    address,
		"on_failure": onFailure,
		"timeout":    e.val(s.attr("timeout").seconds()),
		"junk":       list(junk, orZero(jf)),
	})
}

// standardFilterAddress is where a filter of a type listens that says nothing of it;
// NilVal where there is no such place.
func standardFilterAddress(typ string, f fact) cty.Value {
	if f == unknown {
		return cty.UnknownVal(cty.String)
	}
	for _, t := range schema.FilterTypes {
		if t.Type == typ && t.Address != "" {
			return cty.StringVal(t.Address)
		}
	}
	return cty.NilVal
}
