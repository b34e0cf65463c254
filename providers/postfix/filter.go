package postfix

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Filters are milters. Those of a service stand in a parameter of ours, in their
// order, and the service in master.cf refers to it: services of others go on
// without them.

// milterParameter is where the filters of a service stand.
func milterParameter(service string) string { return "mailform_" + service + "_milters" }

// filteredServices are those that take mail.
var filteredServices = []string{"smtp", "submission"}

// milter writes a filter as Postfix has it.
func milter(a attrs) (string, error) {
	if !slices.Contains(filteredServices, a.Str("service")) {
		return "", fmt.Errorf("service: Postfix has no filters for %q", a.Str("service"))
	}
	address := a.Str("address")
	if canonical, err := schema.ParseFilterAddress(address); err != nil || canonical != address {
		return "", fmt.Errorf("address: %q is no place where a filter listens", address)
	}
	if !strings.HasPrefix(address, "unix:") {
		address = "inet:" + address
	}
	choice := a.Str("on_failure")
	if !slices.Contains([]string{"accept", "tempfail", "reject"}, choice) {
		return "", fmt.Errorf("on_failure: Postfix has no %q", choice)
	}
	n := a.Number("timeout")
	if n < 1 || n > 3600 {
		return "", fmt.Errorf("timeout: it has to be from one second to one hour")
	}
	if p := a.Number("position"); p < 1 {
		return "", fmt.Errorf("position: the first is 1")
	}
	return fmt.Sprintf("{ %s, connect_timeout=%ds, command_timeout=%ds, content_timeout=%ds, default_action=%s }", address, n, n, n, choice), nil
}

// filtersOf are the declared filters of a service, in their order.
func (l *ledger) filtersOf(service string) []attrs {
	list := slices.DeleteFunc(l.declared(schema.KindFilter), func(a attrs) bool { return a.Str("service") != service })
	slices.SortStableFunc(list, func(a, b attrs) int {
		return cmp.Or(cmp.Compare(a.Number("position"), b.Number("position")), cmp.Compare(a.Str("name"), b.Str("name")))
	})
	return list
}

