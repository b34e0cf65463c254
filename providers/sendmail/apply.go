package sendmail

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/move"
	"github.com/mailform/mailform/providers/host/service"
	"github.com/mailform/mailform/schema"
)

// kinds are those that Sendmail holds.
var kinds = []string{schema.KindSetting, schema.KindDelivery, schema.KindListener, schema.KindFilter, schema.KindParameter, schema.KindLocation, schema.KindService,
	schema.KindLookup, schema.KindSmarthost, schema.KindMailDomain, schema.KindRecipient, schema.KindRoute}

// serviceKey is the key of the one service.
const serviceKey = "sendmail"

// Apply implements providers.Provider. A batch is done as a whole: where one change
// is refused, or Sendmail refuses what comes of all, nothing of it is done.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if len(batch) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	if err := p.finish(ctx); err != nil {
		return err
	}
	batch = move.Uncounted(batch)
	was, err := p.load(ctx)
	if err != nil {
		return err
	}
	next := was.clone()
	errs := make([]error, len(batch))
	refused := false
	serve := was.running
	seen := was.index()
	was.place(batch, seen)
	if err := was.seeForeign(ctx, batch, seen); err != nil {
		return err
	}
	for i, c := range batch {
		errs[i] = next.change(c, seen)
		refused = refused || errs[i] != nil
		if c.Resource.Kind == schema.KindService && errs[i] == nil {
			serve = c.Action != providers.Delete
		}
	}
	if !refused {
		err := error(nil)
		if leaves(batch) {
			err = p.drain(ctx, was)
		}
		if err == nil {
			err = p.commit(ctx, was, next, serve, yields(batch))
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			for i := range errs {
				errs[i] = err
			}
			refused = true
		} else if was, err = p.load(ctx); err != nil {
			return err
		}
	}
	now := was.index()
	for i, c := range batch {
		var o providers.Observed
		switch have := now[schema.ID{Kind: c.Resource.Kind, Key: c.Resource.Key}]; {
		case errs[i] != nil:
		case refused:
			errs[i] = errors.New("not done, as another change of its batch was refused")
		case c.Action == providers.Delete:
		case have == nil:
			errs[i] = errors.New("Sendmail has not taken it over")
		default:
			o = *have
		}
		if err := done(c, o, errs[i]); err != nil {
			return err
		}
	}
	return nil
}

// index is what there is, by identity.
func (w *world) index() map[schema.ID]*providers.Observed {
	list := w.observed()
	m := make(map[schema.ID]*providers.Observed, len(list))
	for i := range list {
		m[schema.ID{Kind: list[i].Kind, Key: list[i].Key}] = &list[i]
	}
	return m
}

// change makes one change, in memory. seen is what there is by now.
func (w *world) change(c providers.Change, seen map[schema.ID]*providers.Observed) error {
	r := &c.Resource
	if !slices.Contains(kinds, r.Kind) {
		return fmt.Errorf("Sendmail holds no %q", r.Kind)
	}
	var a attrs
	if c.Action != providers.Delete {
		var err error
		if a, err = attributes.Check(r.Kind, r.Attrs); err != nil {
			return err
		}
		if err := w.p.judgeResource(r.Kind, r.Key, a); err != nil {
			return err
		}
	}
	id := schema.ID{Kind: r.Kind, Key: r.Key}
	have := seen[id]
	asWanted := have != nil && c.Action != providers.Delete && have.Owner == r.Address && have.Attrs.RawEquals(r.Attrs)
	switch {
	case c.Action == providers.Delete && have == nil:
		delete(w.ledger, id) // it may be half there
		return nil
	case c.Action == providers.Create && (c.Prior == nil || c.Prior.Retained):
		if asWanted {
			return nil
		}
		if have != nil {
			return fmt.Errorf("it is there already: %w", providers.ErrConflict)
		}
	case have == nil || c.Prior == nil || have.Revision != c.Prior.Revision:
		if asWanted && c.Action == providers.Update {
			return nil
		}
		return providers.ErrConflict
	}
	if c.Action == providers.Delete {
		delete(w.ledger, id)
		delete(seen, id)
		switch r.Kind {
		case schema.KindRecipient:
			delete(w.users, r.Key)
		case schema.KindLookup:
			w.lookup = nil
		}
		return nil
	}
	revision := rand.Text()[:10]
	h, err := newHolding(r, a, w.p.lineage, revision)
	if err != nil {
		return err
	}
	w.ledger[id] = h
	if r.Kind == schema.KindLookup {
		if w.lookup, err = checkLookup(r.Key, a); err != nil {
			return err
		}
		if len(w.ledger.all(schema.KindLookup)) > 1 {
			return errors.New("owner: one Sendmail finds its users in one directory")
		}
	}
	if r.Kind == schema.KindRecipient {
		delete(w.users, r.Key)
		if v := a.Strings("password_hash"); len(v) > 0 {
			w.users[r.Key] = authd.User{Address: r.Key, Verifiers: v}
		}
	}
	o := h.observe(w.p.lineage, a)
	seen[id] = &o
	return nil
}

