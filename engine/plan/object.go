package plan

import (
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// Object is the plan as a value, for conditions in tests and for the console:
//
//	plan.resources["user.alice.mailbox"].action
//	plan.records["example.com"].MX
//	plan.add
//
// Values born in apply are unknown in it, and sensitive ones are marked.
func (p *Plan) Object() cty.Value {
	resources := make(map[string]cty.Value, len(p.Changes))
	records := zoneRecords{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action == Delete || c.Action == Forget {
			// Of two with one address, the one that stays counts.
			if _, ok := resources[c.Address]; ok {
				continue
			}
		}
		resources[c.Address] = c.object()
		records.addSet(c)
	}
	for _, lines := range p.Records {
		for _, line := range lines {
			records.addLine(line)
		}
	}
	brakes := make([]cty.Value, len(p.Brakes))
	for i, b := range p.Brakes {
		brakes[i] = cty.StringVal(b.ID)
	}
	sum := p.Summary()
	count := func(n int) cty.Value { return cty.NumberIntVal(int64(n)) }
	return cty.ObjectVal(map[string]cty.Value{
		"mode":      cty.StringVal(string(p.Mode)),
		"resources": cty.ObjectVal(resources),
		"records":   records.object(),
		"brakes":    cty.TupleVal(brakes),
		"import":    count(sum.Import),
		"add":       count(sum.Add),
		"change":    count(sum.Change),
		"destroy":   count(sum.Destroy),
		"forget":    count(sum.Forget),
		"drift":     count(len(p.Drift)),
	})
}

// object is a change as a value.
func (c *Change) object() cty.Value {
	notes := make([]cty.Value, len(c.Notes))
	for i, n := range c.Notes {
		notes[i] = cty.StringVal(n)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(c.Address),
		"action":  cty.StringVal(string(c.Action)),
		"kind":    cty.StringVal(c.ID.Kind),
		"target":  cty.StringVal(c.ID.Target),
		"key":     cty.StringVal(c.ID.Key),
		"values":  markSensitive(c.ID.Kind, c.After),
		"before":  markSensitive(c.ID.Kind, c.Before),
		"notes":   cty.TupleVal(notes),
	})
}

// markSensitive marks the sensitive attributes of an object of a kind.
func markSensitive(kind string, v cty.Value) cty.Value {
	k := schema.KindByName(kind)
	if k == nil || v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		if v == cty.NilVal {
			return cty.NullVal(cty.DynamicPseudoType)
		}
		return v
	}
	vals := v.AsValueMap()
	for _, a := range k.Attributes {
		if e, ok := vals[a.Name]; ok && a.Sensitive {
			vals[a.Name] = e.Mark(config.Sensitive)
		}
	}
	return cty.ObjectVal(vals)
}

// zoneRecords are the values of record sets by their name, without the dot at
// the end, and type.
type zoneRecords map[string]map[string]cty.Value

func (z zoneRecords) at(name string) map[string]cty.Value {
	name = strings.TrimSuffix(name, ".")
	if z[name] == nil {
		z[name] = map[string]cty.Value{}
	}
	return z[name]
}

// addSet adds a record set that will be there.
func (z zoneRecords) addSet(c *Change) {
	if c.ID.Kind != schema.KindRRset || c.After == cty.NilVal || c.After.IsNull() {
		return
	}
	name, rrtype := text(c.After, "name"), text(c.After, "type")
	z.at(name)[rrtype] = c.After.GetAttr("values")
}

// addLine adds a line of Plan.Records. One that is not known yet is a comment:
// "; example.com. TXT: known after apply".
func (z zoneRecords) addLine(line string) {
	if comment, ok := strings.CutPrefix(line, "; "); ok {
		if name, rrtype, ok := strings.Cut(strings.TrimSuffix(comment, ": known after apply"), " "); ok {
			z.at(name)[rrtype] = cty.UnknownVal(cty.List(cty.String))
		}
		return
	}
	name, _, rrtype, value, err := rdata.ParseLine(line)
	if err != nil {
		return // a line that rdata.Line has not written
	}
	have := z.at(string(name))
	var values []cty.Value
	if list, ok := have[rrtype]; ok && list.IsKnown() {
		values = list.AsValueSlice()
	}
	have[rrtype] = cty.ListVal(append(values, cty.StringVal(value)))
}

func (z zoneRecords) object() cty.Value {
	names := make(map[string]cty.Value, len(z))
	for name, types := range z {
		names[name] = cty.ObjectVal(types)
	}
	return cty.ObjectVal(names)
}
