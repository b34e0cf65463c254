package plan

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A rollback is what has to be known of one to plan it.
type rollback struct {
	// was holds what the last apply changed, as it was before; nil for what was
	// not there.
	was map[schema.ID]*state.Resource
	// whole is set where the apply did not come to its end: then it may have
	// changed more than it could write down, and everything is put back.
	whole bool
	// notes say of what cannot come back why.
	notes map[schema.ID][]string
}

// formerly puts what was described before the last apply in the place of what
// the files describe. Of that it keeps what the last apply has changed: the rest
// is none of the rollback's business, if the state can tell.
//
// A state has no secrets. A former value comes from where it still is: the files
// and variables, what is there, or what was deleted and kept.
func formerly(in Input) (Input, *rollback, hcl.Diagnostics) {
	if in.Undo == nil {
		return in, nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Nothing to roll back",
			Detail:   "The state knows of no apply that has changed anything.",
		}}
	}
	was, outputs, err := in.Undo.Undo()
	if err != nil {
		return in, nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Cannot roll back",
			Detail:   fmt.Sprintf("The state does not say what was described before: %s.", err),
		}}
	}
	b := &rollback{was: maps.Clone(was), whole: in.Unfinished, notes: map[schema.ID][]string{}}
	if b.whole && in.Prior != nil {
		for id, r := range in.Prior.Resources {
			if _, changed := was[id]; !changed {
				b.was[id] = r
			}
		}
	}
	f := former{b: b, in: &in, secrets: secretsIn(in), staging: map[schema.ID]*schema.Staging{}}
	for i := range in.Desired {
		r := &in.Desired[i]
		if r.Staging != nil {
			f.staging[r.ID()] = r.Staging
		}
		if len(r.IgnoreChanges) > 0 {
			f.ignored = append(f.ignored, r)
		}
	}
	diags := f.lostKeys()
	ids := make([]schema.ID, 0, len(b.was))
	for id := range b.was {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i].Less(ids[j]) })
	var desired []schema.Resource
	for _, id := range ids {
		if r := b.was[id]; r != nil && !f.lost[id] {
			desired = append(desired, f.resource(r))
		}
	}
	in.Desired, in.Records = desired, nil
	if in.Config != nil { // what the files say of addresses is about what they describe
		cfg := *in.Config
		cfg.Moved, cfg.Removed, cfg.Imports = nil, nil, nil
		in.Config = &cfg
	}
	if outputs == nil && in.Prior != nil {
		outputs = in.Prior.Outputs
	}
	in.Outputs = nil
	for name, o := range outputs {
		v, err := o.Decode()
		if err != nil {
			return in, nil, append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Cannot roll back",
				Detail:   fmt.Sprintf("The output %q cannot be read as it was before: %s.", name, err),
			})
		}
		in.Outputs = append(in.Outputs, config.Output{Name: name, Value: v, Sensitive: o.Sensitive})
	}
	return in, b, diags
}

// A former makes what is desired of what was.
type former struct {
	b  *rollback
	in *Input
	// secrets holds the values of sensitive attributes by their fingerprints.
	secrets map[string]string
	// lost is what cannot come back.
	lost    map[schema.ID]bool
	ignored []*schema.Resource
	// staging is how the files say that record sets move.
	staging map[schema.ID]*schema.Staging
}

// resource is what has to be there again.
func (f *former) resource(r *state.Resource) schema.Resource {
	out := schema.Resource{
		Address: r.Address, Target: r.ID.Target, Kind: r.ID.Kind, Key: r.ID.Key,
		Attrs: r.Attrs, DependsOn: r.DependsOn, PreventDestroy: r.PreventDestroy, Staging: f.staging[r.ID],
	}
	for _, now := range f.ignored {
		if now.ID() == r.ID {
			out.IgnoreChanges = append(out.IgnoreChanges, now.IgnoreChanges...)
		}
	}
	if r.ID.Kind == schema.KindProcess { // the version is that of whoever applies
		out.IgnoreChanges = append(out.IgnoreChanges, "version")
	}
	k := schema.KindByName(r.ID.Kind)
	if k == nil {
		return out
	}
	vals := conform(k, r.Attrs).AsValueMap()
	for i := range k.Attributes {
		a := &k.Attributes[i]
		switch {
		case a.Info:
			vals[a.Name] = cty.NullVal(a.Type)
		case a.Sensitive:
			v, ok := f.secret(vals[a.Name])
			if ok {
				vals[a.Name] = v
				continue
			}
			if f.there(r.ID) {
				out.IgnoreChanges = append(out.IgnoreChanges, a.Name)
				f.note(r.ID, "its former %s is not known any more, only a fingerprint of it: it is left as it is", a.Name)
			} else {
				vals[a.Name] = empty(a.Type)
				f.note(r.ID, "its former %s is not known any more, only a fingerprint of it: it comes back without one", a.Name)
			}
		}
	}
	out.Attrs = cty.ObjectVal(vals)
	return out
}

func (f *former) note(id schema.ID, format string, args ...any) {
	f.b.notes[id] = append(f.b.notes[id], fmt.Sprintf(format, args...))
}

