package providertest

import "fmt"

// A ZoneGroup is a row of states that one zone goes through, one after the
// other. The zone is empty before the first, but for its SOA and NS records.
//
// The groups are those of the integration test of DNSControl that are not about
// one vendor, and some that nobody else tries. They are data: package
// engine/zonetest takes a provider through them by way of configuration files, a
// plan and an apply, since half of what they try is not the provider's alone:
// canonical forms, the diff, and the order of changes.
type ZoneGroup struct {
	Name  string
	Steps []ZoneStep
}

// A ZoneStep is what the zone is to be.
type ZoneStep struct {
	Name string
	// Sets are all the record sets that the files declare, those aside that the
	// zone has by itself.
	Sets []Set
	// Zone are further lines in the block of the zone: its SOA record.
	Zone string
	// Same: it is what the step before was, only written otherwise.
	Same bool
	// Refused: the files are refused, with these words; nothing is changed.
	Refused string
	// Ignore are rules for what is somebody else's, and Kept what is in the zone
	// beside Sets because of them.
	Ignore []Ignore
	Kept   []Set
}

// A Set is a record set in the words of a record block.
type Set struct {
	Name, Type string
	TTL        string // "5m"; empty: that of the zone
	Values     []string
}

// In is the set with a time to live.
func (s Set) In(ttl string) Set {
	s.TTL = ttl
	return s
}

// An Ignore names records by patterns; an empty one is all there are.
type Ignore struct{ Name, Type, Value string }

// ZoneGroups are all groups, in the order in which they are tried.
func ZoneGroups() []ZoneGroup {
	var all []ZoneGroup
	for _, some := range [][]ZoneGroup{plainGroups(), changeGroups(), textGroups(), nameGroups(), sizeGroups(), typeGroups(), pointerGroups(), mailGroups(), ignoreGroups()} {
		all = append(all, some...)
	}
	return all
}

func group(name string, steps ...ZoneStep) ZoneGroup { return ZoneGroup{name, steps} }

func step(name string, sets ...Set) ZoneStep { return ZoneStep{Name: name, Sets: sets} }

// same is a step that changes nothing.
func same(name string, sets ...Set) ZoneStep { return ZoneStep{Name: name, Sets: sets, Same: true} }

// refusal is a step that is refused.
func refusal(name, words string, sets ...Set) ZoneStep {
	return ZoneStep{Name: name, Sets: sets, Refused: words}
}

// set is a record set that lives for five minutes.
func set(name, rrtype string, values ...string) Set {
	return Set{Name: name, Type: rrtype, TTL: "5m", Values: values}
}

// series are n record sets of one type: format makes the name of each.
func series(n int, format, rrtype, value string) []Set {
	sets := make([]Set, n)
	for i := range sets {
		sets[i] = set(fmt.Sprintf(format, i+1), rrtype, value)
	}
	return sets
}
