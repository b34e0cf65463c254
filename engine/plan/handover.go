package plan

import (
	"net"
	"net/netip"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// rankHandOver is when a listener goes whose port another server takes: right
// before listeners come, so that nobody listens for as short a time as can be.
var rankHandOver = schema.KindByName(schema.KindListener).Rank - 1

// handOvers finds the listeners that go while another provider begins to listen
// where they do. Usually what goes does so in the end; a port, though, has only
// one owner.
func (m *maker) handOvers() map[schema.ID]bool {
	type claim struct{ target, host string }
	taken := map[string][]claim{} // by port
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if c.ID.Kind != schema.KindListener || !c.Reaches() || c.Action == Delete {
			continue
		}
		for _, l := range listens(c.After) {
			if host, port, err := net.SplitHostPort(l); err == nil {
				taken[port] = append(taken[port], claim{c.ID.Target, host})
			}
		}
	}
	if len(taken) == 0 {
		return nil
	}
	goes := map[schema.ID]bool{}
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if c.PrevID.Kind != schema.KindListener || c.Action != Delete && (c.Action != Replace || c.PrevID == c.ID) {
			continue
		}
		for _, l := range listens(c.Before) {
			host, port, err := net.SplitHostPort(l)
			if err != nil {
				continue
			}
			for _, by := range taken[port] {
				if by.target != c.PrevID.Target && (by.host == host || anyAddress(by.host) || anyAddress(host)) {
					goes[c.PrevID] = true
				}
			}
		}
	}
	return goes
}

func anyAddress(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// listens are the addresses of a listener, plain and with TLS.
func listens(attrs cty.Value) []string {
	var list []string
	for _, name := range []string{"listen", "listen_tls"} {
		if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().HasAttribute(name) {
			continue
		}
		v, _ := attrs.GetAttr(name).UnmarkDeep()
		if !v.IsWhollyKnown() || v.IsNull() {
			continue
		}
		for it := v.ElementIterator(); it.Next(); {
			_, el := it.Element()
			list = append(list, el.AsString())
		}
	}
	return list
}
