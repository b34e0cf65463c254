package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// storageKey is the key of the one location: the store has everything.
const storageKey = "storage"

// unstated is the revision of a location that nothing was said of yet.
const unstated = "unstated"

// unmoved are the locations of a server on another machine.
func (p *Provider) unmoved(wanted []schema.Resource) []providers.Problem {
	if _, ok := p.place.(here); ok {
		return nil
	}
	var list []providers.Problem
	for i := range wanted {
		if r := &wanted[i]; r.Kind == schema.KindLocation {
			list = append(list, providers.Problem{Address: r.Address, Attribute: "path",
				Detail: "The store of a server on another machine is not moved by mailform: it lies in data_dir."})
		}
	}
	return list
}

// located puts into what is observed where the store really lies, if anybody says
// where it is to lie.
func (p *Provider) located(ctx context.Context, scope providers.Scope, list []providers.Observed) ([]providers.Observed, error) {
	if _, ok := p.reading.(here); !ok {
		return list, nil
	}
	at, to := -1, ""
	for i := range list {
		if list[i].Kind == schema.KindLocation {
			at = i
		}
	}
	for i := range scope.Wanted {
		if r := &scope.Wanted[i]; r.Kind == schema.KindLocation && r.Attrs.GetAttr("path").IsKnown() {
			v, _ := r.Attrs.GetAttr("path").Unmark()
			to = v.AsString()
		}
	}
	if at < 0 && (to == "" || len(list) == 0) {
		return list, nil
	}
	is, err := store.Location(p.dataDir)
	if err != nil {
		return nil, err
	}
	if to == "" {
		to = is
	}
	size, free, err := store.Room(p.dataDir, to)
	if err != nil {
		return nil, fmt.Errorf("look for room for the store: %w", err)
	}
	messages := cty.NullVal(cty.Number)
	if st, err := p.reading.client().Status(ctx); err == nil {
		messages = cty.NumberIntVal(st.Messages)
	}
	if at < 0 {
		at = len(list)
		list = append(list, providers.Observed{Kind: schema.KindLocation, Key: storageKey, Revision: unstated})
	}
	list[at].Attrs = schema.KindByName(schema.KindLocation).Object(map[string]cty.Value{
		"content": cty.StringVal(storageKey), "path": cty.StringVal(is), "messages": messages,
		"bytes": cty.NumberIntVal(size), "free": cty.NumberIntVal(free),
	})
	return list, nil
}

// move has the store lie in another directory. Most of it is copied while the daemon
// runs; it is stopped for the rest and started in the new place. Where that cannot
// be, it goes on in the old one.
func (p *Provider) move(ctx context.Context, to string) error {
	at, ok := p.place.(here)
	if !ok {
		return errors.New("the store of a server on another machine is not moved")
	}
	is, err := store.Location(at.dataDir)
	if err != nil || is == to {
		return err
	}
	if err := store.CopyTo(at.dataDir, to); err != nil {
		return fmt.Errorf("copy the store to %s: %w", to, err)
	}
	_, err = at.client().Version(ctx)
	if errors.Is(err, admin.ErrNotRunning) {
		return store.MoveTo(ctx, at.dataDir, to)
	}
	if err != nil {
		return err
	}
	// From here on it is finished, or taken back.
	ctx = context.WithoutCancel(ctx)
	if err := at.stop(ctx); err != nil {
		return err
	}
	if err := store.MoveTo(ctx, at.dataDir, to); err != nil {
		return errors.Join(err, at.start(ctx))
	}
	if err := at.start(ctx); err != nil {
		err = fmt.Errorf("start the daemon with the store in %s: %w", to, err)
		back, berr := store.MoveBack(at.dataDir)
		if back && berr == nil {
			berr = at.start(ctx)
		}
		return errors.Join(err, berr)
	}
	return nil
}
