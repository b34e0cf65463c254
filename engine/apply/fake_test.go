package apply_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A system is a live system in memory, and its provider. Every change gets a
// revision of its own; keys of DKIM keys are born in it.
type system struct {
	target string
	things map[schema.ID]providers.Observed
	next   int
	// refuse makes changes of a key fail.
	refuse map[string]error
	// cut ends a batch with an error before its n-th change; 0: never.
	cut int
	// mute leaves changes of a key unreported, spoil lets them end otherwise
	// than they were wanted.
	mute, spoil map[string]bool
	// before is called with each batch.
	before func([]providers.Change)
}

func newSystem(target string) *system {
	return &system{target: target, things: map[schema.ID]providers.Observed{}, refuse: map[string]error{}, mute: map[string]bool{}, spoil: map[string]bool{}}
}

func (s *system) Configure(context.Context, providers.Config) hcl.Diagnostics { return nil }

func (s *system) Read(context.Context, providers.Scope) ([]providers.Observed, error) {
	var out []providers.Observed
	for _, o := range s.things {
		out = append(out, o)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Kind+out[i].Key < out[j].Kind+out[j].Key })
	return out, nil
}

var errCut = errors.New("the connection was cut")

func (s *system) Apply(_ context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if s.before != nil {
		s.before(batch)
	}
	for n, c := range batch {
		if s.cut > 0 && n+1 == s.cut {
			return errCut
		}
		o, err := s.do(c)
		if s.mute[c.Resource.Key] {
			continue
		}
		if err := done(c, o, err); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) do(c providers.Change) (providers.Observed, error) {
	if err := s.refuse[c.Resource.Key]; err != nil {
		return providers.Observed{}, err
	}
	id := c.Resource.ID()
	have, there := s.things[id]
	if there != (c.Prior != nil && !c.Prior.Retained) || there && have.Revision != c.Prior.Revision {
		return providers.Observed{}, fmt.Errorf("%s: %w", c.Resource.Key, providers.ErrConflict)
	}
	if c.Action == providers.Delete {
		delete(s.things, id)
		return providers.Observed{}, nil
	}
	vals := c.Resource.Attrs.AsValueMap()
	if c.Resource.Kind == schema.KindDKIMKey && !vals["txt"].IsKnown() {
		vals["txt"] = cty.StringVal(fmt.Sprintf("v=DKIM1; p=KEY%d", s.next))
	}
	if s.spoil[c.Resource.Key] {
		vals["ttl"] = cty.NumberIntVal(1)
	}
	if !cty.ObjectVal(vals).IsWhollyKnown() {
		return providers.Observed{}, errors.New("told to write what is not known")
	}
	s.next++
	o := providers.Observed{Kind: id.Kind, Key: id.Key, Attrs: cty.ObjectVal(vals), Owner: c.Resource.Address, Revision: fmt.Sprint(s.next)}
	s.things[id] = o
	return o, nil
}

// A bench is some systems, a state and a configuration.
type bench struct {
	t       *testing.T
	systems map[string]*system
	backend *memory
	// desired is what the configuration says once all keys are born: a value
	// that starts with "$" stands for the text of the key with that address.
	desired []schema.Resource
	saved   bool
	events  []string
}

func newBench(t *testing.T, targets ...string) *bench {
	b := &bench{t: t, systems: map[string]*system{}, backend: &memory{state: state.State{Resources: map[schema.ID]*state.Resource{}}}}
	for _, target := range targets {
		b.systems[target] = newSystem(target)
	}
	return b
}

// expand is the configuration with what is known.
func (b *bench) expand(known map[schema.ID]cty.Value) []schema.Resource {
	byAddress := map[string]*schema.Resource{}
	for i := range b.desired {
		byAddress[b.desired[i].Address] = &b.desired[i]
	}
	out := make([]schema.Resource, len(b.desired))
	for i, r := range b.desired {
		if r.Kind == schema.KindRRset {
			vals := r.Attrs.AsValueMap()
			var elems []cty.Value
			for _, e := range vals["values"].AsValueSlice() {
				if source, ok := strings.CutPrefix(e.AsString(), "$"); ok {
					e = cty.UnknownVal(cty.String)
					key := byAddress[source]
					if have, ok := known[key.ID()]; ok && !plan.Reborn(key, have) {
						e = have.GetAttr("txt")
					}
				}
				elems = append(elems, e)
			}
			vals["values"] = cty.ListVal(elems)
			r.Attrs = cty.ObjectVal(vals)
		}
		out[i] = r
	}
	return out
}

func (b *bench) plan(mode plan.Mode) *plan.Plan {
	b.t.Helper()
	observed := map[string][]providers.Observed{}
	known := map[schema.ID]cty.Value{}
	for target, s := range b.systems {
		observed[target], _ = s.Read(b.t.Context(), providers.Scope{})
		for id, o := range s.things {
			known[id] = o.Attrs
		}
	}
	prior, err := b.backend.Load(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	p, diags := plan.Make(plan.Input{Desired: b.expand(known), Observed: observed, Prior: prior, Mode: mode})
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return p
}

func (b *bench) run(ctx context.Context, p *plan.Plan) (apply.Summary, hcl.Diagnostics) {
	ps := map[string]providers.Provider{}
	for target, s := range b.systems {
		ps[target] = s
	}
	b.events = nil
	return apply.Run(ctx, apply.Options{
		Plan: p, Backend: b.backend, Providers: ps, Observer: b, Saved: b.saved,
		Resolve: func(known map[schema.ID]cty.Value) (map[string]schema.Resource, hcl.Diagnostics) {
			out := map[string]schema.Resource{}
			for _, r := range b.expand(known) {
				out[r.Address] = r
			}
			return out, nil
		},
	})
}

// apply plans and applies, and expects no error.
func (b *bench) apply(mode plan.Mode) apply.Summary {
	b.t.Helper()
	sum, diags := b.run(b.t.Context(), b.plan(mode))
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return sum
}

// settled expects that a second plan is empty, and that the state knows exactly
// what is there.
func (b *bench) settled() {
	b.t.Helper()
	if p := b.plan(plan.Normal); !p.Empty() {
		b.t.Errorf("the next plan is not empty: %+v", p.Summary())
	}
	n := 0
	for target, s := range b.systems {
		for id := range s.things {
			n++
			if b.backend.state.Resources[id] == nil {
				b.t.Errorf("the state does not know %v at %s", id, target)
			}
		}
	}
	if len(b.backend.state.Resources) != n {
		b.t.Errorf("the state has %d resources, %d are there", len(b.backend.state.Resources), n)
	}
}

func (b *bench) Started(c *plan.Change, a providers.Action) {
	b.events = append(b.events, fmt.Sprintf("start %s %s", a, c.Address))
}
func (b *bench) Completed(c *plan.Change, a providers.Action) {
	b.events = append(b.events, fmt.Sprintf("done %s %s", a, c.Address))
}
func (b *bench) Failed(c *plan.Change, a providers.Action, err error) {
	b.events = append(b.events, fmt.Sprintf("fail %s %s", a, c.Address))
}
func (b *bench) Skipped(c *plan.Change, a providers.Action, why string) {
	b.events = append(b.events, fmt.Sprintf("skip %s %s: %s", a, c.Address, why))
}

// memory is a Backend that keeps nothing but counts writes.
type memory struct {
	mu     sync.Mutex
	state  state.State
	writes int
	// fail makes the n-th write fail; 0: never.
	fail int
}

var errFull = errors.New("no space left on device")

func (m *memory) Load(context.Context) (*state.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.state
	c.Resources = map[schema.ID]*state.Resource{}
	for id, r := range m.state.Resources {
		c.Resources[id] = r
	}
	return &c, nil
}

func (m *memory) Append(_ context.Context, entries []state.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail > 0 && m.writes == m.fail {
		return errFull
	}
	m.state.Lineage = "l"
	m.state.Serial++
	for _, e := range entries {
		switch {
		case e.Put != nil:
			m.state.Resources[e.Put.ID] = e.Put
		case e.Delete != nil:
			delete(m.state.Resources, *e.Delete)
		default:
			m.state.Outputs = e.Outputs
		}
	}
	return nil
}

func (m *memory) Replace(_ context.Context, next *state.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = *next.Clone()
	return nil
}

func (m *memory) ForceUnlock(context.Context, string) error { return state.ErrNotLocked }

func (m *memory) Lock(context.Context, state.LockInfo, time.Duration) (func() error, error) {
	return func() error { return nil }, nil
}

func thing(address, target, kind, key string, set map[string]cty.Value, after ...string) schema.Resource {
	vals := map[string]cty.Value{}
	for _, a := range schema.KindByName(kind).Attributes {
		vals[a.Name] = cty.NullVal(a.Type)
	}
	for name, v := range set {
		vals[name] = v
	}
	return schema.Resource{Address: address, Target: target, Kind: kind, Key: key, Attrs: cty.ObjectVal(vals), DependsOn: after}
}

func mailbox(name string, quota int64, after ...string) schema.Resource {
	return thing("user."+name+".mailbox", "mail", schema.KindMailbox, name+"@example.com", map[string]cty.Value{
		"address": cty.StringVal(name + "@example.com"), "quota": cty.NumberIntVal(quota),
		"password_hash": cty.ListVal([]cty.Value{cty.StringVal("secret of " + name)}),
	}, after...)
}

func record(name, rrtype, value string, after ...string) schema.Resource {
	return thing("record."+name, "dns", schema.KindRRset, name+"/"+rrtype, map[string]cty.Value{
		"name": cty.StringVal(name), "type": cty.StringVal(rrtype), "ttl": cty.NumberIntVal(60),
		"values": cty.ListVal([]cty.Value{cty.StringVal(value)}),
	}, after...)
}

func dkim(bits int64) schema.Resource {
	return thing(`domain.example.dkim["s1"]`, "mail", schema.KindDKIMKey, "example.com/s1", map[string]cty.Value{
		"domain": cty.StringVal("example.com"), "selector": cty.StringVal("s1"), "bits": cty.NumberIntVal(bits),
		"txt": cty.UnknownVal(cty.String),
	})
}

func domain() schema.Resource {
	return thing("domain.example.maildomain", "mail", schema.KindMailDomain, "example.com", map[string]cty.Value{"name": cty.StringVal("example.com")})
}

// idOf is the identity of a mailbox.
func idOf(name string) schema.ID {
	r := mailbox(name, 0)
	return r.ID()
}
