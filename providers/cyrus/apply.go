package cyrus

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
)

// A result is what became of one change.
type result struct {
	observed providers.Observed
	err      error
	told     bool // it is settled, and can be told of
}

// A report tells of the changes of a piece in their order, as far as they are
// settled.
type report struct {
	batch   []providers.Change
	results []result
	next    int
	done    func(providers.Change, providers.Observed, error) error
}

func (r *report) settle(i int, o *providers.Observed, err error) {
	r.results[i] = result{err: err, told: true}
	if o != nil && err == nil {
		r.results[i].observed = *o
	}
}

// tell tells of what is settled and was not told of yet.
func (r *report) tell() error {
	for ; r.next < len(r.results) && r.results[r.next].told; r.next++ {
		res := r.results[r.next]
		if err := r.done(r.batch[r.next], res.observed, res.err); err != nil {
			return err
		}
	}
	return nil
}

// fail settles all that is not settled yet.
func (r *report) fail(err error) {
	for i := range r.results {
		if !r.results[i].told {
			r.settle(i, nil, err)
		}
	}
}

// A class is what is carried out in one way.
type class int

const (
	noClass class = iota
	settingsClass
	serviceClass
	mailboxClass
	locationClass
)

func classOf(kind string) class {
	switch kind {
	case schema.KindMailStore, schema.KindLookup, schema.KindParameter, schema.KindListener:
		return settingsClass
	case schema.KindService:
		return serviceClass
	case schema.KindMailbox:
		return mailboxClass
	case schema.KindLocation:
		return locationClass
	}
	return noClass
}

// Apply implements providers.Provider. Settings that stand together in a batch are
// one change of the files and one reload; mailboxes that do are one connection.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil || len(batch) == 0 {
		return err
	}
	if err := p.findPrograms(ctx); err != nil {
		return err
	}
	for len(batch) > 0 {
		n := piece(batch)
		r := &report{batch: batch[:n], results: make([]result, n), done: done}
		var err error
		switch classOf(batch[0].Resource.Kind) {
		case settingsClass:
			err = p.applySettings(ctx, r)
		case serviceClass:
			err = p.applyService(ctx, r)
		case mailboxClass:
			err = p.applyMailboxes(ctx, r)
		case locationClass:
			err = p.applyLocation(ctx, r)
		default:
			r.fail(fmt.Errorf("cyrus has nothing of the kind %q", batch[0].Resource.Kind))
		}
		if err != nil {
			return err
		}
		if err := r.tell(); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// piece is how many changes from the first on are of one class and of different
// things.
func piece(batch []providers.Change) int {
	seen := map[schema.ID]bool{}
	for i, c := range batch {
		id := schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}
		if classOf(c.Resource.Kind) != classOf(batch[0].Resource.Kind) || seen[id] {
			return i
		}
		seen[id] = true
	}
	return len(batch)
}

// A verdict is what is to be done about a change.
type verdict struct {
	wish wish
	// now is what is there; nil: nothing.
	now *providers.Observed
	// settled says that nothing is to be done: it is as it should be.
	settled bool
}

// judge compares a change with what is there.
func (w *world) judge(c providers.Change) (verdict, error) {
	v := verdict{now: w.observe(c.Resource.Kind, c.Resource.Key)}
	k := w.model.mark(c.Resource.Kind, c.Resource.Key)
	ours := k != nil && k.Lineage == w.p.lineage && k.Address == c.Resource.Address
	there := v.now != nil && !v.now.Retained
	if c.Action != providers.Delete {
		var err error
		if v.wish, err = w.p.readWish(c.Resource); err != nil {
			return v, err
		}
		if there && ours && !k.Pending && same(c.Resource, v.now) {
			v.settled = true
			return v, nil
		}
	} else if !there {
		v.settled, v.now = true, nil
		return v, nil
	}
	prior := c.Prior
	if prior != nil && prior.Retained {
		prior = nil
	}
	switch {
	case ours && k.Pending: // one that was not finished
	case there && prior == nil, !there && prior != nil, there && prior.Revision != v.now.Revision:
		return v, fmt.Errorf("%s %s: %w", c.Resource.Kind, c.Resource.Key, providers.ErrConflict)
	}
	return v, nil
}

// same reports whether a thing is as it is declared.
func same(r schema.Resource, now *providers.Observed) bool {
	for _, a := range schema.KindByName(r.Kind).Attributes {
		if !a.Computed && !r.Attrs.GetAttr(a.Name).RawEquals(now.Attrs.GetAttr(a.Name)) {
			return false
		}
	}
	return true
}

// changed makes a conflict of a file that somebody has changed meanwhile.
func changed(err error) error {
	if errors.Is(err, host.ErrChanged) {
		return fmt.Errorf("%w (%w)", providers.ErrConflict, err)
	}
	return err
}

// applyService starts or stops the server, with authd beside it.
func (p *Provider) applyService(ctx context.Context, r *report) error {
	for i, c := range r.batch {
		w, err := p.load(ctx, false)
		if err != nil {
			return err
		}
		v, err := w.judge(c)
		if err == nil && c.Resource.Key != "cyrus" {
			err = lack("name", "there is one server, cyrus")
		}
		if err != nil || v.settled {
			r.settle(i, v.now, err)
			continue
		}
		if c.Action == providers.Delete {
			err = errors.Join(p.service().End(ctx), p.control("").End(ctx))
			w.model.drop(c.Resource.Kind, c.Resource.Key)
			w.running, w.judging = false, false
		} else {
			err = p.begin(ctx)
			w.model.put(c.Resource, p.lineage, mark{})
			w.running, w.judging = true, true
		}
		if err == nil {
			err = w.writeModel(ctx)
		}
		r.settle(i, w.observe(c.Resource.Kind, c.Resource.Key), err)
	}
	return nil
}

// begin starts authd and the server, and waits until it lets the administrator in.
func (p *Provider) begin(ctx context.Context) error {
	if err := p.control("").Begin(ctx); err != nil {
		return fmt.Errorf("start authd: %w", err)
	}
	if err := p.service().Begin(ctx); err != nil {
		return fmt.Errorf("start Cyrus: %w", err)
	}
	return until(ctx, func() error {
		s, err := p.connect(ctx)
		if err == nil {
			s.close()
		}
		return err
	})
}

// writeModel writes the marks, if they are others than those that were read.
func (w *world) writeModel(ctx context.Context) error {
	text, err := w.model.bytes()
	if err != nil || string(text) == string(w.modelFile.Content) {
		return err
	}
	f := w.modelFile.With(text)
	f.Mode = 0o600
	if err := w.p.host.Mkdir(ctx, host.Dir{Path: w.p.ownDir()}); err != nil {
		return err
	}
	if err := w.p.host.Write(ctx, f); err != nil {
		return changed(err)
	}
	w.modelFile = f
	return nil
}
