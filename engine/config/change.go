package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A move is a moved block.
type move struct {
	from, to dependency
	header   hcl.Range
}

// A check is a check block.
type check struct {
	name   string
	rules  []rule
	header hcl.Range
}

func (m *Module) decodeMoved(hb *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(hb.Body, bodySchema(schema.BlockByType("moved").Attributes, nil, false))
	mv := move{header: hb.DefRange}
	for name, d := range map[string]*dependency{"from": &mv.from, "to": &mv.to} {
		a := content.Attributes[name]
		if a == nil {
			continue
		}
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		ref, rest := splitReference(staticTraversal(expr))
		if !addressable(ref) || len(rest) > 0 {
			diags = append(diags, invalidAddress(name, expr.Range()))
			continue
		}
		*d = dependency{ref, expr.Range()}
	}
	switch {
	case mv.from.ref == (schema.Ref{}) || mv.to.ref == (schema.Ref{}): // reported
	case (mv.from.ref.Type == "") != (mv.to.ref.Type == ""):
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Move to another type",
			Detail:   fmt.Sprintf("%s cannot become %s: of the two, one is a module and the other a block.", mv.from.ref, mv.to.ref),
			Subject:  &mv.to.rng,
		})
	case mv.from.ref.Type != mv.to.ref.Type:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Move to another type",
			Detail:   fmt.Sprintf("%s cannot become %s: a %s stays one.", mv.from.ref, mv.to.ref, mv.from.ref.Type),
			Subject:  &mv.to.rng,
		})
	default:
		m.moves = append(m.moves, mv)
	}
	return diags
}

// addressable reports whether an address is that of a block that describes
// something, or of a module.
func addressable(ref schema.Ref) bool {
	if ref.Type == "" {
		return ref.Module != nil
	}
	typ := schema.BlockByType(ref.Type)
	return ref.Name != "" && typ != nil && typ.Instances
}

func invalidAddress(name string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid address",
		Detail:   fmt.Sprintf("The argument %s names a block, a module, or one instance of those, such as user.alice, user.staff[\"bob\"] or module.acme.user.alice.", name),
		Subject:  &at,
	}
}

func (m *Module) decodeCheck(hb *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(hb.Body, bodySchema(nil, schema.BlockByType("check").Blocks, false))
	c := check{name: hb.Labels[0], header: hb.DefRange}
	for _, other := range m.checks {
		if other.name == c.name {
			return append(diags, duplicate(fmt.Sprintf("A check named %q", c.name), other.header, c.header))
		}
	}
	for _, rb := range content.Blocks {
		r, more := decodeRule(rb)
		diags = append(diags, more...)
		if r != nil {
			c.rules = append(c.rules, *r)
		}
	}
	m.checks = append(m.checks, c)
	return diags
}

// resolveChanges finds what import and check blocks read.
func (m *Module) resolveChanges() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range m.takings {
		diags = append(diags, m.resolveImport(&m.takings[i])...)
	}
	for _, c := range m.checks {
		for _, r := range c.rules {
			diags = append(diags, m.find(r.condition, inLocal, nil)...)
			diags = append(diags, m.find(r.message, inLocal, nil)...)
		}
	}
	return diags
}

// exists reports whether an address is that of a block, a module, or an
// instance of those.
func (e *evaluator) exists(ref schema.Ref) bool {
	in, b, key := e.find(ref)
	if b == nil || !in.keys(b) || b.unknown {
		return false
	}
	if key == cty.NilVal {
		return !b.multiple() && len(b.instances) > 0
	}
	_, ok := b.find(key)
	return ok
}

// moved checks the moved blocks of all modules.
func (e *evaluator) moved() []Moved {
	var out []Moved
	seen := map[string]hcl.Range{}
	next := map[string]string{}
	e.eachModule(func(e *evaluator) {
		refuse := func(at hcl.Range, summary, format string, args ...any) {
			e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at})
		}
		for _, mv := range e.m.moves {
			m := Moved{From: e.in(mv.from.ref), To: e.in(mv.to.ref), Range: mv.header}
			from, to := m.From.String(), m.To.String()
			_, whole, key := e.find(mv.from.ref)
			other, twice := seen[from]
			switch {
			case from == to:
				refuse(mv.to.rng, "Move to the same place", "%s is moved to itself.", from)
				continue
			case twice:
				refuse(mv.from.rng, "Moved twice", "%s is moved at %s already.", from, other)
				continue
			case e.exists(mv.from.ref),
				whole != nil && whole.multiple() && key == cty.NilVal && withoutKey(m.To) != from:
				refuse(mv.from.rng, "Moved block is still there", "%s is moved to %s, and is still declared. Take one of the two out.", from, to)
				continue
			}
			seen[from], next[from] = mv.from.rng, to
			out = append(out, m)
		}
	})
	for _, mv := range out {
		at := mv.From.String()
		for steps := 0; at != "" && steps <= len(out); steps++ {
			at = next[at]
		}
		if at != "" {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Moved in a circle",
				Detail:   fmt.Sprintf("%s is moved back to itself in the end. Where it is now, no move may begin.", mv.From),
				Subject:  mv.Range.Ptr(),
			})
			return nil
		}
	}
	return out
}

// withoutKey is the address of all instances of a block or of a module.
func withoutKey(ref schema.Ref) string {
	if ref.Type == "" {
		return ref.Module.Call()
	}
	ref.Key = cty.NilVal
	return ref.String()
}

// checks looks at the conditions of check blocks. They stop nothing.
func (e *evaluator) checks() []CheckResult {
	var results []CheckResult
	for _, c := range e.m.checks {
		result := CheckResult{Module: e.path.String(), Name: c.name, Status: CheckPass}
		for _, r := range c.rules {
			ok, known, diags := e.verdict(r.condition, e.context(r.condition))
			switch {
			case diags.HasErrors():
				result.assertion(CheckError, diags[0].Summary)
			case !known:
				result.assertion(CheckUnknown, "")
			case !ok:
				text := e.message(r.message, e.context(r.message))
				result.assertion(CheckFail, text)
				diags = hcl.Diagnostics{{
					Summary: "Check failed",
					Detail:  fmt.Sprintf("%s\n\nThis is an assertion of the check %q.", text, c.name),
					Subject: r.condition.Range().Ptr(),
					Extra:   Failed{e.path.Prefix() + "check." + c.name},
				}}
			}
			for _, d := range diags {
				d.Severity = hcl.DiagWarning
			}
			e.report(diags...)
		}
		results = append(results, result)
	}
	return results
}
