package providertest

import (
	"errors"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func ownerMarks(t *testing.T, w *world) {
	if w.h.Unmarked {
		t.Skip("the system has no marks")
	}
	other := w.sys.Provider(theirs)
	mine := w.create(t, w.sample.Good)
	if mine.Owner != w.sample.Good.Address {
		t.Errorf("the owner is %q, want %q", mine.Owner, w.sample.Good.Address)
	}
	seen := find(t, other, w.sample.Good)
	if seen == nil {
		t.Fatal("another lineage does not see it")
	}
	if seen.Owner != "" {
		t.Errorf("to another lineage the owner is %q", seen.Owner)
	}
	if !seen.Attrs.RawEquals(mine.Attrs) {
		t.Error("another lineage sees other attributes")
	}
	// To adopt is to update what is seen as foreign.
	adopted := w.apply(t, other, providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: seen})
	if adopted.Owner != w.sample.Good.Address || adopted.Revision == mine.Revision {
		t.Errorf("after being adopted the owner is %q and the revision %q, before %q", adopted.Owner, adopted.Revision, mine.Revision)
	}
	if now := find(t, w.p, w.sample.Good); now.Owner != "" {
		t.Errorf("the owner is still %q", now.Owner)
	}
	// A block that was renamed is the owner by its new name.
	moved := w.sample.Good
	moved.Address += ".moved"
	if now := w.apply(t, other, providers.Change{Action: providers.Update, Resource: moved, Prior: &adopted}); now.Owner != moved.Address {
		t.Errorf("after a move the owner is %q, want %q", now.Owner, moved.Address)
	}
}

// other is Good with another value for its first attribute that can change, and
// whether there is one.
func (w *world) other(t *testing.T) (schema.Resource, bool) {
	t.Helper()
	as := w.changeable()
	if len(as) == 0 {
		return w.sample.Good, false
	}
	return With(w.sample.Good, as[0].Name, w.another(t, as[0])), true
}

func drift(t *testing.T, w *world) {
	have := w.create(t, w.sample.Good)
	if changed, ok := w.other(t); ok {
		w.sys.Tamper(t, changed)
		now := find(t, w.p, changed)
		if now == nil {
			t.Fatal("it is not there any more")
		}
		declared(t, changed, *now)
		if now.Revision == have.Revision {
			t.Error("the revision is the one of before")
		}
		w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: now})
	}
	w.sys.Tamper(t, gone(w.sample.Good))
	now := find(t, w.p, w.sample.Good)
	if now != nil && !now.Retained {
		t.Fatal("it is still there")
	}
	w.apply(t, w.p, providers.Change{Action: providers.Create, Resource: w.sample.Good, Prior: now})
}

func gone(r schema.Resource) schema.Resource {
	r.Attrs = cty.NullVal(r.Attrs.Type())
	return r
}

// conflicts: each change whose prior state is not true any more is refused as a
// conflict, and so is its batch where that is one transaction.
func conflicts(t *testing.T, w *world) {
	first := w.create(t, w.sample.Good)
	if !w.h.Unmarked {
		// Another run makes it what it was, under another name: of the attributes
		// alone nobody could tell.
		moved := w.sample.Good
		moved.Address += ".moved"
		w.apply(t, w.p, providers.Change{Action: providers.Update, Resource: moved, Prior: &first})
		w.refuses(t, "an update", providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: &first})
		w.refuses(t, "a deletion", providers.Change{Action: providers.Delete, Resource: w.sample.Good, Prior: &first})
	}
	if changed, ok := w.other(t); ok {
		before := find(t, w.p, w.sample.Good)
		w.sys.Tamper(t, changed)
		w.refuses(t, "an update after a foreign change", providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: before})
	}
	before := find(t, w.p, w.sample.Good)
	w.sys.Tamper(t, gone(w.sample.Good))
	w.refuses(t, "an update of what was taken away", providers.Change{Action: providers.Update, Resource: w.sample.Good, Prior: before})
}

// refuses expects a conflict for a change that stands between two others.
func (w *world) refuses(t *testing.T, what string, stale providers.Change) {
	t.Helper()
	var batch []providers.Change
	if len(w.sample.Many) > 1 {
		batch = creates([]schema.Resource{w.sample.Many[0], w.sample.Many[1]})
	}
	at := len(batch) / 2
	batch = append(batch[:at:at], append([]providers.Change{stale}, batch[at:]...)...)
	before := read(t, w.p)
	reports, err := carryOut(t, w.p, batch)
	if err != nil {
		t.Fatalf("%s: apply: %v", what, err)
	}
	if !errors.Is(reports[at].err, providers.ErrConflict) {
		t.Errorf("%s: the error is %v, want ErrConflict", what, reports[at].err)
	}
	w.untouched(t, what, before, reports, at)
}

// untouched checks what became of a batch in which one change was refused.
func (w *world) untouched(t *testing.T, what string, before []providers.Observed, reports []report, refused int) {
	t.Helper()
	if !w.h.Atomic {
		return
	}
	for i, r := range reports {
		if r.err == nil {
			t.Errorf("%s: change %d of a batch that was refused is reported as done", what, i)
		} else if i != refused && errors.Is(r.err, providers.ErrConflict) {
			t.Errorf("%s: change %d was no conflict and is reported as one: %v", what, i, r.err)
		}
	}
	sameRead(t, what, before, read(t, w.p))
}

func createExisting(t *testing.T, w *world) {
	w.create(t, w.sample.Good)
	if changed, ok := w.other(t); ok {
		w.refuses(t, "creating what is there otherwise", providers.Change{Action: providers.Create, Resource: changed})
	}
	if w.h.Unmarked {
		return
	}
	renamed := w.sample.Good
	renamed.Address += ".other"
	w.refuses(t, "creating what another block has", providers.Change{Action: providers.Create, Resource: renamed})

	other := w.sys.Provider(theirs)
	before := read(t, other)
	reports, err := carryOut(t, other, creates([]schema.Resource{w.sample.Good}))
	if err != nil || !errors.Is(reports[0].err, providers.ErrConflict) {
		t.Errorf("creating what another lineage has: %v, %v; want ErrConflict", reports, err)
	}
	sameRead(t, "creating what another lineage has", before, read(t, other))
}
