package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// An Error says why something cannot be taken over. Summary is constant, Detail
// in sentences.
type Error struct{ Summary, Detail string }

func (e *Error) Error() string { return e.Summary + ": " + e.Detail }

func errorf(summary, format string, args ...any) *Error {
	return &Error{summary, fmt.Sprintf(format, args...)}
}

// Input is what is compared. Nothing of it is changed.
type Input struct {
	Desired  []schema.Resource
	Observed map[string][]providers.Observed
	// Prior is the state; nil is an empty one.
	Prior *state.State
}

// A Taken is one thing that is taken over.
type Taken struct {
	Address string
	ID      schema.ID
	// Differs are the attributes in which it is not as declared; the next plan
	// brings them to what the files say.
	Differs []string
}

// A Result is what is taken over, and what is not.
type Result struct {
	Taken []Taken // by address
	// Entries put what is taken into the state.
	Entries []state.Entry
	// Missing are the addresses of what is declared and not there.
	Missing []string
	// Managed counts what the state had already.
	Managed int
	// Refused says of what cannot be taken over why.
	Refused []*Error
	// Foreign is what is there and no block declares; Retained what was deleted
	// and whose mail is still kept. Sorted; only All looks for them.
	Foreign, Retained []schema.ID
}

// An adopter holds what one call works with.
type adopter struct {
	in       Input
	observed map[schema.ID]*providers.Observed
	retained map[schema.ID]bool
	result   Result
}

func newAdopter(in Input) *adopter {
	a := &adopter{in: in, observed: map[schema.ID]*providers.Observed{}, retained: map[schema.ID]bool{}}
	if a.in.Prior == nil {
		a.in.Prior = &state.State{}
	}
	for target, list := range in.Observed {
		for i := range list {
			o := &list[i]
			id := schema.ID{Target: target, Kind: o.Kind, Key: o.Key}
			if o.Retained {
				a.retained[id] = true
			} else {
				a.observed[id] = o
			}
		}
	}
	return a
}

// All takes over all that is declared and there; with a target only what is
// there. What the state has already stays as it is.
func All(in Input, target string) *Result {
	a := newAdopter(in)
	declared := make(map[schema.ID]bool, len(in.Desired))
	for i := range in.Desired {
		r := &in.Desired[i]
		declared[r.ID()] = true
		if target != "" && r.Target != target {
			continue
		}
		if err := a.take(r); err != nil {
			a.result.Refused = append(a.result.Refused, err)
		}
	}
	for id := range a.observed {
		if !declared[id] && a.in.Prior.Resources[id] == nil && (target == "" || id.Target == target) {
			a.result.Foreign = append(a.result.Foreign, id)
		}
	}
	for id := range a.retained {
		if !declared[id] && (target == "" || id.Target == target) {
			a.result.Retained = append(a.result.Retained, id)
		}
	}
	for _, list := range [][]schema.ID{a.result.Foreign, a.result.Retained} {
		slices.SortFunc(list, func(x, y schema.ID) int {
			return cmp.Or(cmp.Compare(x.Target, y.Target), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key))
		})
	}
	return a.finish()
}

// One takes over what an address stands for: a resource, or all of a block that
// is there. The ID says which thing is meant, so that a slip in the address
// takes over nothing. The error is an *Error.
func One(in Input, address, id string) (*Result, error) {
	a := newAdopter(in)
	var below []*schema.Resource
	for i := range in.Desired {
		if r := &in.Desired[i]; state.Covers(address, r.Address) {
			below = append(below, r)
		}
	}
	if len(below) == 0 {
		return nil, a.undeclared(address, id)
	}
	if several := instances(address, below); len(several) > 1 {
		return nil, errorf("Cannot import", "%s stands for several blocks. Name the one that is meant, such as %s.", address, several[0])
	}
	named := candidates(address, below)
	meant := slices.DeleteFunc(slices.Clone(named), func(r *schema.Resource) bool { return !plan.Names(r, id) })
	if len(meant) == 0 {
		var keys []string
		for _, r := range named {
			keys = append(keys, r.Key)
		}
		slices.Sort(keys)
		return nil, errorf("Cannot import", "%s does not describe %q. What it describes is called %s.", address, id, schema.Or(slices.Compact(keys)))
	}
	if !slices.ContainsFunc(meant, func(r *schema.Resource) bool { return a.observed[r.ID()] != nil }) {
		return nil, a.notThere(meant[0], id)
	}
	for _, r := range below {
		if err := a.take(r); err != nil {
			return nil, err
		}
	}
	if len(a.result.Taken) == 0 {
		return nil, errorf("Already managed",
			"The state has %s already. To take it over anew, forget it first: mailform state rm '%[1]s'.", address)
	}
	return a.finish(), nil
}

