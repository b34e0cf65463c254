package plan

import (
	"fmt"
	"slices"
	"sort"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// deleteNotes say what becomes of the mail in something that is to be deleted.
func (m *maker) deleteNotes(id schema.ID, obs *providers.Observed) []string {
	switch id.Kind {
	case schema.KindMailbox:
		return m.mailboxNotes(id, obs)
	case schema.KindProcess:
		return []string{"the daemon is stopped; its data directory stays"}
	case schema.KindLocation:
		return []string{"what lies there stays there"}
	case schema.KindService:
		return []string{"it is stopped; its files, its mail and what it has in its queue stay"}
	}
	return nil
}

func (m *maker) mailboxNotes(id schema.ID, obs *providers.Observed) []string {
	messages, counted := number(obs.Attrs, "messages")
	bytes, _ := number(obs.Attrs, "bytes")
	if counted && messages == 0 {
		return []string{"it holds no messages"}
	}
	what := "its messages"
	if counted {
		what = Count(messages, "message") + ", " + Size(bytes)
	}
	is, them := "are", "them"
	if counted && messages == 1 {
		is, them = "is", "it"
	}
	retention, ok := m.retention(id.Target)
	switch {
	case !ok:
		return []string{fmt.Sprintf("%s %s kept for the retention time of the server; putting the block back until then brings %s back", what, is, them)}
	case retention == 0:
		return []string{fmt.Sprintf("%s %s deleted for good: the server's retention time is 0", what, is)}
	}
	return []string{fmt.Sprintf("%s %s kept for %s; putting the block back until then brings %s back", what, is, Duration(retention), them)}
}

// spareRoom is what has to stay free on a volume that something is moved to.
const spareRoom = 64 << 20

// room says what is moved where a location changes, and refuses to move it where
// there is no room.
func (m *maker) room(r *schema.Resource, c *Change, changed []string) {
	if r.Kind != schema.KindLocation || !slices.Contains(changed, "path") {
		return
	}
	bytes, _ := number(c.Observed.Attrs, "bytes")
	free, known := number(c.Observed.Attrs, "free")
	if known && bytes+spareRoom > free {
		m.errorf(r, "Not enough room", "%s: %s are to be moved to %s, where %s are free, and %s have to stay so.",
			r.Address, Size(bytes), text(r.Attrs, "path"), Size(free), Size(spareRoom))
	}
	what := Size(bytes)
	if n, counted := number(c.Observed.Attrs, "messages"); counted {
		what = Count(n, "message") + ", " + what
	}
	c.Notes = append(c.Notes, fmt.Sprintf("%s, moved to where %s are free; the old place is left once the new one is in use", what, Size(free)))
}

// ttlOnly says where of a record set nothing changes but how long it is kept.
func ttlOnly(kind string, changed []string) []string {
	if kind == schema.KindRRset && len(changed) == 1 && changed[0] == "ttl" {
		return []string{"ttl only: the records stay as they are"}
	}
	return nil
}

// comesBack says what mail a deleted mailbox brings with it when it is created
// again; empty for none.
func comesBack(attrs cty.Value) string {
	messages, ok := number(attrs, "messages")
	if !ok || messages == 0 {
		return ""
	}
	bytes, _ := number(attrs, "bytes")
	verb := "come"
	if messages == 1 {
		verb = "comes"
	}
	return fmt.Sprintf("%s, %s %s back", Count(messages, "message"), Size(bytes), verb)
}

// retention is how long the servers at a target keep the mail of a closed
// account, in seconds: as it will be by then. Of several servers the shortest
// time counts.
func (m *maker) retention(target string) (seconds int64, ok bool) {
	shortest := func(v cty.Value) {
		if n, is := number(v, "retention"); is && (!ok || n < seconds) {
			seconds, ok = n, true
		}
	}
	if m.plan.Mode != Destroy {
		for _, r := range m.desired {
			if retains(r.ID(), target) {
				shortest(r.Attrs)
			}
		}
	}
	for _, known := range []func(){
		func() {
			for t := range m.things.all() {
				if t.observed != nil && retains(t.id, target) {
					shortest(t.observed.Attrs)
				}
			}
		},
		func() {
			for id, r := range m.prior.Resources {
				if retains(id, target) {
					shortest(r.Attrs)
				}
			}
		},
	} {
		if !ok {
			known()
		}
	}
	return seconds, ok
}

// retains reports whether a resource says how long a target keeps mail.
func retains(id schema.ID, target string) bool {
	return (id.Kind == schema.KindSetting || id.Kind == schema.KindMailStore) && id.Target == target
}

// number reads a whole number out of an object.
func number(attrs cty.Value, name string) (int64, bool) {
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() || !attrs.Type().HasAttribute(name) {
		return 0, false
	}
	v, _ := attrs.GetAttr(name).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return 0, false
	}
	n, _ := v.AsBigFloat().Int64()
	return n, true
}

// Count writes a number of things: "1 message", "2 messages".
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Size writes a number of bytes for a sentence, rounded: "512 B", "1.2 MiB".
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, 0
	for units := len("KMGTPE"); f >= 1023.95 && unit < units-1; unit++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTPE"[unit])
}

// Duration writes seconds for a sentence: "30 days", "1 hour 30 minutes".
func Duration(seconds int64) string {
	units := []struct {
		seconds int64
		noun    string
	}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}}
	i := sort.Search(len(units)-1, func(i int) bool { return seconds >= units[i].seconds })
	s := Count(seconds/units[i].seconds, units[i].noun)
	if rest := seconds % units[i].seconds; rest != 0 {
		s += " " + Duration(rest)
	}
	return s
}
