package providertest

import (
	"context"
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A world is a system with the sample of one kind.
type world struct {
	h      Harness
	kind   *schema.Kind
	sys    *System
	sample Sample
	p      providers.Provider // of our lineage
}

func newWorld(t *testing.T, h Harness, k *schema.Kind) *world {
	t.Helper()
	sys := h.New(t)
	sample, ok := sys.Samples[k.Name]
	if !ok {
		t.Fatalf("the harness has no sample of the kind %s; if there is to be none, say why in Untried", k.Name)
	}
	return &world{h: h, kind: k, sys: sys, sample: sample, p: sys.Provider(ours)}
}

// begin makes what the sample needs.
func (w *world) begin(t *testing.T) {
	t.Helper()
	var batch []providers.Change
	for _, r := range w.sample.Needs {
		batch = append(batch, providers.Change{Action: providers.Create, Resource: r})
	}
	w.do(t, w.p, batch...)
}

// clear takes everything away, whoever made it, and checks that it is gone.
func (w *world) clear(t *testing.T) {
	t.Helper()
	// Theirs first: no zone goes that holds what is somebody else's.
	for _, lineage := range []string{theirs, ours} {
		var batch []providers.Change
		p := w.sys.Provider(lineage)
		for _, o := range read(t, p) {
			if w.mayGo(o) && (o.Owner != "" || lineage == ours) {
				r := schema.Resource{Address: "cleared", Kind: o.Kind, Key: o.Key, Attrs: o.Attrs}
				batch = append(batch, providers.Change{Action: providers.Delete, Resource: r, Prior: &o})
			}
		}
		w.do(t, p, batch...)
	}
	for _, o := range read(t, w.p) {
		if w.mayGo(o) {
			t.Fatalf("%s %s is still there", o.Kind, o.Key)
		}
	}
}

// mayGo: what was deleted has gone as far as it does, and what New has made for
// the system itself is none of ours.
func (w *world) mayGo(o providers.Observed) bool {
	_, tried := w.sys.Samples[o.Kind]
	return tried && !o.Retained
}

// A report is what a provider told of one change.
type report struct {
	observed providers.Observed
	err      error
}

// carryOut applies a batch, and checks that done is called once for each change
// in their order. Where Apply fails as a whole it may not have told of all.
func carryOut(t *testing.T, p providers.Provider, batch []providers.Change) ([]report, error) {
	t.Helper()
	return carryOutIn(t.Context(), t, p, batch)
}

func carryOutIn(ctx context.Context, t *testing.T, p providers.Provider, batch []providers.Change) ([]report, error) {
	t.Helper()
	var reports []report
	err := p.Apply(ctx, batch, func(c providers.Change, o providers.Observed, err error) error {
		i := len(reports)
		switch {
		case i >= len(batch):
			t.Errorf("done was called for %s %s after all changes were told of", c.Action, c.Resource.Address)
		case c.Action != batch[i].Action || c.Resource.Kind != batch[i].Resource.Kind || c.Resource.Key != batch[i].Resource.Key:
			t.Errorf("done was called for %s %s; next in the batch is %s %s",
				c.Action, c.Resource.Address, batch[i].Action, batch[i].Resource.Address)
		}
		reports = append(reports, report{o, err})
		return nil
	})
	if err == nil && len(reports) != len(batch) {
		t.Fatalf("done was called %d times for %d changes", len(reports), len(batch))
	}
	return reports, err
}

// do applies a batch of which everything has to be done, and returns what the
// provider says is there now.
func (w *world) do(t *testing.T, p providers.Provider, batch ...providers.Change) []providers.Observed {
	t.Helper()
	if len(batch) == 0 {
		return nil
	}
	reports, err := carryOut(t, p, batch)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	out := make([]providers.Observed, len(batch))
	for i, r := range reports {
		if r.err != nil {
			t.Fatalf("%s %s: %v", batch[i].Action, batch[i].Resource.Address, r.err)
		}
		out[i] = r.observed
	}
	return out
}

// create makes a resource and returns how it is read.
func (w *world) create(t *testing.T, r schema.Resource) providers.Observed {
	t.Helper()
	return w.apply(t, w.p, providers.Change{Action: providers.Create, Resource: r})
}

// apply carries out one change, and checks that what is told of it is what is
// read, and what was declared.
func (w *world) apply(t *testing.T, p providers.Provider, c providers.Change) providers.Observed {
	t.Helper()
	told := w.do(t, p, c)[0]
	o := find(t, p, c.Resource)
	if o == nil || o.Retained {
		t.Fatalf("after %s, %s %s is not there", c.Action, c.Resource.Kind, c.Resource.Key)
	}
	sameObserved(t, "what is told of a change is not what is read", told, *o)
	declared(t, c.Resource, *o)
	return *o
}

func read(t *testing.T, p providers.Provider) []providers.Observed {
	t.Helper()
	list, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	seen := map[schema.ID]bool{}
	for _, o := range list {
		id := schema.ID{Kind: o.Kind, Key: o.Key}
		if seen[id] {
			t.Fatalf("%s %s is listed twice", o.Kind, o.Key)
		}
		seen[id] = true
	}
	return list
}

// find reads one thing; nil: it is not there.
func find(t *testing.T, p providers.Provider, r schema.Resource) *providers.Observed {
	t.Helper()
	for _, o := range read(t, p) {
		if o.Kind == r.Kind && o.Key == r.Key {
			return &o
		}
	}
	return nil
}

// declared checks that what is read is what was declared, and that what the
// system decides has been decided.
func declared(t *testing.T, want schema.Resource, have providers.Observed) {
	t.Helper()
	k := schema.KindByName(want.Kind)
	if !have.Attrs.Type().Equals(k.Type()) {
		t.Fatalf("the attributes of %s %s are of type %#v", have.Kind, have.Key, have.Attrs.Type())
	}
	for _, a := range k.Attributes {
		w, h := want.Attrs.GetAttr(a.Name), have.Attrs.GetAttr(a.Name)
		switch {
		case !h.IsWhollyKnown():
			t.Errorf("%s of %s %s is read as unknown", a.Name, have.Kind, have.Key)
		case a.Computed && !a.Info && h.IsNull():
			t.Errorf("%s of %s %s is computed and was not filled in", a.Name, have.Kind, have.Key)
		case !a.Computed && !w.RawEquals(h):
			t.Errorf("%s of %s %s is read as %s, declared was %s", a.Name, have.Kind, have.Key, show(a, h), show(a, w))
		}
	}
	if have.Revision == "" {
		t.Errorf("%s %s has no revision", have.Kind, have.Key)
	}
}

func show(a schema.KindAttribute, v cty.Value) string {
	if a.Sensitive {
		return "(sensitive value)"
	}
	return fmt.Sprintf("%#v", v)
}

// sameObserved compares all that is observed of one thing.
func sameObserved(t *testing.T, what string, a, b providers.Observed) {
	t.Helper()
	if a.Kind != b.Kind || a.Key != b.Key || a.Owner != b.Owner || a.Revision != b.Revision || a.Retained != b.Retained {
		t.Errorf("%s: %s %s, owner %q, revision %q, retained %v; %s %s, owner %q, revision %q, retained %v", what,
			a.Kind, a.Key, a.Owner, a.Revision, a.Retained, b.Kind, b.Key, b.Owner, b.Revision, b.Retained)
	}
	if !a.Attrs.RawEquals(b.Attrs) {
		t.Errorf("%s: the attributes of %s %s differ", what, a.Kind, a.Key)
	}
}

// sameRead checks that everything is as it was.
func sameRead(t *testing.T, what string, before, after []providers.Observed) {
	t.Helper()
	byID := map[schema.ID]providers.Observed{}
	for _, o := range before {
		byID[schema.ID{Kind: o.Kind, Key: o.Key}] = o
	}
	for _, o := range after {
		id := schema.ID{Kind: o.Kind, Key: o.Key}
		was, ok := byID[id]
		if !ok {
			t.Errorf("%s: %s %s has appeared", what, o.Kind, o.Key)
			continue
		}
		sameObserved(t, what, was, o)
		delete(byID, id)
	}
	for id := range byID {
		t.Errorf("%s: %s %s has gone", what, id.Kind, id.Key)
	}
}
