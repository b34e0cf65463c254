package providertest

import (
	"slices"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func createAndRead(t *testing.T, w *world) {
	before := w.create(t, w.sample.Good)
	sameObserved(t, "reading twice gives something else", before, *find(t, w.p, w.sample.Good))
}

// changeable are the attributes that an update may change.
func (w *world) changeable() []schema.KindAttribute {
	var out []schema.KindAttribute
	for _, a := range w.kind.Attributes {
		refused := a.Optional && w.sample.Refused[a.Name] != nil && w.sample.Changed[a.Name] == cty.NilVal
		if !a.Immutable && !a.Computed && !refused && !slices.Contains(w.sample.Alike, a.Name) && !slices.Contains(w.sample.Single, a.Name) {
			out = append(out, a)
		}
	}
	return out
}

// another is a good value that Good does not have.
func (w *world) another(t *testing.T, a schema.KindAttribute) cty.Value {
	t.Helper()
	is := w.sample.Good.Attrs.GetAttr(a.Name)
	v, ok := w.sample.Changed[a.Name]
	switch {
	case ok && v.RawEquals(is):
		t.Fatalf("the sample of the kind %s changes %s to what it is", w.kind.Name, a.Name)
	case ok:
		return v
	case a.Type == cty.Number && !is.IsNull():
		return is.Add(cty.NumberIntVal(1))
	case a.Type == cty.Bool && !is.IsNull():
		return is.Not()
	}
	t.Fatalf("the sample of the kind %s has no other value for %s", w.kind.Name, a.Name)
	return cty.NilVal
}

func updateEach(t *testing.T, w *world) {
	have := w.create(t, w.sample.Good)
	for _, a := range w.changeable() {
		changed := With(w.sample.Good, a.Name, w.another(t, a))
		have = w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: changed, Prior: &have})
		have = w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: &have})
	}
}

func updateSame(t *testing.T, w *world) {
	have := w.create(t, w.sample.Good)
	w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: &have})
}

func deleteAndCreate(t *testing.T, w *world) {
	have := w.create(t, w.sample.Good)
	w.do(t, w.p, providers.Change{Action: providers.Delete, Resource: w.sample.Good, Prior: &have})
	left := find(t, w.p, w.sample.Good)
	if left != nil && !left.Retained {
		t.Fatal("it is still there")
	}
	w.apply(t, w.p, providers.Change{Action: providers.Create, Resource: w.sample.Good, Prior: left})
}

// replace is how a plan changes what is immutable: both in one batch.
func replace(t *testing.T, w *world) {
	have := w.create(t, w.sample.Good)
	told := w.do(t, w.p,
		providers.Change{Action: providers.Delete, Resource: w.sample.Good, Prior: &have},
		providers.Change{Action: providers.Create, Resource: w.sample.Good})
	now := find(t, w.p, w.sample.Good)
	if now == nil {
		t.Fatal("it is not there")
	}
	sameObserved(t, "what is told is not what is read", told[1], *now)
	declared(t, w.sample.Good, *now)
	if now.Revision == have.Revision && !w.h.Unmarked {
		t.Error("the revision is the one of before")
	}
}

func oddValues(t *testing.T, w *world) {
	names := make([]string, 0, len(w.sample.Odd))
	for name := range w.sample.Odd {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			r := w.sample.Odd[name]
			have := w.create(t, r)
			w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: r, Prior: &have})
			w.do(t, w.p, providers.Change{Action: providers.Delete, Resource: r, Prior: find(t, w.p, r)})
			if o := find(t, w.p, r); o != nil && !o.Retained {
				t.Error("it is still there")
			}
		})
	}
}

func revisions(t *testing.T, w *world) {
	needed := len(w.sample.Needs)
	first := w.create(t, w.sample.Good)
	if again := find(t, w.p, w.sample.Good); again.Revision != first.Revision {
		t.Error("it has changed by itself")
	}
	have, seen := first, map[string]bool{first.Revision: true}
	for _, a := range w.changeable() {
		r := With(w.sample.Good, a.Name, w.another(t, a))
		have = w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: r, Prior: &have})
		if seen[have.Revision] {
			t.Errorf("after a change of %s the revision is one that was there before", a.Name)
		}
		seen[have.Revision] = true
	}
	if len(w.sample.Many) == 0 {
		return
	}
	w.create(t, w.sample.Many[0])
	if now := find(t, w.p, w.sample.Good); now.Revision != have.Revision {
		t.Error("it has changed with a change of something else")
	}
	if got := len(read(t, w.p)); got < needed+2 {
		t.Errorf("%d things are there, want at least %d", got, needed+2)
	}
}
