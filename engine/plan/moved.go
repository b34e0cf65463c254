package plan

import (
	"slices"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A renaming is what moved blocks say about the resources of one block or of
// one module.
type renaming struct{ from, to string }

// renamings are the moved blocks by what they start from, without its key where
// that is a block or a call of a module: so a long state is gone through once.
func renamings(cfg *config.Config) map[string][]renaming {
	if cfg == nil || len(cfg.Moved) == 0 {
		return nil
	}
	by := map[string][]renaming{}
	for _, mv := range cfg.Moved {
		at := mv.From
		at.Key, at.Part = cty.NilVal, ""
		name := at.String()
		if at.Type == "" {
			name = at.Module.Call()
		}
		by[name] = append(by[name], renaming{mv.From.String(), mv.To.String()})
	}
	for _, list := range by { // what is more special wins
		slices.SortStableFunc(list, func(a, b renaming) int { return len(b.from) - len(a.from) })
	}
	return by
}

// movedTo is where the moved blocks bring what had an address.
func (m *maker) movedTo(address string) string {
	if len(m.moves) == 0 {
		return address
	}
	for range m.in.Config.Moved { // there are no circles; a chain ends
		r, ok := m.renaming(address)
		if !ok {
			break
		}
		address = r.to + address[len(r.from):]
	}
	return address
}

// renaming finds the moved block that covers an address: one about the block
// itself, else one about a module around it, from the inside out.
func (m *maker) renaming(address string) (renaming, bool) {
	ref := ParseAddress(address)
	of := func(name string) (renaming, bool) {
		list := m.moves[name]
		if i := slices.IndexFunc(list, func(r renaming) bool { return state.Covers(r.from, address) }); i >= 0 {
			return list[i], true
		}
		return renaming{}, false
	}
	if r, ok := of(ref.Module.Prefix() + ref.Type + "." + ref.Name); ok {
		return r, true
	}
	for module := ref.Module; module != nil; module = module.Parent() {
		if r, ok := of(module.Call()); ok {
			return r, true
		}
	}
	return renaming{}, false
}

// refuseMove reports a move that would leave mail behind.
func (m *maker) refuseMove(r *schema.Resource, old schema.ID, from string) {
	m.errorf(r, "Cannot move a mailbox to another address",
		"%s is moved to %s, but the one is the mailbox %s and the other %s. A mailbox keeps its address: its mail would not come along. "+
			"Leave the address as it is, and add the new one as an alias. Or, if the new mailbox is to begin empty, take the moved block out: "+
			"then the old mailbox is deleted.", from, r.Address, old.Key, r.Key)
}

// imports holds the import blocks against what is there.
func (m *maker) imports() {
	if m.in.Config == nil || m.plan.Mode != Normal || len(m.in.Config.Imports) == 0 {
		return
	}
	byBlock := map[string][]*schema.Resource{}
	for _, r := range m.desired {
		at := BlockAddress(r.Address)
		byBlock[at] = append(byBlock[at], r)
	}
	for _, imp := range m.in.Config.Imports {
		to := imp.To.String()
		var found []*schema.Resource
		var keys []string
		for _, r := range byBlock[to] {
			keys = append(keys, r.Key)
			if Names(r, imp.ID) {
				found = append(found, r)
			}
		}
		there := slices.ContainsFunc(found, func(r *schema.Resource) bool { return m.things.at(r.ID()).observed != nil })
		at := &schema.Resource{Range: imp.Range}
		switch {
		case len(keys) == 0:
			m.errorf(at, "Cannot import", "%s describes nothing that could be taken over.", to)
		case len(found) == 0:
			slices.Sort(keys)
			m.errorf(at, "Cannot import", "%s does not describe %q. What it describes is called %s.", to, imp.ID, list(slices.Compact(keys)))
		case !there && m.selected.wants(found[0].Address):
			m.errorf(at, "Cannot import", "The %s %s of %s is not there, so that it cannot be taken over. Take the import block out to have it made.", found[0].Kind, imp.ID, to)
		}
	}
}

// stays reports whether a removed block says that what has an address stays as
// it is. Of several that cover it, what is more special wins.
func (m *maker) stays(address string) bool {
	if m.in.Config == nil {
		return false
	}
	stays, length := false, 0
	for _, r := range m.in.Config.Removed {
		if from := r.From.String(); len(from) > length && state.Covers(from, address) {
			stays, length = !r.Destroy, len(from)
		}
	}
	return stays
}
