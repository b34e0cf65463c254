package expand

import (
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// addLimits says how much clients can have of the services of a server: one resource
// for each service that a block is about.
func (e *expander) addLimits(whole section, srv *server) {
	blocks := whole.each("limits")
	named := map[string]bool{}
	services := make([][]string, len(blocks))
	rest := -1 // the block that names no services
	for i, s := range blocks {
		v := s.attr("services")
		list, f := readList(v, text)
		switch {
		case f == unknown:
			if v.fact() == unknown {
				e.needKnown(v.rng(), srv.addr+"."+v.path)
			}
			return
		case f == known:
		case rest >= 0:
			whole.attr("limits").errorf("Two blocks for one service",
				"%s has two blocks limits without services. Leave one out, or say in services what it is about.", srv.addr)
			return
		default:
			rest = i
			continue
		}
		for _, name := range list {
			if named[name] {
				v.errorf("Two blocks for one service", "%s has two blocks limits for %s. Put what they say into one.", srv.addr, name)
				return
			}
			named[name] = true
		}
		services[i] = list
	}
	if rest >= 0 {
		for _, name := range srv.offers {
			if !named[name] {
				services[rest] = append(services[rest], name)
			}
		}
	}
	for i, s := range blocks {
		for _, name := range services[i] {
			if !e.addLimit(s, srv, name, i == rest) {
				return
			}
		}
	}
}

// addLimit says it for one service; false where it cannot be said.
func (e *expander) addLimit(s section, srv *server, service string, all bool) bool {
	target := srv.roles[serviceRoles[service]]
	if !runs(target) {
		if all && runs(srv.roles[roleMTA]) != runs(srv.roles[roleStore]) {
			return true // the block is about those that it can be about
		}
		s.attr("services").errorf("Server that others make",
			"%s has no attribute for what a block limits says of %s: its own configuration decides that. Leave it out.", target, service)
		return false
	}
	takesMessages := service == "smtp" || service == "submission"
	attrs := map[string]cty.Value{"owner": cty.StringVal(srv.label()), "service": cty.StringVal(service)}
	for name := range schema.LimitRanges {
		v := s.attr(name)
		if !takesMessages && slices.Contains(schema.MessageLimits, name) {
			if !all && v.fact() != absent {
				v.errorf("Limit of another service", "%s takes no messages, so that %s says nothing there. Put it into a block limits for smtp or submission.", service, name)
				return false
			}
			attrs[name] = e.val(number{0, known})
			continue
		}
		if service != "submission" && slices.Contains(schema.UserLimits, name) {
			if !all && v.fact() != absent {
				v.errorf("Limit of another service", "Nobody logs in to %s to send, so that %s says nothing there. Put it into a block limits for submission.", service, name)
				return false
			}
			attrs[name] = e.val(number{0, known})
			continue
		}
		switch name {
		case "header_size":
			attrs[name] = e.val(v.size())
		case "timeout", "data_timeout":
			attrs[name] = e.val(v.seconds())
		default:
			attrs[name] = e.val(v.integer(0))
		}
	}
	exempt, f := readList(s.attr("exempt"), network)
	attrs["exempt"] = list(exempt, orZero(f))
	e.add(srv.block, indexed("limits", service), schema.KindLimit, target, srv.label()+"/"+service, attrs)
	return true
}
