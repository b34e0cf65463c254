package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Keys of the locations: the store has everything but the index for searches.
const (
	storageKey = "storage"
	indexKey   = "index"
)

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
				Detail: "The store of a server on another machine is not moved by mailform, nor is its search index: they lie in data_dir."})
		}
	}
	return list
}

// located puts into what is observed where the store and its index really lie, if
// anybody says where they are to lie.
func (p *Provider) located(ctx context.Context, scope providers.Scope, list []providers.Observed) ([]providers.Observed, error) {
	if _, ok := p.reading.(here); !ok {
		return list, nil
	}
	there := len(list) > 0
	for _, key := range []string{storageKey, indexKey} {
		at, to := -1, ""
		for i := range list {
			if list[i].Kind == schema.KindLocation && list[i].Key == key {
				at = i
			}
		}
		for i := range scope.Wanted {
			if r := &scope.Wanted[i]; r.Kind == schema.KindLocation && r.Key == key && r.Attrs.GetAttr("path").IsKnown() {
				v, _ := r.Attrs.GetAttr("path").Unmark()
				to = v.AsString()
			}
		}
		if at < 0 && (to == "" || !there) {
			continue
		}
		attrs, err := p.whereabouts(ctx, key, to)
		if err != nil {
			return nil, err
		}
		if at < 0 {
			at = len(list)
			list = append(list, providers.Observed{Kind: schema.KindLocation, Key: key, Revision: unstated})
		}
		list[at].Attrs = attrs
	}
	return list, nil
}

// whereabouts are the attributes of where something lies that may be moved to another
// directory, if that is not empty.
func (p *Provider) whereabouts(ctx context.Context, key, to string) (cty.Value, error) {
	locate, room := store.Location, store.Room
	if key == indexKey {
		locate, room = fulltext.Location, func(dir, to string) (int64, int64, error) {
			size, err := fulltext.Size(dir)
			if err != nil {
				return 0, 0, err
			}
			free, err := store.Free(to)
			return size, free, err
		}
	}
	is, err := locate(p.dataDir)
	if err != nil {
		return cty.NilVal, err
	}
	if to == "" {
		to = is
	}
	size, free, err := room(p.dataDir, to)
	if err != nil {
		return cty.NilVal, fmt.Errorf("look for room for the %s: %w", key, err)
	}
	messages := cty.NullVal(cty.Number)
	if key == storageKey {
		if st, err := p.reading.client().Status(ctx); err == nil {
			messages = cty.NumberIntVal(st.Messages)
		}
	}
	return schema.KindByName(schema.KindLocation).Object(map[string]cty.Value{
		"content": cty.StringVal(key), "path": cty.StringVal(is), "messages": messages,
		"bytes": cty.NumberIntVal(size), "free": cty.NumberIntVal(free),
	}), nil
}

// move has the store or its index lie in another directory.
func (p *Provider) move(ctx context.Context, key, to string) error {
	at, ok := p.place.(here)
	if !ok {
		return errors.New("the store of a server on another machine is not moved")
	}
	if key == indexKey {
		return moveIndex(ctx, at, to)
	}
	return moveStore(ctx, at, to)
}

// moveIndex moves the index while the daemon stands still. It is nothing that could
// not be made anew, so that whatever is wrong with it is mended by the daemon.
func moveIndex(ctx context.Context, at here, to string) error {
	is, err := fulltext.Location(at.dataDir)
	if err != nil || is == to {
		return err
	}
	_, err = at.client().Version(ctx)
	if errors.Is(err, admin.ErrNotRunning) {
		return fulltext.MoveTo(at.dataDir, to)
	}
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // from here on it is finished, or taken back
	if err := at.stop(ctx); err != nil {
		return err
	}
	return errors.Join(fulltext.MoveTo(at.dataDir, to), at.start(ctx))
}

// moveStore has the store lie in another directory. Most of it is copied while the
// daemon runs; it is stopped for the rest and started in the new place. Where that
// cannot be, it goes on in the old one.
func moveStore(ctx context.Context, at here, to string) error {
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
