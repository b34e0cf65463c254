package expand

import (
	"slices"

	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
)

// readIgnore reads what a zone or domain block says of records that it does not
// declare.
func (e *expander) readIgnore(z *zone, s section) {
	exclusive := s.attr("exclusive")
	if exclusive.fact() == unknown {
		e.needKnown(exclusive.rng(), z.addr+".exclusive")
	}
	z.hands = &ignore.Zone{Target: z.target, Name: z.name, Address: z.addr, Exclusive: exclusive.yes(), Range: s.b.inst.Range}
	if exclusive.yes() {
		z.hands.Range = exclusive.rng()
	}
	blocks := s.each("ignore")
	if z.target == "" && (exclusive.yes() || len(blocks) > 0) {
		v := exclusive
		if !exclusive.yes() {
			v = blocks[0].whole()
		}
		v.errorf("Zone of somebody else", "%s has no nameserver, so that mailform neither looks at its zone nor changes it. There is nothing to ignore there, and nothing to be exclusive about.", z.addr)
		return
	}
	for _, b := range blocks {
		if r := b.rule(); r != nil {
			z.hands.Rules = append(z.hands.Rules, r)
		}
	}
}

// whole is the nested block itself, for what concerns all of it.
func (s section) whole() value {
	return value{e: s.e, b: s.b, path: s.prefix[:len(s.prefix)-1], elem: -1}
}

// rule reads an ignore block; nil where it cannot be told.
func (s section) rule() *ignore.Rule {
	names, f1 := s.words("name")
	types, f2 := s.words("type")
	values, f3 := s.words("value")
	facts := []fact{f1, f2, f3}
	switch {
	case slices.Contains(facts, unknown):
		return nil
	case !slices.Contains(facts, known):
		s.whole().errorf("Ignoring without a rule", "An ignore block says by name, type or value what is somebody else's. If that is everything in the zone, say name = \"**\".")
		return nil
	}
	for i, v := range types {
		t, err := rdata.ParseType(v)
		if err != nil {
			s.attr("type").errorf("Unsuitable value", "%q in %s cannot be used: %s.", v, s.attr("type").path, err)
			return nil
		}
		types[i] = t
	}
	r, err := ignore.NewRule(names, types, values)
	if err != nil {
		s.whole().errorf("Unsuitable value", "The pattern for the %s.", err)
		return nil
	}
	r.AllowDeclared = s.attr("allow_declared").yes()
	r.Range = s.whole().rng()
	return r
}

// words are the strings of a list, which have to be known.
func (s section) words(name string) ([]string, fact) {
	v := s.attr(name)
	elems, f := v.list()
	var out []string
	for _, el := range elems {
		if el.fact() != known {
			f = unknown
			break
		}
		out = append(out, el.v.AsString())
	}
	if f == unknown {
		s.e.needKnown(v.rng(), s.b.addr+"."+v.path)
	}
	return out, f
}

// checkIgnored finds records that are declared and ignored at once.
func (e *expander) checkIgnored() {
	for _, s := range e.setList {
		if s.zone.hands == nil || len(s.zone.hands.Rules) == 0 || s.valuesKnown != known {
			continue
		}
		rules := slices.DeleteFunc(s.zone.hands.Set(s.name, s.rrtype), func(r *ignore.Rule) bool { return r.AllowDeclared })
		for _, v := range s.values {
			if r := ignore.First(rules, s.rrtype, v); r != nil {
				s.src.errorf("Record both declared and ignored",
					"The %s record %q of %s is declared here, and the ignore block at %s says that such records are somebody else's. "+
						"Make the block narrower, or set allow_declared in it if what is declared is to be ours all the same.",
					s.rrtype, v, s.name, at(r.Range))
				break
			}
		}
	}
}

// hands are the zones of which there is something to say.
func (e *expander) hands() []*ignore.Zone {
	var out []*ignore.Zone
	for _, z := range e.zoneList {
		if z.hands != nil && (z.hands.Exclusive || len(z.hands.Rules) > 0) {
			out = append(out, z.hands)
		}
	}
	return out
}
