package plan

import (
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// lasting reports whether a thing cannot be taken away from where it is: a zone of
// a server that only lets its content be changed, the NS records that no zone can
// be without, and the addresses of those name servers that lie in the zone.
func (m *maker) lasting(id schema.ID, obs *providers.Observed) bool {
	if !schema.Keeps(id.Target, schema.KindZone) {
		return false
	}
	if id.Kind != schema.KindRRset {
		return id.Kind == schema.KindZone
	}
	zone, name := text(obs.Attrs, "zone"), text(obs.Attrs, "name")
	switch text(obs.Attrs, "type") {
	case "NS":
		return name == zone
	case "A", "AAAA":
		ns := m.things.at(schema.ID{Target: id.Target, Kind: id.Kind, Key: strings.TrimSuffix(zone, ".") + "/" + zone + "/NS"})
		if ns.observed == nil || ns.desired != nil && m.plan.Mode != Destroy { // else the files say which they are
			return false
		}
		for it := ns.observed.Attrs.GetAttr("values").ElementIterator(); it.Next(); {
			if _, v := it.Element(); v.AsString() == name {
				return true
			}
		}
	}
	return false
}
