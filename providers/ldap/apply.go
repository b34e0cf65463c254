package ldap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// How many requests are on their way at once, and by how many connections. A
// directory writes one change at a time; the others wait in it and not here.
const (
	workers     = 16
	connections = 2
)

// Apply implements providers.Provider. Changes of one entry are made in their
// order, those of several side by side; they are told of in the order of the batch.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if len(batch) == 0 {
		return ctx.Err()
	}
	c, err := p.server.connect(ctx, p.write, min(connections, len(batch)))
	if err != nil {
		return err
	}
	defer c.close()
	layouts, err := p.layouts(ctx, c)
	if err != nil {
		return err
	}
	w := &work{p: p, c: c, layouts: layouts, batch: batch, results: make([]result, len(batch)), have: map[schema.ID][]*entry{}}
	if err := w.load(ctx); err != nil {
		return err
	}
	return w.run(ctx, done)
}

// A work is one batch on its way.
type work struct {
	p       *Provider
	c       *client
	layouts map[string]*layout
	batch   []providers.Change
	results []result
	// have are the entries that the directory has of what changes.
	have map[schema.ID][]*entry
}

type result struct {
	observed providers.Observed
	err      error
}

func id(c providers.Change) schema.ID {
	return schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}
}

// load reads what is to be changed, in bulk.
func (w *work) load(ctx context.Context) error {
	keys := map[string][]string{}
	seen := map[schema.ID]bool{}
	for _, c := range w.batch {
		if !seen[id(c)] {
			seen[id(c)] = true
			keys[c.Resource.Kind] = append(keys[c.Resource.Kind], c.Resource.Key)
		}
	}
	if len(keys[schema.KindRoute]) > 0 {
		if err := w.c.meet(ctx, w.layouts[schema.KindMailbox], w.layouts[schema.KindRoute]); err != nil {
			return err
		}
	}
	for kind, l := range w.layouts {
		if len(keys[kind]) == 0 || l.missing != nil {
			continue
		}
		found, err := w.c.load(ctx, l, l.asked(), keys[kind], func(key string) bool { return seen[schema.ID{Kind: kind, Key: key}] })
		if err != nil {
			return err
		}
		for key, list := range found {
			w.have[schema.ID{Kind: kind, Key: key}] = list
		}
	}
	return nil
}

// run makes the changes and tells of them.
func (w *work) run(ctx context.Context, done func(providers.Change, providers.Observed, error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What is of one entry is one piece.
	var order []schema.ID
	pieces := map[schema.ID][]int{}
	for i, c := range w.batch {
		if pieces[id(c)] == nil {
			order = append(order, id(c))
		}
		pieces[id(c)] = append(pieces[id(c)], i)
	}
	todo, finished := make(chan []int), make(chan int, workers)
	var wg sync.WaitGroup
	for range min(workers, len(order)) {
		wg.Go(func() {
			for piece := range todo {
				var at *entry
				if list := w.have[id(w.batch[piece[0]])]; len(list) > 0 {
					at = list[0]
				}
				for _, i := range piece {
					w.results[i].observed, at, w.results[i].err = w.change(ctx, w.batch[i], at)
					finished <- i
				}
			}
		})
	}
	go func() {
		defer close(finished)
		for _, id := range order {
			todo <- pieces[id]
		}
		close(todo)
		wg.Wait()
	}()
	var stopped error
	ready, next := make([]bool, len(w.batch)), 0
	for i := range finished {
		ready[i] = true
		for stopped == nil && next < len(ready) && ready[next] {
			if stopped = done(w.batch[next], w.results[next].observed, w.results[next].err); stopped != nil {
				cancel()
			}
			next++
		}
	}
	return stopped
}

// change makes one change of the entry that is there, or nil. It returns what is
// there afterwards.
func (w *work) change(ctx context.Context, c providers.Change, have *entry) (providers.Observed, *entry, error) {
	none := providers.Observed{}
	if err := ctx.Err(); err != nil {
		return none, have, err
	}
	l := w.layouts[c.Resource.Kind]
	if l == nil {
		return none, have, fmt.Errorf("a directory holds no %q", c.Resource.Kind)
	}
	if list := w.have[id(c)]; len(list) > 1 {
		return none, have, twice(c.Resource.Key, list)
	}
	if c.Action == providers.Delete {
		if l.missing != nil {
			return none, have, l.missing
		}
		return none, nil, w.remove(ctx, l, c, have)
	}
	want, err := l.wish(c.Resource, have)
	if err != nil {
		return none, have, err
	}
	owner := mark{w.p.lineage, c.Resource.Address}
	now, err := w.put(ctx, l, c, want, owner, have)
	if err != nil {
		return none, have, err
	}
	o := now.observed(l.kind, w.p.lineage)
	o.Attrs = inOrder(c.Resource.Attrs, o.Attrs)
	return o, now, nil
}

// put makes an entry what is wanted.
func (w *work) put(ctx context.Context, l *layout, c providers.Change, want wish, owner mark, have *entry) (*entry, error) {
	secrets := want[rolePassword]
	if have == nil {
		switch {
		case c.Action == providers.Update:
			return nil, fmt.Errorf("its entry is not there: %w", providers.ErrConflict)
		default:
			dn := l.dn(c.Resource.Key)
			err := w.c.conn().Add(l.add(dn, c.Resource.Key, want, owner))
			if err == nil {
				return w.after(ctx, l, c, dn)
			}
			if !goldap.IsErrorWithCode(err, goldap.LDAPResultEntryAlreadyExists) {
				return nil, w.c.explain(ctx, missingBase(err, l), dn, secrets...)
			}
			// Somebody was faster, or the name is that of something else.
			if have, err = w.reread(ctx, l, c.Resource.Key, dn); err != nil {
				return nil, err
			}
			if have == nil {
				return w.complete(ctx, l, c, want, owner, dn)
			}
		}
	}
	for range tries {
		marked := l.names[roleOwner] == "" || have.mark == owner
		if marked && same(c.Resource.Attrs, have.attrs) {
			return have, nil
		}
		if !have.is(c.Prior, l.kind, w.p.lineage) {
			return nil, fmt.Errorf("the entry %s: %w", have.dn, providers.ErrConflict)
		}
		err := w.c.conn().Modify(l.modify(have, want, owner, w.p.known.asserts))
		if err == nil {
			return w.after(ctx, l, c, have.dn)
		}
		if !stale(err) {
			return nil, w.c.explain(ctx, err, have.dn, secrets...)
		}
		dn := have.dn
		if have, err = w.reread(ctx, l, c.Resource.Key, dn); err != nil {
			return nil, err
		}
		if have == nil {
			return nil, fmt.Errorf("the entry %s: %w", dn, providers.ErrConflict)
		}
	}
	return nil, fmt.Errorf("the entry %s changes all the time: %w", have.dn, providers.ErrConflict)
}

// complete gives an entry that has the name of a new one, and no address, what it
// lacks: a person without a mailbox gets one. What it has is not overwritten.
func (w *work) complete(ctx context.Context, l *layout, c providers.Change, want wish, owner mark, dn string) (*entry, error) {
	found, err := w.c.entry(ctx, dn, l.asked())
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("the entry %s: %w", dn, providers.ErrConflict)
	}
	have := raw(found)
	other := ""
	for role, name := range l.names {
		old := each(have.get(name), declared)
		if role == roleOwner || len(old) == 0 || role != roleAddress && sameSet(old, each(want[role], declared)) {
			continue
		}
		other = max(other, name)
	}
	if !containsFold(have.get("objectClass"), l.mapping.classes[0]) {
		other = "objectClass"
	}
	if other != "" {
		return nil, fmt.Errorf("the directory has an entry %s already, of another %s. Make it by hand what it is to be, or name new entries otherwise by rdn", dn, other)
	}
	request := l.modify(have, want, owner, w.p.known.asserts)
	request.Add(l.names[roleAddress], want[roleAddress])
	if err := w.c.conn().Modify(request); err != nil {
		if stale(err) {
			return nil, fmt.Errorf("the entry %s: %w", dn, providers.ErrConflict)
		}
		return nil, w.c.explain(ctx, err, dn, want[rolePassword]...)
	}
	return w.after(ctx, l, c, dn)
}

