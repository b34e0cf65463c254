package stage

import (
	"net"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// keep finds what has to stay for the sake of those who still have former
// versions: the listeners that take what comes to the hosts and addresses in
// them, what these need to take it, and the records that lead there.
func (s *settler) keep() {
	for _, x := range s.sets {
		hosts := x.protected()
		if len(hosts) == 0 {
			continue
		}
		switch {
		case x.isAddress():
			s.keepHost(x, x.name, "smtp", "dns")
		case x.rrtype == "MX":
			for _, h := range hosts {
				s.keepHost(x, h, "smtp")
			}
		case x.rrtype == "NS":
			for _, h := range hosts {
				s.keepHost(x, h, "dns")
			}
		}
	}
}

// keepHost keeps a host: its address records, and its listeners of the services:
// those that have its name, and those that are where it leads to, whatever they are
// called by now.
func (s *settler) keepHost(x *set, name string, services ...string) {
	at := s.addresses(name)
	for id, o := range s.There {
		switch id.Kind {
		case schema.KindRRset:
			if t := text(o.Attrs, "type"); (t == "A" || t == "AAAA") && host(text(o.Attrs, "name")) == name && s.stay(x, id) {
				s.keepZone(x, id.Target, text(o.Attrs, "zone"))
			}
		case schema.KindListener:
			if slices.Contains(services, text(o.Attrs, "service")) && (text(o.Attrs, "hostname") == name || s.reached(id, at)) {
				s.keepListener(x, id)
				if text(o.Attrs, "service") == "smtp" {
					s.keepDomains(x, id.Target, append([]string{x.name}, s.domains[name]...))
				}
			}
		}
	}
}

// addresses are those that a host has, and that resolvers may have of it.
func (s *settler) addresses(name string) []string {
	var out []string
	for id, o := range s.There {
		if t := text(o.Attrs, "type"); id.Kind != schema.KindRRset || t != "A" && t != "AAAA" || host(text(o.Attrs, "name")) != name {
			continue
		}
		values, _ := texts(attr(o.Attrs, "values"))
		out = append(out, values...)
		if st := s.Prior.Resources[id]; st != nil && st.Staging != nil {
			for _, v := range st.Staging.Cached {
				out = append(out, v.Values...)
			}
		}
	}
	return out
}

// reached reports whether who comes to one of the addresses comes to a listener.
// One that listens everywhere has the addresses of its server, or, where nobody
// says which these are, any.
func (s *settler) reached(id schema.ID, addresses []string) bool {
	if len(addresses) == 0 {
		return false
	}
	o := s.Observed(id)
	all := false
	for _, name := range []string{"listen", "listen_tls"} {
		list, _ := texts(attr(o.Attrs, name))
		for _, l := range list {
			h, _, err := net.SplitHostPort(l)
			if err == nil && slices.Contains(addresses, h) {
				return true
			}
			all = all || err == nil && everywhere(h)
		}
	}
	if !all {
		return false
	}
	server := s.Observed(schema.ID{Target: id.Target, Kind: schema.KindSetting, Key: text(o.Attrs, "owner")})
	if server == nil {
		return true
	}
	own, _ := texts(attr(server.Attrs, "addresses"))
	return len(own) == 0 || slices.ContainsFunc(own, func(a string) bool { return slices.Contains(addresses, a) })
}

// stay keeps a thing that is ours and not desired. It reports whether it is kept.
func (s *settler) stay(x *set, id schema.ID) bool {
	if s.Declared(id) != nil || !s.ours(id) {
		return false
	}
	s.res.Keep[id] = true
	x.kept = append(x.kept, id)
	return true
}

// keepListener keeps a listener where it listens, but for what other listeners take
// over: who comes there is served by these. One that moves to other addresses
// listens on both for a while.
func (s *settler) keepListener(x *set, id schema.ID) {
	if !s.ours(id) {
		return
	}
	want := s.Declared(id)
	if want == nil {
		want = s.former(id)
	}
	vals := want.Attrs.AsValueMap()
	more, less := false, false
	for _, name := range []string{"listen", "listen_tls"} {
		is, ok := texts(vals[name])
		old, was := texts(s.Observed(id).Attrs.GetAttr(name))
		if !ok || !was {
			return
		}
		free := slices.DeleteFunc(slices.Clone(old), func(l string) bool { return s.taken(id, l) })
		less = less || len(free) < len(old)
		if s.Declared(id) == nil {
			is = nil
		}
		free = slices.DeleteFunc(free, func(l string) bool { return overlaps(is, l) })
		more = more || len(free) > 0
		list := append(slices.Clone(is), free...)
		slices.Sort(list)
		vals[name] = schema.StringList(list)
	}
	if !more {
		return
	}
	for pid := range s.There { // the process and the settings of the server
		switch {
		case pid.Target != id.Target:
		case pid.Kind == schema.KindProcess,
			pid.Kind == schema.KindSetting && pid.Key == text(s.Observed(id).Attrs, "owner"):
			s.stay(x, pid)
		}
	}
	switch {
	case s.Declared(id) != nil:
		if s.res.Attrs[id] == cty.NilVal {
			s.res.Attrs[id] = schema.KindByName(schema.KindListener).Object(vals)
		}
		x.kept = append(x.kept, id)
	case !less:
		s.stay(x, id)
	case s.free(want.Address):
		want.Attrs = schema.KindByName(schema.KindListener).Object(vals)
		s.res.Also = append(s.res.Also, want)
		s.stay(x, id)
	}
}

// former is a thing that is no longer desired, as the state remembers it.
func (s *settler) former(id schema.ID) *schema.Resource {
	r := &schema.Resource{Address: s.Observed(id).Owner, Target: id.Target, Kind: id.Kind, Key: id.Key, Attrs: s.Observed(id).Attrs}
	if st := s.Prior.Resources[id]; st != nil {
		r.Address, r.DependsOn, r.PreventDestroy = st.Address, st.DependsOn, st.PreventDestroy
	}
	return r
}

// free reports whether no desired resource has an address.
func (s *settler) free(address string) bool {
	return !slices.ContainsFunc(s.Desired, func(r *schema.Resource) bool { return r.Address == address }) &&
		!slices.ContainsFunc(s.res.Also, func(r *schema.Resource) bool { return r.Address == address })
}

// taken reports whether another listener is to listen where one does.
func (s *settler) taken(id schema.ID, listen string) bool {
	for _, r := range s.Desired {
		if r.Kind != schema.KindListener || r.ID() == id {
			continue
		}
		for _, name := range []string{"listen", "listen_tls"} {
			if list, ok := texts(r.Attrs.GetAttr(name)); ok && overlaps(list, listen) {
				return true
			}
		}
	}
	return false
}

// overlaps reports whether one of the places is the other, or holds it: a place
// without a host is all addresses.
func overlaps(list []string, listen string) bool {
	h, port, err := net.SplitHostPort(listen)
	return err == nil && slices.ContainsFunc(list, func(other string) bool {
		oh, oport, err := net.SplitHostPort(other)
		return err == nil && port == oport && (h == oh || everywhere(h) || everywhere(oh))
	})
}

func everywhere(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// keepDomains keeps mail domains at a target with what takes mail in them. Of a
// domain that another target holds from now on, what that one does not have is
// gone for good: who sends to it is to be refused.
func (s *settler) keepDomains(x *set, target string, names []string) {
	for _, name := range names {
		id := schema.ID{Target: target, Kind: schema.KindMailDomain, Key: name}
		if s.Observed(id) == nil || !s.stay(x, id) {
			continue
		}
		elsewhere := map[[2]string]bool{}
		moved := false
		for _, r := range s.Desired {
			if r.Target == target {
				continue
			}
			switch r.Kind {
			case schema.KindMailDomain:
				moved = moved || r.Key == name
			case schema.KindMailbox, schema.KindRoute:
				elsewhere[[2]string{r.Kind, r.Key}] = true
			}
		}
		for mid, o := range s.There {
			if mid.Target != target || mid.Kind != schema.KindMailbox && mid.Kind != schema.KindRoute {
				continue
			}
			address := text(o.Attrs, "address")
			if address[strings.LastIndexByte(address, '@')+1:] == name && (!moved || elsewhere[[2]string{mid.Kind, mid.Key}]) {
				s.stay(x, mid)
			}
		}
	}
}

// keepZone keeps a zone in which something is kept, with what makes it be found.
func (s *settler) keepZone(x *set, target, zone string) {
	id := schema.ID{Target: target, Kind: schema.KindZone, Key: host(zone)}
	if s.Observed(id) == nil || !s.stay(x, id) {
		return
	}
	for oid, o := range s.There {
		switch {
		case oid.Target != target:
		case oid.Kind == schema.KindRRset && text(o.Attrs, "type") == "NS" && text(o.Attrs, "name") == zone,
			oid.Kind == schema.KindDNSSEC && text(o.Attrs, "zone") == zone,
			oid.Kind == schema.KindProcess:
			s.stay(x, oid)
		case oid.Kind == schema.KindListener && text(o.Attrs, "service") == "dns":
			s.keepListener(x, oid)
		}
	}
}

// texts are the elements of a list of strings; false where they are not known.
func texts(v cty.Value) ([]string, bool) {
	if v == cty.NilVal || !v.IsWhollyKnown() {
		return nil, false
	}
	var out []string
	if v.IsNull() {
		return nil, true
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out, true
}
