package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A memory is a system that holds whatever it is told to. Its keys are the same
// each time.
type memory struct {
	target string // set by the first who configures it
	things map[schema.ID]providers.Observed
}

// memories are the systems of one test, by target.
type memories map[string]*memory

func (m memories) provider(name string) providers.Provider {
	if m[name] == nil {
		m[name] = &memory{target: name, things: map[schema.ID]providers.Observed{}}
	}
	return m[name]
}

func (m *memory) Configure(context.Context, providers.Config) hcl.Diagnostics { return nil }

// Read lists nothing but what is wanted where that is enough.
func (m *memory) Read(_ context.Context, scope providers.Scope) ([]providers.Observed, error) {
	wanted := map[schema.ID]bool{}
	for i := range scope.Wanted {
		wanted[scope.Wanted[i].ID()] = true
	}
	var list []providers.Observed
	for id, o := range m.things {
		if !scope.Part || wanted[id] {
			list = append(list, o)
		}
	}
	return list, nil
}

func (m *memory) Apply(_ context.Context, batch []providers.Change, done func(providers.Change, providers.Observed, error) error) error {
	for _, c := range batch {
		r := &c.Resource
		o := providers.Observed{Kind: r.Kind, Key: r.Key, Owner: r.Address, Revision: "1"}
		if c.Action == providers.Delete {
			delete(m.things, r.ID())
		} else {
			o.Attrs = born(r)
			m.things[r.ID()] = o
		}
		if err := done(c, o, nil); err != nil {
			return err
		}
	}
	return nil
}

// born is what a resource becomes: with the values that only the system knows.
func born(r *schema.Resource) cty.Value {
	vals := r.Attrs.AsValueMap()
	for _, a := range schema.KindByName(r.Kind).Attributes {
		switch {
		case a.Computed && a.Type == cty.Number:
			vals[a.Name] = cty.Zero
		case a.Computed:
			vals[a.Name] = cty.StringVal(fmt.Sprintf("v=DKIM1; k=rsa; p=KEY+OF/%s", r.Key))
		}
	}
	return cty.ObjectVal(vals)
}

// An interference is what somebody else did at a target: set attributes of a
// thing that is there or not, or delete it.
type interference struct {
	Target, Kind, Key string
	Attrs             map[string]json.RawMessage
	Delete            bool
}

func (m memories) interfere(t *testing.T, list []interference) {
	t.Helper()
	for _, x := range list {
		id := schema.ID{Target: x.Target, Kind: x.Kind, Key: x.Key}
		mem := m.provider(x.Target).(*memory)
		o, ok := mem.things[id]
		switch {
		case x.Delete && !ok:
			t.Fatalf("there is no %v to delete", id)
		case x.Delete:
			delete(mem.things, id)
			continue
		}
		k := schema.KindByName(x.Kind)
		vals := map[string]cty.Value{}
		for _, a := range k.Attributes {
			vals[a.Name] = cty.NullVal(a.Type)
			if ok {
				vals[a.Name] = o.Attrs.GetAttr(a.Name)
			}
			if raw := x.Attrs[a.Name]; raw != nil {
				v, err := ctyjson.Unmarshal(raw, a.Type)
				if err != nil {
					t.Fatal(err)
				}
				vals[a.Name] = v
			}
		}
		o.Kind, o.Key, o.Revision, o.Attrs = x.Kind, x.Key, "2", cty.ObjectVal(vals)
		mem.things[id] = o
	}
}