// judgeResource looks whether Sendmail can hold a resource. The error begins with
// the attribute.
func (p *Provider) judgeResource(kind, key string, a attrs) error {
	var err error
	switch kind {
	case schema.KindSetting:
		_, err = settingOptions(a, p.own())
	case schema.KindDelivery:
		_, err = p.deliveryLines(a, "hash", nil)
	case schema.KindLookup:
		_, err = checkLookup(key, a)
	case schema.KindListener:
		_, err = listenerOptions(a)
	case schema.KindFilter:
		_, err = filterLine(1, a)
	case schema.KindParameter:
		if a.Str("name") != key {
			return fmt.Errorf("name: it is not %q", key)
		}
		_, err = parameterOption(a)
	case schema.KindLocation:
		_, err = locationOption(key, a)
	case schema.KindService:
		if key != serviceKey || a.Str("name") != key {
			err = fmt.Errorf("name: the service is called %q", serviceKey)
		}
	case schema.KindMailDomain:
		if name, perr := schema.ParseDomainName(key); perr != nil || name != key || a.Str("name") != key {
			err = fmt.Errorf("name: %q is no domain name", key)
		}
	default:
		err = newRows().addRows(kind, key, a)
	}
	return err
}

// finish goes on with a change of the configuration that was killed.
func (p *Provider) finish(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	t := host.Trial{Host: p.on, Note: p.notePath(), Accept: p.accept}
	if err := t.Finish(ctx); err != nil {
		return err
	}
	return p.finishMove(ctx)
}

// accept has Sendmail check its configuration and, if it runs, read it again.
func (p *Provider) accept(ctx context.Context) error {
	files, err := p.on.Read(ctx, p.cf)
	if err != nil {
		return err
	}
	if !files[0].Exists {
		return nil // as it was before mailform came
	}
	c := host.Cmd(p.program("sendmail"), "-C", p.cf, "-bt")
	if _, err := host.Must(ctx, p.on, c); err != nil {
		return err
	}
	pidFile := effective(string(files[0].Content))["pidfile"]
	if pidFile == "" {
		pidFile = "/var/run/sendmail.pid"
	}
	queueOnly, err := p.runsQueueOnly(ctx, pidFile)
	if err != nil {
		return err
	}
	if queueOnly {
		return p.renew(ctx, pidFile, p.runner(pidFile))
	}
	return p.renew(ctx, pidFile, p.daemon(pidFile))
}

// comingBack is how long Sendmail may take to read its configuration again.
const comingBack = 30 * time.Second

// renew has Sendmail read its configuration again, if it runs: it begins anew, as
// another process, and what is under way goes on in others.
func (p *Provider) renew(ctx context.Context, pidFile string, s *service.Service) error {
	running, err := s.Running(ctx)
	if err != nil || !running {
		return err
	}
	before, err := p.on.Read(ctx, pidFile)
	if err != nil {
		return err
	}
	if err := s.Renew(ctx); err != nil || s.Unit != "" {
		return err
	}
	for deadline := time.Now().Add(comingBack); ; {
		now, err := p.on.Read(ctx, pidFile)
		if err != nil {
			return err
		}
		if alive, err := p.alive(ctx, pidFile); err == nil && alive && !bytes.Equal(now[0].Content, before[0].Content) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("within %s Sendmail did not come back after it was told to read its configuration again; its log says why", comingBack)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
