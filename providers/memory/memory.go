package memory

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A World is a number of systems. The zero value has none: they come to be when
// a provider is configured for them.
type World struct {
	mu      sync.Mutex
	systems map[string]*system
}

// A system is what providers with one name and one configuration have in common.
type system struct {
	things   map[thingID]thing
	revision int
}

type thingID struct{ kind, key string }

type thing struct {
	attrs          cty.Value
	lineage, owner string
	revision       int
}

// NewProvider makes a provider. Two of one name that are configured alike are
// for the same system.
func (w *World) NewProvider(name string) providers.Provider {
	return &provider{world: w, name: name}
}

type provider struct {
	world   *World
	name    string
	system  *system
	lineage string
}

func (p *provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	p.lineage = cfg.Lineage
	if p.system != nil {
		return nil // the state has got its lineage
	}
	value := cfg.Value
	if value != cty.NilVal {
		value, _ = value.UnmarkDeep()
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.world.systems == nil {
		p.world.systems = map[string]*system{}
	}
	name := fmt.Sprintf("%s %#v", p.name, value)
	if p.world.systems[name] == nil {
		p.world.systems[name] = &system{things: map[thingID]thing{}}
	}
	p.system = p.world.systems[name]
	return nil
}

func (p *provider) Read(context.Context, providers.Scope) ([]providers.Observed, error) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	out := make([]providers.Observed, 0, len(p.system.things))
	for id, t := range p.system.things {
		out = append(out, p.observe(id, t))
	}
	slices.SortFunc(out, func(a, b providers.Observed) int {
		return strings.Compare(a.Kind+"\x00"+a.Key, b.Kind+"\x00"+b.Key)
	})
	return out, nil
}

// observe is how the provider's lineage sees a thing.
func (p *provider) observe(id thingID, t thing) providers.Observed {
	o := providers.Observed{Kind: id.kind, Key: id.key, Attrs: t.attrs, Revision: strconv.Itoa(t.revision)}
	if t.lineage == p.lineage {
		o.Owner = t.owner
	}
	return o
}

// errBatch is the error of changes that are right in a batch that is not.
var errBatch = errors.New("another change of the batch was refused, so that nothing was done")

// Apply carries out a batch as a whole or not at all.
func (p *provider) Apply(ctx context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.world.mu.Lock()
	results, errs := p.carryOut(batch)
	p.world.mu.Unlock()
	for i, c := range batch {
		if err := done(c, results[i], errs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *provider) carryOut(batch []providers.Change) ([]providers.Observed, []error) {
	results, errs := make([]providers.Observed, len(batch)), make([]error, len(batch))
	s := p.system
	before := map[thingID]*thing{} // what the batch has changed; nil: was not there
	failed := false
	for i, c := range batch {
		id := thingID{c.Resource.Kind, c.Resource.Key}
		if _, ok := before[id]; !ok {
			before[id] = nil
			if t, there := s.things[id]; there {
				before[id] = &t
			}
		}
		if errs[i] = p.do(id, c); errs[i] != nil {
			failed = true
			continue
		}
		if t, there := s.things[id]; there {
			results[i] = p.observe(id, t)
		}
	}
	if !failed {
		return results, errs
	}
	for id, t := range before {
		if t == nil {
			delete(s.things, id)
		} else {
			s.things[id] = *t
		}
	}
	for i := range batch {
		results[i] = providers.Observed{}
		if errs[i] == nil {
			errs[i] = errBatch
		}
	}
	return results, errs
}

// do carries out one change. One that has been done already is done.
func (p *provider) do(id thingID, c providers.Change) error {
	s := p.system
	have, there := s.things[id]
	seen := c.Prior != nil && !c.Prior.Retained
	unchanged := there == seen && (!there || c.Prior.Revision == strconv.Itoa(have.revision))
	if c.Action == providers.Delete {
		if schema.KindByName(id.kind) == nil {
			return fmt.Errorf("there is no kind %q", id.kind)
		}
		if there && !unchanged {
			return conflict(c)
		}
		delete(s.things, id)
		return nil
	}
	attrs, err := decide(c.Resource)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.Action, c.Resource.Address, err)
	}
	next := thing{attrs: attrs, lineage: p.lineage, owner: c.Resource.Address}
	same := there && have.lineage == next.lineage && have.owner == next.owner && have.attrs.RawEquals(next.attrs)
	if !unchanged && !same {
		return conflict(c)
	}
	if same {
		if !unchanged || c.Action == providers.Create {
			return nil // it was done by the run before
		}
	}
	s.revision++
	next.revision = s.revision
	s.things[id] = next
	return nil
}

func conflict(c providers.Change) error {
	return fmt.Errorf("%s %s %s: %w", c.Action, c.Resource.Kind, c.Resource.Key, providers.ErrConflict)
}

// decide checks the attributes of a resource and fills in what a system would.
func decide(r schema.Resource) (cty.Value, error) {
	k := schema.KindByName(r.Kind)
	if k == nil {
		return cty.NilVal, fmt.Errorf("there is no kind %q", r.Kind)
	}
	if r.Attrs == cty.NilVal || !r.Attrs.IsKnown() || r.Attrs.IsNull() || !r.Attrs.Type().Equals(k.Type()) {
		return cty.NilVal, fmt.Errorf("the attributes of a %s are not all given", r.Kind)
	}
	vals := r.Attrs.AsValueMap()
	for _, a := range k.Attributes {
		v := vals[a.Name]
		switch {
		case a.Computed:
			vals[a.Name] = born(r, a)
		case !v.IsWhollyKnown():
			return cty.NilVal, fmt.Errorf("%s is not known", a.Name)
		default:
			if err := checkNumbers(v); err != nil {
				return cty.NilVal, fmt.Errorf("%s: %w", a.Name, err)
			}
		}
	}
	return cty.ObjectVal(vals), nil
}

// checkNumbers refuses numbers that no system of ours can hold.
func checkNumbers(v cty.Value) error {
	if v.IsNull() {
		return nil
	}
	if v.Type().IsListType() {
		for _, e := range v.AsValueSlice() {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Type() != cty.Number {
		return nil
	}
	n, accuracy := v.AsBigFloat().Int64()
	if n < 0 || accuracy != big.Exact {
		return errors.New("it is not a number from 0 to 2⁶³-1")
	}
	return nil
}

// born is the value of a computed attribute. Keys are of no use, and the same
// in each run.
func born(r schema.Resource, a schema.KindAttribute) cty.Value {
	switch {
	case r.Kind == schema.KindDKIMKey && a.Name == "txt":
		algorithm := "rsa"
		if v := r.Attrs.GetAttr("algorithm"); v.IsKnown() && !v.IsNull() {
			algorithm = v.AsString()
		}
		return cty.StringVal("v=DKIM1; k=" + algorithm + "; p=" + schema.Fingerprint(r.Key)[len(schema.FingerprintPrefix):])
	case r.Kind == schema.KindDNSSEC && a.Name == "ds" && !r.Attrs.GetAttr("withdraw").RawEquals(cty.True):
		digest := schema.Fingerprint(r.Key)[len(schema.FingerprintPrefix):]
		return schema.StringList([]string{"1 13 2 " + strings.ToUpper(digest+digest)})
	case a.Type == cty.Number:
		return cty.Zero
	case a.Type == cty.Bool:
		return cty.False
	case a.Type.IsListType():
		return cty.ListValEmpty(a.Type.ElementType())
	default:
		return cty.StringVal("")
	}
}
