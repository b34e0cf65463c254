package stage

import (
	"net"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A stayed is what stays for one reason: hundreds of domains can have the same.
type stayed struct {
	ids []schema.ID
	// targets are those of the listeners that take mail.
	targets []string
}

// keep finds what has to stay for the sake of those who still have former
// versions: the listeners that take what comes to the hosts and addresses in
// them, what these need to take it, and the records that lead there.
func (s *settler) keep() {
	for _, x := range s.sets {
		hosts := x.protected()
		switch {
		case len(hosts) == 0:
		case x.isAddress():
			s.keepFor(x, s.keepHost(x.name, "smtp", "dns"), s.domains[x.name])
		case x.rrtype == "MX":
			for _, h := range hosts {
				s.keepFor(x, s.keepHost(h, "smtp"), []string{x.name})
			}
		case x.rrtype == "NS":
			for _, h := range hosts {
				s.keepFor(x, s.keepHost(h, "dns"), nil)
			}
		}
	}
}

// keepFor notes that something stays because of a set, with the mail domains where
// the mail goes.
func (s *settler) keepFor(x *set, k *stayed, domains []string) {
	x.kept = append(x.kept, k.ids...)
	for _, target := range k.targets {
		for _, name := range domains {
			x.kept = append(x.kept, s.keepDomain(target, name).ids...)
		}
	}
}

// keepHost keeps a host: its address records, and its listeners of the services:
// those that have its name, and those that are where it leads to, whatever they are
// called by now.
func (s *settler) keepHost(name string, services ...string) *stayed {
	reason := strings.Join(append([]string{name}, services...), " ")
	if k := s.hostStays[reason]; k != nil {
		return k
	}
	k := &stayed{}
	s.hostStays[reason] = k
	at := s.addresses(name)
	for _, id := range s.addressSets[name] {
		if s.stay(k, id) {
			s.keepZone(k, id.Target, text(s.Observed(id).Attrs, "zone"))
		}
	}
	for _, id := range s.listeners {
		o := s.Observed(id)
		service := text(o.Attrs, "service")
		if !slices.Contains(services, service) || text(o.Attrs, "hostname") != name && !s.reached(id, at) {
			continue
		}
		s.keepListener(k, id)
		if service == "smtp" && !slices.Contains(k.targets, id.Target) {
			k.targets = append(k.targets, id.Target)
		}
	}
	return k
}

// addresses are those that a host has, and that resolvers may have of it.
func (s *settler) addresses(name string) []string {
	var out []string
	for _, id := range s.addressSets[name] {
		values, _ := texts(attr(s.Observed(id).Attrs, "values"))
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
func (s *settler) stay(k *stayed, id schema.ID) bool {
	if s.Declared(id) != nil || !s.ours(id) {
		return false
	}
	s.res.Keep[id] = true
	k.ids = append(k.ids, id)
	return true
}

// keepListener keeps a listener where it listens, but for what other listeners take
// over: who comes there is served by these. One that moves to other addresses
// listens on both for a while.
func (s *settler) keepListener(k *stayed, id schema.ID) {
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
	s.stay(k, schema.ID{Target: id.Target, Kind: schema.KindSetting, Key: text(s.Observed(id).Attrs, "owner")})
	s.keepProcess(k, id.Target)
	switch {
	case s.Declared(id) != nil:
		if s.res.Attrs[id] == cty.NilVal {
			s.res.Attrs[id] = schema.KindByName(schema.KindListener).Object(vals)
		}
		k.ids = append(k.ids, id)
	case !less:
		s.stay(k, id)
	case s.free(want.Address):
		want.Attrs = schema.KindByName(schema.KindListener).Object(vals)
		s.res.Also = append(s.res.Also, want)
		s.stay(k, id)
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

// keepDomain keeps a mail domain at a target with what takes mail in it. Of a
// domain that another target holds from now on, what that one does not have is
// gone for good: who sends to it is to be refused.
func (s *settler) keepDomain(target, name string) *stayed {
	id := schema.ID{Target: target, Kind: schema.KindMailDomain, Key: name}
	if k := s.domainStays[id]; k != nil {
		return k
	}
	k := &stayed{}
	s.domainStays[id] = k
	if !s.stay(k, id) {
		return k
	}
	s.indexMail()
	moved := s.elsewhere(id)
	for _, mid := range s.mail[id] {
		if !moved || s.elsewhere(mid) {
			s.stay(k, mid)
		}
	}
	return k
}

// indexMail finds the mailboxes and routes of each mail domain, and which of these
// are desired.
func (s *settler) indexMail() {
	if s.mail != nil {
		return
	}
	s.mail, s.desiredAt = map[schema.ID][]schema.ID{}, map[[2]string][]string{}
	for id, o := range s.There {
		if id.Kind != schema.KindMailbox && id.Kind != schema.KindRoute {
			continue
		}
		address := text(o.Attrs, "address")
		domain := schema.ID{Target: id.Target, Kind: schema.KindMailDomain, Key: address[strings.LastIndexByte(address, '@')+1:]}
		s.mail[domain] = append(s.mail[domain], id)
	}
	for _, r := range s.Desired {
		switch r.Kind {
		case schema.KindMailDomain, schema.KindMailbox, schema.KindRoute:
			k := [2]string{r.Kind, r.Key}
			s.desiredAt[k] = append(s.desiredAt[k], r.Target)
		}
	}
}

// elsewhere reports whether the same thing is desired at another target.
func (s *settler) elsewhere(id schema.ID) bool {
	return slices.ContainsFunc(s.desiredAt[[2]string{id.Kind, id.Key}], func(target string) bool { return target != id.Target })
}

// keepZone keeps a zone in which something is kept, with what makes it be found.
func (s *settler) keepZone(k *stayed, target, zone string) {
	if !s.stay(k, schema.ID{Target: target, Kind: schema.KindZone, Key: host(zone)}) {
		return
	}
	for id, o := range s.There {
		switch {
		case id.Target != target:
		case id.Kind == schema.KindRRset && text(o.Attrs, "type") == "NS" && text(o.Attrs, "name") == zone,
			id.Kind == schema.KindDNSSEC && text(o.Attrs, "zone") == zone:
			s.stay(k, id)
		case id.Kind == schema.KindListener && text(o.Attrs, "service") == "dns" && s.ours(id):
			s.keepListener(k, id)
		}
	}
	s.keepProcess(k, target)
}

// keepProcess keeps the process that serves a target, where it has one.
func (s *settler) keepProcess(k *stayed, target string) {
	for _, id := range s.processes[target] {
		s.stay(k, id)
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
