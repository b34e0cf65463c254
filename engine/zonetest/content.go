package zonetest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// A key is what a zone has one record set of.
type key struct {
	name   rdata.Name
	rrtype string
}

func (k key) compare(other key) int {
	return cmp.Or(strings.Compare(string(k.name), string(other.name)), strings.Compare(k.rrtype, other.rrtype))
}

// keyOf reads the key of a resource: zone/name/type. A name can hold slashes.
func keyOf(s string) key {
	last := strings.LastIndexByte(s, '/')
	zone, rrtype := s[:last], s[last+1:]
	// The zone's name ends where the rest ends with it.
	for i := range zone {
		if zone[i] == '/' && rdata.Name(zone[i+1:]).In(rdata.Name(zone[:i]+".")) {
			return key{rdata.Name(zone[i+1:]), rrtype}
		}
	}
	return key{rdata.Name(zone), rrtype}
}

// An rrset is what a record set says.
type rrset struct {
	TTL    uint32
	Values []string
}

// A content is all record sets of a zone.
type content map[key]rrset

// zoneTTL is the default of a zone block, in seconds.
const zoneTTL = 3600

// content is what a step makes of the zone.
func (w *world) content(t *testing.T, s providertest.ZoneStep) content {
	t.Helper()
	out := content{{w.zone, "NS"}: {TTL: zoneTTL, Values: []string{"ns1.example.net."}}}
	for _, set := range slices.Concat(s.Sets, s.Kept) {
		name, err := rdata.ParseOwner(set.Name, w.zone)
		if err != nil {
			t.Fatalf("%q: %v", set.Name, err)
		}
		rrtype, err := rdata.ParseType(set.Type)
		if err != nil {
			t.Fatal(err)
		}
		k := key{name, rrtype}
		have, ok := out[k]
		if !ok {
			have.TTL = zoneTTL
		}
		if set.TTL != "" {
			if have.TTL, err = schema.ParseTTL(set.TTL); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range set.Values {
			c, err := rdata.Canonical(rrtype, v, w.zone)
			if err != nil {
				t.Fatalf("%s %s %q: %v", name, rrtype, v, err)
			}
			have.Values = append(have.Values, c)
		}
		slices.Sort(have.Values)
		have.Values = slices.Compact(have.Values)
		out[k] = have
	}
	return out
}

// differs lists what is not the same in two.
func (c content) differs(other content) []key {
	changed := map[key]bool{}
	for _, pair := range [][2]content{{c, other}, {other, c}} {
		for k, set := range pair[0] {
			o, ok := pair[1][k]
			if !ok || o.TTL != set.TTL || !slices.Equal(o.Values, set.Values) {
				changed[k] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(changed), key.compare)
}