// settleFilters adds to what main.cf and master.cf have to have the filters of
// services that there are.
func (w *world) settleFilters(params map[string]string, services []*entry) error {
	for _, service := range filteredServices {
		var list []string
		for _, a := range w.ledger.filtersOf(service) {
			m, err := milter(a)
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		if len(list) == 0 {
			continue
		}
		params[milterParameter(service)] = strings.Join(list, ", ")
		for _, e := range services {
			if e.service == service {
				e.options = append(slices.Clip(e.options), milterOption(service))
			}
		}
	}
	return nil
}

// milterOption is how a service refers to its filters.
func milterOption(service string) option {
	return option{"smtpd_milters", "$" + milterParameter(service)}
}

// filters reports whether an option refers to filters of ours.
func (o option) filters() bool {
	return slices.ContainsFunc(filteredServices, func(s string) bool { return o == milterOption(s) })
}

// A liveMilter is an element of a list of milters in main.cf.
type liveMilter struct {
	address, onFailure string
	timeout            int64
}

// parseMilters takes a list of milters apart. What it leaves out is as it is where
// nothing is said.
func parseMilters(value string) []liveMilter {
	var list []liveMilter
	for value = strings.TrimLeft(value, ", \t\r\n"); value != ""; value = strings.TrimLeft(value, ", \t\r\n") {
		one := value
		if rest, ok := strings.CutPrefix(value, "{"); ok {
			one, value, _ = strings.Cut(rest, "}")
		} else if i := strings.IndexAny(value, ", \t\r\n"); i >= 0 {
			one, value = value[:i], value[i:]
		} else {
			value = ""
		}
		m := liveMilter{onFailure: "none", timeout: -1}
		for i, part := range splitList(one) {
			name, v, ok := strings.Cut(part, "=")
			switch {
			case i == 0:
				m.address = strings.TrimPrefix(part, "inet:")
			case ok && name == "default_action":
				m.onFailure = v
			case ok && strings.HasSuffix(name, "_timeout"):
				n, err := strconv.ParseInt(strings.TrimSuffix(v, "s"), 10, 64)
				if err != nil || m.timeout >= 0 && m.timeout != n {
					n = 0
				}
				m.timeout = n
			}
		}
		list = append(list, m)
	}
	return list
}

// liveFilter puts into vals what Postfix has of a filter where that is not what was
// declared, and reports whether it has it.
func (w *world) liveFilter(a attrs, vals map[string]cty.Value) bool {
	service := a.Str("service")
	declared := w.ledger.filtersOf(service)
	want := slices.IndexFunc(declared, func(d attrs) bool { return d.Str("name") == a.Str("name") && d.Str("owner") == a.Str("owner") })
	list := parseMilters(w.params[milterParameter(service)])
	at := slices.IndexFunc(list, func(m liveMilter) bool { return m.address == a.Str("address") })
	if at < 0 && want < len(list) && !slices.ContainsFunc(declared, func(d attrs) bool { return d.Str("address") == list[want].address }) {
		at = want // it has another address there
	}
	if at < 0 || !w.filtering(service) {
		return false
	}
	m := list[at]
	if at != want {
		vals["position"] = cty.NumberIntVal(int64(at + 1))
	}
	if m.address != a.Str("address") {
		vals["address"] = cty.StringVal(m.address)
	}
	if m.onFailure != a.Str("on_failure") {
		vals["on_failure"] = cty.StringVal(m.onFailure)
	}
	if m.timeout != a.Number("timeout") {
		vals["timeout"] = cty.NumberIntVal(max(m.timeout, 0))
	}
	return true
}

// filtering reports whether all of a service that listens refers to our filters.
func (w *world) filtering(service string) bool {
	for _, a := range w.ledger.declared(schema.KindListener) {
		if a.Str("service") != service {
			continue
		}
		n, err := w.p.deriveListener(a)
		if err != nil {
			continue
		}
		for _, e := range n.services {
			have := w.serviceOf(e)
			if have == nil {
				continue // the listener says that it is gone
			}
			if v, _ := have.option("smtpd_milters"); v != milterOption(service).value {
				return false
			}
		}
	}
	return true
}

// serviceOf is what master.cf has in the place of a service of ours.
func (w *world) serviceOf(e *entry) *entry {
	if have := w.services[e.key()]; have != nil {
		return have
	}
	return w.services[w.named(e.name)]
}

// judgeFilter refuses a socket that Postfix would not find, and to take the milters
// of others away from a service.
func (v *validation) judgeFilter(r *schema.Resource, a attrs) {
	if name := v.confined(a.Str("service")); name != "" && strings.HasPrefix(a.Str("address"), "unix:") {
		v.problem(r.Address, fmt.Errorf("address: the service %s of master.cf runs with its queue directory as its root (chroot), and looks for %s below that. "+
			"Put an n in that column of master.cf, or have the filter listen at a port", name, a.Str("address")))
		return
	}
	others := v.w.former("smtpd_milters")
	if others == "" {
		return
	}
	for _, m := range parseMilters(others) {
		if m.address != a.Str("address") && !slices.ContainsFunc(v.filters[a.Str("service")], func(address string) bool { return sameMilter(address, m.address) }) {
			v.problem(r.Address, fmt.Errorf("Postfix has smtpd_milters = %s in main.cf, and a service with filters has those in its place. Declare it as a filter too (address = %q)", others, m.address))
			return
		}
	}
}

// confined is a service of master.cf that sees its queue directory alone, and that
// becomes one of ours; empty: there is none.
func (v *validation) confined(service string) string {
	for _, a := range v.listeners {
		if a.Str("service") != service {
			continue
		}
		n, err := v.w.p.deriveListener(a)
		if err != nil {
			continue // said of the listener
		}
		for _, e := range n.services {
			for _, have := range v.w.services {
				if have.typ == "inet" && have.command == "smtpd" && have.columns[2] == "y" && clashes(have.name, e.name) {
					return have.name
				}
			}
		}
	}
	return ""
}

// sameMilter compares addresses, of which Postfix knows more forms than one.
func sameMilter(a, b string) bool {
	if a == b {
		return true
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	local := func(h string) bool { return h == "localhost" || h == "127.0.0.1" || h == "::1" }
	return errA == nil && errB == nil && portA == portB && (hostA == hostB || local(hostA) && local(hostB))
}
