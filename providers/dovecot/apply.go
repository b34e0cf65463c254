package dovecot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host/certificate"
	"github.com/mailform/mailform/schema"
)

func certificateFile(dir string) string { return certificate.Paths(dir).Certificate }

// Apply implements providers.Provider. A batch is all there or nothing of it: its
// files are put in their places together, and back where Dovecot refuses them.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.trial(&state{tree: newTree()}).Finish(ctx); err != nil {
		return err
	}
	if len(batch) > 1 && batch[0].Resource.Kind == schema.KindLocation { // one is moved after the other
		one := slices.Clone(batch)
		slices.SortStableFunc(one, func(a, b providers.Change) int { return strings.Compare(b.Resource.Key, a.Resource.Key) }) // the mail first
		for i := range one {
			if err := p.Apply(ctx, one[i:i+1], done); err != nil {
				return err
			}
		}
		return nil
	}
	if err := p.finishMove(ctx, batch); err != nil {
		return err
	}
	st, err := p.load(ctx)
	if err != nil {
		return err
	}
	if !st.main.Exists {
		return fmt.Errorf("there is no %s: install Dovecot first, or set config_dir", p.mainFile())
	}
	touched := make(map[schema.ID]bool, len(batch))
	for i := range batch {
		touched[schema.ID{Kind: batch[i].Resource.Kind, Key: batch[i].Resource.Key}] = true
	}
	asked := func(kind, key string) bool { return touched[schema.ID{Kind: kind, Key: key}] }
	before := map[schema.ID]providers.Observed{}
	for _, o := range p.observe(st, asked) {
		before[schema.ID{Kind: o.Kind, Key: o.Key}] = o
	}
	for _, id := range []schema.ID{storageID, indexID} {
		if _, marked := before[id]; touched[id] && !marked {
			before[id] = p.unstated(st, id)
		}
	}
	e := &edit{p: p, st: st, scripts: map[string]string{}, users: map[string]bool{}}
	errs := make([]error, len(batch))
	failed := false
	for i := range batch {
		errs[i] = e.change(&batch[i], before)
		failed = failed || errs[i] != nil
	}
	if !failed {
		var wrong scriptError
		if err := e.putScripts(ctx); errors.As(err, &wrong) {
			failed = true
			for i := range batch {
				errs[i] = wrong.of(&batch[i].Resource)
			}
		} else if err != nil {
			return err
		}
	}
	if failed { // nothing of it is done
		for i := range batch {
			if errs[i] == nil {
				errs[i] = errors.New("another change of the batch could not be made")
			}
			if err := done(batch[i], providers.Observed{}, errs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := e.write(ctx); err != nil {
		return err
	}
	now, err := p.load(ctx)
	if err != nil {
		return err
	}
	after := map[schema.ID]providers.Observed{}
	for _, o := range p.observe(now, asked) {
		after[schema.ID{Kind: o.Kind, Key: o.Key}] = o
	}
	for _, c := range batch {
		if err := done(c, after[schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}], nil); err != nil {
			return err
		}
	}
	return nil
}

// An edit is a batch on its way into the files.
type edit struct {
	p  *Provider
	st *state
	// touched: the settings are written anew.
	touched bool
	start   bool
	stop    bool
	// accept has Dovecot take over what is written, where that is more than telling it to.
	accept func(context.Context) error
	purge  []string        // addresses whose mail goes for good
	added  string          // the last of those who were not there before
	users  map[string]bool // addresses of all that the batch is about
	// scripts of users that are wanted, by their names.
	scripts map[string]string
}

// change takes in a change. before is what there was at the beginning of the
// batch, and is kept up.
func (e *edit) change(c *providers.Change, before map[schema.ID]providers.Observed) error {
	id := schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}
	have, there := before[id]
	there = there && !have.Retained
	if c.Action == providers.Delete {
		switch {
		case !handles(id.Kind):
			return unknownKind(id.Kind)
		case !there:
			return nil // as it should be
		case c.Prior != nil && c.Prior.Revision != have.Revision:
			return providers.ErrConflict
		}
		delete(before, id)
		return e.remove(id)
	}
	w, err := read(&c.Resource)
	if err != nil {
		return err
	}
	same := there && have.Owner == c.Resource.Address && w.is(have.Attrs)
	switch {
	case same && (c.Prior == nil || c.Prior.Revision != have.Revision):
		return nil // it was done already
	case c.Prior == nil || c.Prior.Retained:
		if there {
			return providers.ErrConflict
		}
	case !there || c.Prior.Revision != have.Revision:
		return providers.ErrConflict
	}
	if err := e.put(w, c.Resource.Address); err != nil {
		return err
	}
	before[id] = providers.Observed{Kind: id.Kind, Key: id.Key, Owner: c.Resource.Address, Attrs: c.Resource.Attrs, Revision: "new"}
	return nil
}

