package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

func creates(rs []schema.Resource) []providers.Change {
	batch := make([]providers.Change, len(rs))
	for i, r := range rs {
		batch[i] = providers.Change{Action: providers.Create, Resource: r}
	}
	return batch
}

// many is a batch of what the sample has, large if it can be.
func (w *world) many() []schema.Resource {
	if len(w.sample.Many) > 0 {
		return w.sample.Many
	}
	return []schema.Resource{w.sample.Good}
}

// all checks that exactly these are there, as declared.
func (w *world) all(t *testing.T, rs []schema.Resource) {
	t.Helper()
	byKey := map[string]providers.Observed{}
	for _, o := range read(t, w.p) {
		if o.Kind == w.kind.Name && !o.Retained {
			byKey[o.Key] = o
		}
	}
	for _, r := range rs {
		o, ok := byKey[r.Key]
		if !ok {
			t.Fatalf("%s is not there", r.Key)
		}
		declared(t, r, o)
		delete(byKey, r.Key)
	}
	for key := range byKey {
		if !w.needed(key) {
			t.Errorf("%s is there too", key)
		}
	}
}

func (w *world) needed(key string) bool {
	for _, r := range w.sample.Needs {
		if r.Kind == w.kind.Name && r.Key == key {
			return true
		}
	}
	return false
}

func large(t *testing.T, w *world) {
	rs := w.many()
	observed := w.do(t, w.p, creates(rs)...)
	w.all(t, rs)
	batch := make([]providers.Change, len(rs))
	for i, r := range rs {
		batch[i] = providers.Change{Action: providers.Delete, Resource: r, Prior: &observed[i]}
	}
	w.do(t, w.p, batch...)
	w.all(t, nil)
}

func engineStops(t *testing.T, w *world) {
	stop := errors.New("the journal cannot be written")
	called := 0
	rs := append([]schema.Resource{w.sample.Good}, w.sample.Many...)
	err := w.p.Apply(t.Context(), creates(rs[:min(len(rs), 3)]),
		func(providers.Change, providers.Observed, error) error {
			called++
			return stop
		})
	if !errors.Is(err, stop) || called != 1 {
		t.Errorf("done was called %d times and Apply returned %v; want once, and the error of done", called, err)
	}
}

// again is what comes after a kill of the engine: the changes were done, and the
// next run sends them once more.
func again(t *testing.T, w *world) {
	rs := w.many()
	w.do(t, w.p, creates(rs)...)
	before := read(t, w.p)
	w.do(t, w.p, creates(rs)...)
	sameRead(t, "created twice", before, read(t, w.p))

	have := *find(t, w.p, rs[0])
	for _, a := range w.changeable() {
		// Values of Good may not fit another resource; those of numbers do.
		if rs[0].Key != w.sample.Good.Key {
			break
		}
		update := providers.Change{Action: providers.Update, Resource: With(rs[0], a.Name, w.another(t, a)), Prior: &have}
		w.apply(t, w.p, update)
		have = w.apply(t, w.p, update)
	}
	remove := providers.Change{Action: providers.Delete, Resource: rs[0], Prior: &have}
	w.do(t, w.p, remove)
	w.do(t, w.p, remove)
	if o := find(t, w.p, rs[0]); o != nil && !o.Retained {
		t.Error("it is still there")
	}
}

func cancelled(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := read(t, w.p)
	reports, err := carryOutIn(ctx, t, w.p, creates([]schema.Resource{w.sample.Good}))
	for _, r := range reports {
		if r.err == nil {
			t.Error("it was reported as done")
		}
	}
	if len(reports) == 0 && err == nil {
		t.Error("nothing was said of it")
	}
	sameRead(t, "after a context that had ended", before, read(t, w.p))
}

// kill ends the system while a batch is under way, sooner and later. What was
// reported as done is there afterwards, and the batch can be sent again.
func kill(t *testing.T, w *world) {
	if w.sys.Kill == nil {
		t.Skip("the system is none to be killed")
	}
	if len(w.h.Killed) > 0 && !slices.Contains(w.h.Killed, w.kind.Name) {
		t.Skip("other kinds go the same way")
	}
	rs := w.many()
	for _, after := range []time.Duration{0, 2 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond} {
		type outcome struct {
			done map[string]bool
			err  error
		}
		ended := make(chan outcome, 1)
		go func() {
			o := outcome{done: map[string]bool{}}
			o.err = w.p.Apply(t.Context(), creates(rs), func(c providers.Change, _ providers.Observed, err error) error {
				if err == nil {
					o.done[c.Resource.Key] = true
				}
				return nil
			})
			ended <- o
		}()
		time.Sleep(after) // a moment, not a synchronisation: whichever comes first must be right
		w.sys.Kill(t)
		o := <-ended
		there := map[string]bool{}
		for _, ob := range read(t, w.p) {
			if ob.Kind == w.kind.Name && !ob.Retained && !w.needed(ob.Key) {
				there[ob.Key] = true
			}
		}
		for key := range o.done {
			if !there[key] {
				t.Errorf("killed after %s: %s was reported as done and is not there", after, key)
			}
		}
		if w.h.Atomic && len(there) != 0 && len(there) != len(rs) {
			t.Errorf("killed after %s: %d of %d are there", after, len(there), len(rs))
		}
		w.do(t, w.p, creates(rs)...)
		w.all(t, rs)
		var batch []providers.Change
		for _, r := range rs {
			batch = append(batch, providers.Change{Action: providers.Delete, Resource: r})
		}
		byKey := map[string]providers.Observed{}
		for _, ob := range read(t, w.p) {
			if ob.Kind == w.kind.Name {
				byKey[ob.Key] = ob
			}
		}
		for i, r := range rs {
			ob := byKey[r.Key]
			batch[i].Prior = &ob
		}
		w.do(t, w.p, batch...)
	}
}
