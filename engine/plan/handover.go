package plan

import (
	"fmt"
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

// handOn marks what is handed over: listeners, and the services that took mail where
// another one takes it from now on. What waits in the queue of such a service is
// delivered before it is stopped.
func (m *maker) handOn(listeners map[schema.ID]bool) {
	takes := map[string]bool{} // targets that are to take mail
	gives := map[string]bool{} // those that no longer know whom to give it to, or whose it is
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		smtp := c.PrevID.Kind == schema.KindListener && text(c.Before, "service") == "smtp"
		if c.PrevID.Kind == schema.KindDelivery || c.PrevID.Kind == schema.KindMailDomain || smtp {
			if c.Action == Delete || c.Action == Replace && c.PrevID.Target != c.ID.Target {
				gives[c.PrevID.Target] = true
			}
		}
		if c.Action != Delete && c.Action != Forget && c.ID.Kind == schema.KindListener && text(c.After, "service") == "smtp" {
			takes[c.ID.Target] = true
		}
	}
	for i := range m.plan.Changes {
		c := &m.plan.Changes[i]
		if listeners[c.PrevID] {
			c.HandedOver = true
		}
		process := c.ID.Kind == schema.KindProcess
		if c.Action != Delete || !process && c.ID.Kind != schema.KindService {
			continue
		}
		c.HandedOver = len(takes) > 0 && gives[c.ID.Target] && !takes[c.ID.Target]
		if n, ok := m.in.Queued[c.ID.Target]; ok && (!process || c.HandedOver || n > 0) {
			c.Notes = []string{queueNote(n, c.HandedOver)}
		}
	}
}

// queueNote says what becomes of the messages in the queue of a service that goes.
func queueNote(n int64, handedOver bool) string {
	wait, leave := "wait", "they have"
	if n == 1 {
		wait, leave = "waits", "it has"
	}
	switch {
	case n == 0:
		return "it is stopped; its files and its mail stay. Its queue is empty"
	case handedOver:
		return fmt.Sprintf("%s %s in its queue: it goes on to deliver, without taking mail, and is stopped once %s left", Count(n, "message"), wait, leave)
	}
	return fmt.Sprintf("it is stopped; its files, its mail and the %s in its queue stay", Count(n, "message"))
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