func (e *edit) put(w *wanted, owner string) error {
	if w.kind == schema.KindMailbox {
		return e.putUser(w, owner)
	}
	id := schema.ID{Kind: w.kind, Key: w.key}
	e.st.settings.gen++
	m := mark{Kind: w.kind, Key: w.key, Owner: owner, Lineage: e.p.lineage, Gen: e.st.settings.gen}
	e.touched = true
	switch w.kind {
	case schema.KindMailStore:
		m.Retention = w.store.retention
		for other := range e.st.settings.marks {
			if other.Kind == w.kind && other.Key != w.key {
				return fmt.Errorf("this Dovecot keeps the mail of the server %s already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.store = w.store
	case schema.KindListener:
		for other := range e.st.settings.marks {
			_, service := splitListener(other.Key)
			if other.Kind == w.kind && other.Key != w.key && service == w.service {
				return fmt.Errorf("this Dovecot listens for %s already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.listeners[w.service] = w.listener
		m.Hostname = w.hostname
	case schema.KindLookup:
		for other := range e.st.settings.marks {
			if other.Kind == w.kind && other.Key != w.key {
				return fmt.Errorf("this Dovecot finds the users of the server %s already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.lookup, m.Lookup = w.lookup, declared(*w.lookup)
	case schema.KindSubmission:
		for other := range e.st.settings.marks {
			if other.Kind == w.kind && other.Key != w.key {
				return fmt.Errorf("this Dovecot hands on what users of the server %s submit already; each server needs a Dovecot of its own", other.Key)
			}
		}
		e.st.settings.relay, m.Relay = w.relay, w.relay
	case schema.KindParameter:
		m.Value = w.value
	case schema.KindLocation:
		if w.key == indexKey {
			if e.st.settings.index = w.place; w.place == e.p.mailDirOf(e.st.settings) {
				e.st.settings.index = ""
			}
			break
		}
		if e.st.settings.place = w.place; w.place == e.p.mailDir {
			e.st.settings.place = ""
		}
	case schema.KindService:
		e.start, e.stop = true, false
	}
	e.st.settings.marks[id] = m
	return nil
}

func (e *edit) putUser(w *wanted, owner string) error {
	u := w.user
	e.users[u.address] = true
	if u.script != "" {
		e.scripts[u.script] = w.script
	}
	u.note.User, u.note.Owner, u.note.Lineage = u.address, owner, e.p.lineage
	f := e.st.list
	i, there := f.find(u.address)
	if there {
		u.unix, u.extra = f.users[i].unix, f.users[i].extra
	} else if !strings.ContainsAny(u.address, "*?") { // which doveadm takes for any
		e.added = u.address
	}
	f.gen++
	u.note.Gen = f.gen
	f.put(u)
	for _, service := range logins {
		denied := w.mail == "disabled" || (service == "imap" || service == "sieve") && !slices.Contains(w.protocols, "imap") || service == "pop3" && !slices.Contains(w.protocols, "pop3")
		if denied {
			e.st.denied[service][u.address] = true
		} else {
			delete(e.st.denied[service], u.address)
		}
	}
	return nil
}

func (e *edit) remove(id schema.ID) error {
	if id.Kind == schema.KindMailbox {
		f := e.st.list
		i, there := f.find(id.Key)
		if !there {
			return nil
		}
		e.users[id.Key] = true
		quota := f.users[i].quota
		f.remove(id.Key)
		f.gen++
		for _, service := range logins {
			delete(e.st.denied[service], id.Key)
		}
		if keep := e.st.settings.store.retention; keep > 0 {
			f.retained = append(f.retained, retained{id.Key, e.p.Now().UTC().Truncate(1e9).Add(seconds(keep)), quota})
		} else {
			e.purge = append(e.purge, id.Key)
		}
		return nil
	}
	e.touched = true
	e.st.settings.gen++
	delete(e.st.settings.marks, id)
	switch id.Kind {
	case schema.KindMailStore:
		e.st.settings.store = mailstore{}
	case schema.KindLookup:
		e.st.settings.lookup = nil
	case schema.KindSubmission:
		e.st.settings.relay = ""
	case schema.KindListener:
		_, service := splitListener(id.Key)
		e.st.settings.listeners[service] = listener{}
	case schema.KindService:
		e.start, e.stop = false, true
	}
	return nil
}
