package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/attrjson"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// encodeAttrs writes what is declared: known values that are not computed. Its
// errors name the attribute and never quote the value.
func encodeAttrs(kind *schema.Kind, attrs cty.Value) (json.RawMessage, error) {
	attrs, _ = attrs.UnmarkDeep()
	if attrs == cty.NilVal || attrs.IsNull() || !attrs.IsKnown() || !attrs.Type().IsObjectType() {
		return nil, errors.New("there are no attributes")
	}
	fields := make(map[string]json.RawMessage, len(kind.Attributes))
	for _, a := range kind.Attributes {
		if a.Computed {
			continue
		}
		if !attrs.Type().HasAttribute(a.Name) || !attrs.Type().AttributeType(a.Name).Equals(a.Type) {
			return nil, fmt.Errorf("%s is not a %s", a.Name, a.Type.FriendlyName())
		}
		v := attrs.GetAttr(a.Name)
		if !v.IsWhollyKnown() {
			return nil, fmt.Errorf("%s is not known yet", a.Name)
		}
		if v.IsNull() {
			continue
		}
		b, err := ctyjson.Marshal(v, a.Type)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", a.Name, err)
		}
		fields[a.Name] = b
	}
	return json.Marshal(fields)
}

// Apply implements providers.Provider. A batch is one transaction in the store;
// the process is started before it and stopped after it. Where one of the three
// fails, what comes after it is not tried.
func (p *Provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	var starts, stored, stops []providers.Change
	for _, c := range batch {
		switch {
		case c.Resource.Kind != schema.KindProcess:
			stored = append(stored, c)
		case c.Action == providers.Delete:
			stops = append(stops, c)
		default:
			starts = append(starts, c)
		}
	}
	var before error // what failed before
	for _, step := range []struct {
		changes []providers.Change
		run     func(context.Context, []providers.Change) ([]providers.Observed, error)
	}{{starts, p.start}, {stored, p.store}, {stops, p.stop}} {
		if len(step.changes) == 0 {
			continue
		}
		if before != nil {
			if err := failAll(step.changes, before, done); err != nil {
				return err
			}
			continue
		}
		observed, err := step.run(ctx, step.changes)
		if err != nil {
			before = fmt.Errorf("%w, because of what came before it in the batch", errNotDone)
			if err := failAll(step.changes, err, done); err != nil {
				return err
			}
			continue
		}
		for i, c := range step.changes {
			if err := done(c, observed[i], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// start makes the process run, as this version.
func (p *Provider) start(ctx context.Context, changes []providers.Change) ([]providers.Observed, error) {
	observed := make([]providers.Observed, len(changes))
	for i, c := range changes {
		if c.Resource.Key != p.key {
			return nil, fmt.Errorf("the data directory %s is not %s, which this provider is set up for", c.Resource.Key, p.key)
		}
		if err := p.ensureRunning(ctx); err != nil {
			return nil, err
		}
		observed[i] = p.process(providers.Scope{Wanted: []schema.Resource{c.Resource}}, true, p.Version)
	}
	return observed, nil
}

// stop ends the process, unless it serves others too: what is left in the store
// by then and listens on the network is not ours.
func (p *Provider) stop(ctx context.Context, changes []providers.Change) ([]providers.Observed, error) {
	observed := make([]providers.Observed, len(changes))
	for i, c := range changes {
		observed[i] = gone(c)
	}
	handedOver := slices.ContainsFunc(changes, func(c providers.Change) bool { return c.HandedOver })
	live, err := p.place.client().Resources(ctx)
	if errors.Is(err, admin.ErrNotRunning) {
		if !handedOver {
			return observed, nil
		}
		// What lies in its queue does not wait for a start that never comes.
		if err := p.drain(ctx); err != nil {
			return nil, err
		}
		return observed, p.place.stop(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("stop the daemon: %w", err)
	}
	for _, r := range live.Resources {
		if r.Kind == schema.KindListener && r.Lineage != p.lineage {
			return observed, nil
		}
	}
	if handedOver {
		if err := p.drain(ctx); err != nil {
			return nil, err
		}
	}
	return observed, p.place.stop(ctx)
}

// store carries out changes of what the store keeps.
func (p *Provider) store(ctx context.Context, batch []providers.Change) ([]providers.Observed, error) {
	changes := make([]admin.Change, len(batch))
	for i, c := range batch {
		if c.Resource.Kind == schema.KindLocation && c.Action != providers.Delete {
			if err := p.move(ctx, c.Resource.Key, c.Resource.Attrs.GetAttr("path").AsString()); err != nil {
				return nil, &admin.Error{Code: "internal", Kind: c.Resource.Kind, Key: c.Resource.Key, Message: err.Error()}
			}
		}
		ac, err := p.adminChange(c)
		if err != nil {
			return nil, &admin.Error{Code: "invalid", Kind: c.Resource.Kind, Key: c.Resource.Key, Message: err.Error()}
		}
		changes[i] = ac
	}
	results, err := p.send(ctx, changes)
	if err != nil {
		return nil, refusal(err)
	}
	observed := make([]providers.Observed, len(batch))
	var attrs attrjson.Reader
	for i, c := range batch {
		if c.Action == providers.Delete {
			observed[i] = gone(c)
			continue
		}
		if observed[i], err = p.observed(&results[i], &attrs); err != nil {
			return nil, err
		}
	}
	return observed, nil
}

// gone is what a deletion leaves.
func gone(c providers.Change) providers.Observed {
	return providers.Observed{Kind: c.Resource.Kind, Key: c.Resource.Key}
}

func (p *Provider) adminChange(c providers.Change) (admin.Change, error) {
	kind := schema.KindByName(c.Resource.Kind)
	if kind == nil {
		return admin.Change{}, fmt.Errorf("the embedded provider keeps no %q", c.Resource.Kind)
	}
	ac := admin.Change{
		Action: string(c.Action), Kind: c.Resource.Kind, Key: c.Resource.Key,
		Owner: c.Resource.Address, Lineage: p.lineage,
	}
	if c.Prior != nil && !c.Prior.Retained {
		if ac.Revision = c.Prior.Revision; ac.Revision == unstated {
			ac.Action, ac.Revision = string(providers.Create), ""
		}
	}
	if c.Action == providers.Delete {
		return ac, nil
	}
	var err error
	ac.Attrs, err = encodeAttrs(kind, c.Resource.Attrs)
	return ac, err
}

// send hands the changes to the daemon, or to the store where no daemon runs. A
// daemon that is starting has the store before it answers: that is waited for.
func (p *Provider) send(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	for deadline := time.Now().Add(lockTimeout); ; {
		res, err := p.place.client().Apply(ctx, admin.ApplyRequest{Changes: changes})
		if err == nil && len(res.Resources) != len(changes) {
			return nil, fmt.Errorf("the daemon of %s answered %d changes with %d results", p.key, len(changes), len(res.Resources))
		}
		if err == nil {
			return res.Resources, nil
		}
		if !errors.Is(err, admin.ErrNotRunning) {
			return nil, err
		}
		rs, err := p.place.applyLying(ctx, changes)
		if !errors.Is(err, store.ErrLocked) || time.Now().After(deadline) {
			return rs, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// failAll reports a refused batch: nothing of it was done. The change that was
// the reason gets the reason, the others say that they were not tried.
func failAll(batch []providers.Change, err error, done func(providers.Change, providers.Observed, error) error) error {
	var ae *admin.Error
	for _, c := range batch {
		reason := err
		if errors.As(err, &ae) && ae.Key != "" && (ae.Kind != c.Resource.Kind || ae.Key != c.Resource.Key) {
			reason = fmt.Errorf("%w: another change of the batch was refused: %s", errNotDone, ae.Error())
		}
		if derr := done(c, providers.Observed{}, reason); derr != nil {
			return derr
		}
	}
	return nil
}

var errNotDone = errors.New("not done")

// refusal makes the daemon's answer one that the engine can tell.
func refusal(err error) error {
	var ae *admin.Error
	if errors.As(err, &ae) && ae.Code == "conflict" {
		return fmt.Errorf("%w: %w", providers.ErrConflict, err)
	}
	return err
}