// tries is how often a change is tried where others change the same entry, in what
// is none of ours.
const tries = 5

// stale reports whether a server says that an entry is not as it was read.
func stale(err error) bool {
	return goldap.IsErrorAnyOf(err, goldap.LDAPResultAssertionFailed, goldap.LDAPResultNoSuchAttribute, goldap.LDAPResultAttributeOrValueExists, goldap.LDAPResultNoSuchObject)
}

// missingBase makes of the error for a new entry one for the entry above it.
func missingBase(err error, l *layout) error {
	var answer *goldap.Error
	if errors.As(err, &answer) && answer.ResultCode == goldap.LDAPResultNoSuchObject {
		return fmt.Errorf("%w (new entries are made below %s)", err, l.base)
	}
	return err
}

// after reads an entry that has just been written, and judges it.
func (w *work) after(ctx context.Context, l *layout, c providers.Change, dn string) (*entry, error) {
	now, err := w.reread(ctx, l, c.Resource.Key, dn)
	if err != nil {
		return nil, fmt.Errorf("it was sent, and what became of it cannot be read: %w", err)
	}
	if now == nil || !same(c.Resource.Attrs, now.attrs) {
		return nil, fmt.Errorf("the directory has taken it, and the entry %s is not as it was sent, or cannot be seen as it is: somebody else changes it too, or bind_dn may not read all that it writes", dn)
	}
	return now, nil
}

// reread reads an entry by its name; nil: it is not there, or none of the kind.
func (w *work) reread(ctx context.Context, l *layout, key, dn string) (*entry, error) {
	found, err := w.c.entry(ctx, dn, l.asked())
	if err != nil || found == nil {
		return nil, err
	}
	e := l.read(found, func(k string) bool { return k == key })
	if e == nil || e.key != key || !containsFold(e.get("objectClass"), l.mapping.classes[0]) {
		return nil, nil
	}
	return e, nil
}

// is reports whether an entry still is what a plan saw.
func (e *entry) is(prior *providers.Observed, kind, lineage string) bool {
	if prior == nil {
		return false
	}
	now := e.observed(kind, lineage)
	return prior.Revision == now.Revision ||
		prior.Owner == now.Owner && prior.Origin == now.Origin && prior.Attrs != cty.NilVal && same(prior.Attrs, now.Attrs)
}