// there reports whether something is there that is not merely kept.
func (f *former) there(id schema.ID) bool {
	for i := range f.in.Observed[id.Target] {
		if o := &f.in.Observed[id.Target][i]; o.Kind == id.Kind && o.Key == id.Key && !o.Retained {
			return true
		}
	}
	return false
}

// secret finds the values that fingerprints stand for.
func (f *former) secret(v cty.Value) (cty.Value, bool) {
	if v.IsNull() {
		return v, true
	}
	if v.Type() == cty.String {
		s := v.AsString()
		if !strings.HasPrefix(s, schema.FingerprintPrefix) {
			return v, true
		}
		found, ok := f.secrets[s]
		return cty.StringVal(found), ok
	}
	if v.LengthInt() == 0 {
		return v, true
	}
	elems := v.AsValueSlice()
	for i, e := range elems {
		var ok bool
		if elems[i], ok = f.secret(e); !ok {
			return v, false
		}
	}
	return cty.ListVal(elems), true
}

func empty(ty cty.Type) cty.Value {
	if ty.IsListType() {
		return cty.ListValEmpty(ty.ElementType())
	}
	return cty.NullVal(ty)
}

// secretsIn collects the values of sensitive attributes, wherever they are.
func secretsIn(in Input) map[string]string {
	found := map[string]string{}
	var take func(v cty.Value)
	take = func(v cty.Value) {
		v, _ = v.Unmark()
		switch {
		case v.IsNull() || !v.IsKnown():
		case v.Type() == cty.String:
			if s := v.AsString(); !strings.HasPrefix(s, schema.FingerprintPrefix) {
				found[schema.Fingerprint(s)] = s
			}
		case v.Type().IsListType():
			for _, e := range v.AsValueSlice() {
				take(e)
			}
		}
	}
	attrs := func(kind string, v cty.Value) {
		k := schema.KindByName(kind)
		if k == nil || v == cty.NilVal || v.IsNull() || !v.IsKnown() {
			return
		}
		for i := range k.Attributes {
			if a := &k.Attributes[i]; a.Sensitive && v.Type().HasAttribute(a.Name) {
				take(v.GetAttr(a.Name))
			}
		}
	}
	for i := range in.Desired {
		v, _ := in.Desired[i].Attrs.UnmarkDeep()
		attrs(in.Desired[i].Kind, v)
	}
	for _, list := range in.Observed {
		for i := range list {
			attrs(list[i].Kind, list[i].Attrs)
		}
	}
	return found
}

// lostKeys finds keys that were destroyed or made anew. They cannot come back,
// and the records that published them must not: mail signed by another key would
// be taken for forged.
func (f *former) lostKeys() hcl.Diagnostics {
	f.lost = map[schema.ID]bool{}
	texts := map[string]bool{}
	var names []string
	for id, r := range f.b.was {
		k := schema.KindByName(id.Kind)
		if r == nil || k == nil || !gives(id.Kind) {
			continue
		}
		for i := range k.Attributes {
			a := &k.Attributes[i]
			if !a.Computed || a.Info {
				continue
			}
			is, ok := f.observed(id, a.Name)
			if was := text(r.Attrs, a.Name); was != "" && (!ok || is != was) {
				f.lost[id], texts[was] = true, true
				names = append(names, r.Address)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	for id, r := range f.b.was {
		if r == nil || id.Kind != schema.KindRRset {
			continue
		}
		v := r.Attrs.GetAttr("values")
		if v.IsNull() || !v.IsKnown() {
			continue
		}
		if slices.ContainsFunc(v.AsValueSlice(), func(e cty.Value) bool { return !e.IsNull() && texts[e.AsString()] }) {
			f.lost[id] = true
			names = append(names, r.Address)
		}
	}
	sort.Strings(names)
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning,
		Summary:  "Not everything can be rolled back",
		Detail: fmt.Sprintf("A key that was destroyed cannot come back, and the record that published it must not come back without it. "+
			"Left as they are: %s. To have a key there again, put the files back and apply them: that makes a new one.", strings.Join(names, ", ")),
	}}
}

// observed reads a text of something that is there.
func (f *former) observed(id schema.ID, name string) (string, bool) {
	for i := range f.in.Observed[id.Target] {
		if o := &f.in.Observed[id.Target][i]; o.Kind == id.Kind && o.Key == id.Key && !o.Retained {
			return text(o.Attrs, name), true
		}
	}
	return "", false
}

// undoes reports whether a thing that is ours has to go in a rollback: the last
// apply has brought it. What is lost but still there was not brought by it.
func (m *maker) undoes(id schema.ID) bool {
	was, touched := m.back.was[id]
	return was == nil && (touched || m.back.whole)
}

// leaves reports whether a thing that a rollback would take away was not made by
// the last apply, but only taken over.
func (m *maker) leaves(st *state.Resource) bool {
	return m.back != nil && st != nil && st.Adopted
}

// latest names the last apply that a state knows of.
func latest(st *state.State) *Back {
	switch {
	case st.Open != nil:
		return &Back{Operation: st.Open.Operation, Who: st.Open.Who, At: st.Open.At, Unfinished: true}
	case st.Last != nil:
		return &Back{Operation: st.Last.Operation, Who: st.Last.Who, At: st.Last.At}
	}
	return nil
}