// take takes over a declared resource, if it is there.
func (a *adopter) take(r *schema.Resource) *Error {
	id := r.ID()
	obs := a.observed[id]
	if st := a.in.Prior.Resources[id]; st != nil {
		if st.Address != r.Address {
			return errorf("Managed under another address",
				"The %s %s is in the state as %s. If %s is to be its address, run: mailform state mv '%[3]s' '%[4]s'",
				r.Kind, r.Key, st.Address, r.Address)
		}
		a.result.Managed++
		return nil
	}
	if obs == nil {
		a.result.Missing = append(a.result.Missing, r.Address)
		return nil
	}
	differs, fixed := plan.Differences(r, obs)
	if len(fixed) > 0 {
		return errorf("Cannot take over what is there",
			"The %s %s differs in %s from what %s declares. That cannot be changed without deleting it first. "+
				"Declare it as it is, or delete it by hand.", r.Kind, r.Key, strings.Join(fixed, ", "), r.Address)
	}
	a.result.Taken = append(a.result.Taken, Taken{Address: r.Address, ID: id, Differs: differs})
	a.result.Entries = append(a.result.Entries, state.Entry{Put: &state.Resource{
		ID: id, Address: r.Address, Attrs: state.Keep(r.Kind, plan.Conform(r.Kind, obs.Attrs)),
		DependsOn: r.DependsOn, PreventDestroy: r.PreventDestroy,
	}})
	return nil
}

func (a *adopter) finish() *Result {
	slices.SortFunc(a.result.Taken, func(x, y Taken) int { return cmp.Compare(x.Address, y.Address) })
	slices.Sort(a.result.Missing)
	return &a.result
}

// candidates are the resources that an ID can mean: for a block those that it is
// called after, for the address of a resource that one.
func candidates(address string, below []*schema.Resource) []*schema.Resource {
	var out []*schema.Resource
	for _, r := range below {
		if r.Address == address || plan.IsPrincipal(r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return below // domain.example.dkim, of several keys
	}
	return out
}

// instances are the blocks that the resources come from.
func instances(address string, below []*schema.Resource) []string {
	var out []string
	for _, r := range below {
		block := plan.BlockAddress(r.Address)
		if state.Covers(block, address) { // the address of something in the block
			return nil
		}
		out = append(out, block)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (a *adopter) notThere(r *schema.Resource, id string) *Error {
	if a.retained[r.ID()] {
		return errorf("Cannot import non-existent remote object",
			"The %s %s was deleted. Its mail is still kept: the next apply makes the account anew, and the mail comes back with it. There is nothing to import.", r.Kind, r.Key)
	}
	return errorf("Cannot import non-existent remote object",
		"There is no %s %q at %s. The next apply makes it, since %s declares it; only what exists can be imported.", r.Kind, id, r.Target, r.Address)
}

// undeclared is the error for an address that the files do not have.
func (a *adopter) undeclared(address, id string) *Error {
	var addresses []string
	for i := range a.in.Desired {
		addresses = append(addresses, a.in.Desired[i].Address, plan.BlockAddress(a.in.Desired[i].Address))
	}
	if near := schema.Suggest(address, addresses); near != "" {
		return errorf("Address does not exist in the configuration", "There is no %s in the files. Did you mean %s?", address, near)
	}
	return errorf("Address does not exist in the configuration",
		"There is no %s in the files. Write the block first. To have it written, put this into a file and run mailform plan -generate-config-out=generated.mf.hcl:\n\n"+
			"import {\n  to = %[1]s\n  id = %q\n}", address, id)
}
