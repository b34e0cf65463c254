package expand

import (
	"context"
	"errors"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/mailform/mailform/schema/spf"
)

// maxPolicy is how long an SPF policy may be before it is told (RFC 7208 §3.4).
const maxPolicy = 450

// checkTexts looks at the texts of a name: their size, and an SPF policy among them.
func (e *expander) checkTexts(s *rrset) {
	size, policies := 0, []string(nil)
	for _, v := range s.values {
		size += len(v)
		if rdata.IsSPF(v) {
			policies = append(policies, v)
		}
	}
	if size > maxTexts {
		e.failed("txt-size", s, s.data(), "The texts of %s have %d octets together. Answers of more than %d hardly get through UDP.", s.name, size, maxTexts)
	}
	switch len(policies) {
	case 0:
		return
	case 1:
		e.checkPolicy(s, policies[0])
	default:
		e.failed("spf-multiple", s, s.data(), "%s has %d TXT records that begin with v=spf1. Receivers then take none of them. If the domain block has an spf block, say everything there.", s.name, len(policies))
	}
}

// checkPolicy counts what the check of a message takes, as far as the policies
// that are included are ours.
func (e *expander) checkPolicy(s *rrset, text string) {
	if _, err := spf.Parse(text); err != nil {
		e.failed("spf-syntax", s, s.data(), "The SPF policy %q of %s is none: %s.", text, s.name, err)
		return
	}
	if len(text) > maxPolicy {
		e.failed("spf-length", s, s.data(), "The SPF policy of %s has %d octets, and more than %d hardly fit into one answer.", s.name, len(text), maxPolicy)
	}
	if e.partial {
		return
	}
	for _, problem := range spf.Count(context.Background(), ours{e}, s.name, text).Problems {
		id := "spf-include"
		switch {
		case errors.Is(problem, spf.ErrSyntax): // that of another set, which is told there
			continue
		case errors.Is(problem, spf.ErrLookups):
			id = "spf-lookups"
		case errors.Is(problem, spf.ErrVoid):
			id = "spf-void"
		}
		e.failed(id, s, s.data(), "The SPF policy of %s %s.", s.name, problem.Text)
	}
}

// ours is a resolver that knows the records of the configuration.
type ours struct{ e *expander }

// maxAliases bounds how many aliases are followed.
const maxAliases = 8

func (o ours) Lookup(_ context.Context, name rdata.Name, rrtype string) ([]string, error) {
	for range maxAliases {
		z := o.e.zoneOf(name)
		if z == nil || z.target == "" || o.e.delegated(z, name) {
			return nil, spf.ErrUnknown
		}
		at := name
		if len(o.e.names[setKey{zone: z, name: name}]) == 0 {
			for n := name; n != z.name && n != rdata.Root; {
				n = n.Parent()
				if len(o.e.names[setKey{zone: z, name: n.Under("*")}]) > 0 {
					at = n.Under("*")
					break
				}
			}
		}
		s := o.e.sets[setKey{z, at, rrtype}]
		if s == nil {
			s = o.e.sets[setKey{z, at, "CNAME"}]
		}
		switch {
		case s == nil:
			return nil, spf.ErrNone
		case s.valuesKnown != known:
			return nil, spf.ErrUnknown
		case s.rrtype == rrtype:
			return s.values, nil
		}
		name = rdata.Name(s.values[0])
	}
	return nil, spf.ErrNone
}
