package ignore

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema/rdata"
)

// A Zone is what is said of a zone beside its records.
type Zone struct {
	Target  string
	Name    rdata.Name
	Address string // of the block: domain.example
	// Exclusive: what is neither declared nor ignored goes.
	Exclusive bool
	Rules     []*Rule
	Range     hcl.Range // of what says that it is exclusive; else of the block
}

// A Rule is an ignore block. It is about a value if all that it names fits.
type Rule struct {
	names  []namePattern  // none: any
	types  []string       // none: any
	values []valuePattern // none: any
	// AllowDeclared: what is declared and meets the rule is declared, and no error.
	AllowDeclared bool
	Range         hcl.Range
}

// NewRule makes a rule of patterns for names and values and of types as
// rdata.ParseType returns them. A list that is empty says nothing.
func NewRule(names, types, values []string) (*Rule, error) {
	r := &Rule{types: types}
	for _, n := range names {
		p, err := compileName(n)
		if err != nil {
			return nil, check("name", n, err)
		}
		r.names = append(r.names, p)
	}
	for _, v := range values {
		p, err := compileValue(v)
		if err != nil {
			return nil, check("value", v, err)
		}
		r.values = append(r.values, p)
	}
	return r, nil
}

// Set finds the rules that may be about values of a record set; the others need
// not be asked.
func (z *Zone) Set(name rdata.Name, rrtype string) []*Rule {
	var out []*Rule
	for _, r := range z.Rules {
		if len(r.types) > 0 && !slices.Contains(r.types, rrtype) {
			continue
		}
		if len(r.names) > 0 && !slices.ContainsFunc(r.names, func(p namePattern) bool { return p.matches(name, z.Name) }) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// First is the first of the rules of a set that is about a value; nil: none is.
func First(rules []*Rule, rrtype, value string) *Rule {
	for _, r := range rules {
		if len(r.values) == 0 || slices.ContainsFunc(r.values, func(p valuePattern) bool { return p.matches(rrtype, value) }) {
			return r
		}
	}
	return nil
}

// Keep divides the values that a record set has: those that a rule is about, and
// the others.
func (z *Zone) Keep(name rdata.Name, rrtype string, values []string) (ignored, rest []string) {
	rules := z.Set(name, rrtype)
	if len(rules) == 0 {
		return nil, values
	}
	for _, v := range values {
		if First(rules, rrtype, v) != nil {
			ignored = append(ignored, v)
		} else {
			rest = append(rest, v)
		}
	}
	return ignored, rest
}
