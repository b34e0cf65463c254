package expand

import (
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// linkDependencies turns the depends_on of blocks into that of resources: all
// resources of the one come after all resources of the other. Blocks with the
// same depends_on share one slice, which package order makes use of.
//
// What lives in something comes after it by rank. Where depends_on moves a domain
// or a zone to a later place than its rank, though, what lives in it has to be
// told to wait.
func (e *expander) linkDependencies() {
	waits := false
	for i := range e.cfg.Instances {
		waits = waits || len(e.cfg.Instances[i].DependsOn) > 0
	}
	if !waits {
		return
	}
	byBlock := map[*block][]string{}
	homes := map[*block][]string{}
	for i, b := range e.owner {
		if b == nil {
			continue
		}
		byBlock[b] = append(byBlock[b], e.out[i].Address)
		switch e.out[i].Kind {
		case schema.KindMailDomain, schema.KindZone:
			homes[b] = append(homes[b], e.out[i].Address)
		}
	}
	instances := map[string][]*block{} // of a block with for_each or count
	for _, blocks := range e.byType {
		for _, b := range blocks {
			all := b.inst.Ref.Block()
			all.Key = cty.NilVal
			instances[all.String()] = append(instances[all.String()], b)
		}
	}
	modules := e.dependedModules()
	shared := map[string][]string{}
	for i, b := range e.owner {
		if b == nil {
			continue
		}
		var key strings.Builder
		for _, r := range b.inst.DependsOn {
			key.WriteString(r.Block().String() + "\n")
		}
		late := b.parent != nil && len(b.parent.inst.DependsOn) > 0
		if late {
			key.WriteString("< " + b.parent.addr)
		}
		if key.Len() == 0 {
			continue
		}
		deps, ok := shared[key.String()]
		if !ok {
			for _, r := range b.inst.DependsOn {
				name := r.Block().String()
				if one := e.blocks[name]; one != nil {
					deps = append(deps, byBlock[one]...)
					continue
				}
				for _, inst := range instances[name] {
					deps = append(deps, byBlock[inst]...)
				}
				for _, inst := range modules[name] {
					deps = append(deps, byBlock[inst]...)
				}
			}
			if late {
				deps = append(deps, homes[b.parent]...)
			}
			deps = slices.Clip(sorted(deps))
			shared[key.String()] = deps
		}
		e.out[i].DependsOn = deps
	}
}

// dependedModules lists what lies in the modules that a block depends on, by
// their addresses, with and without keys.
func (e *expander) dependedModules() map[string][]*block {
	asked := false
	for i := range e.cfg.Instances {
		asked = asked || slices.ContainsFunc(e.cfg.Instances[i].DependsOn, func(r schema.Ref) bool { return r.Type == "" })
	}
	if !asked {
		return nil
	}
	modules := map[string][]*block{}
	for _, blocks := range e.byType {
		for _, b := range blocks {
			for m := b.inst.Ref.Module; m != nil; m = m.Parent() {
				modules[m.String()] = append(modules[m.String()], b)
				if m.Call() != m.String() {
					modules[m.Call()] = append(modules[m.Call()], b)
				}
			}
		}
	}
	return modules
}
