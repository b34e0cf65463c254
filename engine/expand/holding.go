package expand

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
)

// checkHoldings refuses what the system of a provider cannot hold.
func (e *expander) checkHoldings() {
	type place struct{ provider, kind string }
	limits := map[place][]*schema.Holding{}
	for i := range e.out {
		r := &e.out[i]
		at := place{providerOf(r.Target), r.Kind}
		list, looked := limits[at]
		if !looked {
			list = limitsOf(at.provider, at.kind)
			limits[at] = list
		}
		for _, h := range list {
			_, attribute := h.Names()
			v, _ := r.Attrs.GetAttr(attribute).UnmarkDeep()
			if !v.IsWhollyKnown() || v.IsNull() {
				continue
			}
			if why := h.Refuses(v); why != "" {
				e.refuse(i, attribute, "%s %s.", r.Target, why)
			}
		}
	}
}

// limitsOf are the attributes of a kind of which a provider cannot hold all values.
func limitsOf(provider, kind string) []*schema.Holding {
	p := schema.ProviderByName(provider)
	if p == nil {
		return nil
	}
	var list []*schema.Holding
	for i := range p.Holds {
		if k, _ := p.Holds[i].Names(); k == kind && p.Holds[i].Refuses != nil {
			list = append(list, &p.Holds[i])
		}
	}
	return list
}

// holds reports whether the server of a target can be told of things of a kind.
func holds(target, kind string) bool {
	p := schema.ProviderByName(providerOf(target))
	return p == nil || len(p.Holds) == 0 || slices.ContainsFunc(p.Holds, func(h schema.Holding) bool {
		k, _ := h.Names()
		return k == kind
	})
}

// refuse reports an attribute of a resource, where a block says what it is.
func (e *expander) refuse(i int, attribute, format string, args ...any) {
	path, rng := "", e.out[i].Range
	if b := e.owner[i]; b != nil {
		path, rng = source(b.inst, e.out[i].Kind, attribute, rng)
	}
	e.diags = append(e.diags, Refusal(e.out[i].Address, path, rng, fmt.Sprintf(format, args...)))
}

// Refusal is the error of what a provider cannot hold. path is the attribute of
// the block; empty: none says it alone.
func Refusal(address, path string, rng hcl.Range, detail string) *hcl.Diagnostic {
	what := address
	if path != "" {
		what = path + " of " + address
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Setting that the provider does not have", Detail: what + ": " + detail}
	if rng != (hcl.Range{}) {
		d.Subject = &rng
	}
	return d
}

// Source finds the attribute of a block that decides an attribute of a resource,
// and where it stands. The path is empty, and the place that of the block, where
// none does alone.
func Source(cfg *config.Config, r *schema.Resource, attribute string) (path string, rng hcl.Range) {
	for i := range cfg.Instances {
		inst := &cfg.Instances[i]
		if rest, ok := strings.CutPrefix(r.Address, inst.Ref.Block().String()); ok && strings.HasPrefix(rest, ".") {
			return source(inst, r.Kind, attribute, r.Range)
		}
	}
	return "", r.Range
}

func source(inst *config.Instance, kind, attribute string, rng hcl.Range) (string, hcl.Range) {
	path := setBy(inst.Ref.Type, kind+"."+attribute)
	if path != "" && inst.Source != nil {
		rng = inst.Source.AttrRange(path)
	}
	return path, rng
}

// setBy is the attribute of a type of blocks that decides one of a kind; empty:
// none does alone.
func setBy(typ, sets string) string {
	t := schema.BlockByType(typ)
	if t == nil {
		return ""
	}
	for i := range t.Attributes {
		if slices.Contains(t.Attributes[i].Sets, sets) {
			return t.Attributes[i].Name
		}
	}
	for i := range t.Blocks {
		for j := range t.Blocks[i].Attributes {
			if slices.Contains(t.Blocks[i].Attributes[j].Sets, sets) {
				return t.Blocks[i].Type + "." + t.Blocks[i].Attributes[j].Name
			}
		}
	}
	return ""
}
