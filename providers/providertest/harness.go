package providertest

import (
	"slices"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Harness is what a provider's test tells of its provider.
type Harness struct {
	// New makes a fresh system, with nothing in it, that ends with the test.
	New func(t *testing.T) *System
	// Atomic: a batch is one transaction. Where a change is refused, nothing of
	// its batch is done.
	Atomic bool
	// Unmarked: the system holds the data and nothing about it, as a zone file
	// does. It has no marks of owners, and what is the same as before is of the
	// same revision.
	Unmarked bool
	// Far: the system is reached by SSH, as another harness tries it where it is. What
	// differs is how things come there, so that the checks of values are left out.
	Far bool
	// Killed are the kinds in the middle of whose batches the system is killed, where
	// those stand for others that go the same way; empty: all.
	Killed []string
	// Untried are kinds without samples, with the reason: other systems have
	// them, or they have tests of their own.
	Untried map[string]string
}

// A System is one live system, as empty as New made it.
type System struct {
	// Provider makes a provider that is configured for the system and for a
	// lineage. All of them are for the same system.
	Provider func(lineage string) providers.Provider
	// Samples by the name of their kind.
	Samples map[string]Sample
	// Tamper makes a resource what it says behind the provider's back, or takes it
	// away if its Attrs are null; Read must show that as a change.
	Tamper func(t *testing.T, r schema.Resource)
	// Kill ends the system as kill -9 does and starts it anew; it is called while
	// a provider is at work. Nil where the system is none of ours to kill.
	Kill func(t *testing.T)
}

// A Sample is one kind of resource at a system. Resources need Kind, Key,
// Address and Attrs; the values of Computed attributes are unknown in them.
type Sample struct {
	// Needs have to be there before any other of the sample.
	Needs []schema.Resource
	// Good is an ordinary resource of the kind.
	Good schema.Resource
	// Changed has another good value for each attribute that can change. Numbers
	// and truth values need none.
	Changed map[string]cty.Value
	// Alike are attributes that a system treats as it does another one that is tried:
	// that they change is seen in what is odd, where trying each would take too long.
	Alike []string
	// Single are attributes of which a system holds one value and refuses all others.
	Single []string
	// Odd are resources that a system could get wrong, by what is odd about them:
	// empty lists, long names, characters that mean something elsewhere.
	Odd map[string]schema.Resource
	// Refused are values that no system can hold, by attribute, put into Good in
	// turn. The error names the attribute.
	Refused map[string][]cty.Value
	// Many are a large batch; nil: the kind has no large ones.
	Many []schema.Resource
}

// Others says of all kinds but some that they are not tried, for Untried.
func Others(why string, tried ...string) map[string]string {
	out := map[string]string{}
	for _, k := range schema.Kinds() {
		if !slices.Contains(tried, k.Name) {
			out[k.Name] = why
		}
	}
	return out
}

// With is a resource with one attribute changed.
func With(r schema.Resource, attribute string, v cty.Value) schema.Resource {
	vals := r.Attrs.AsValueMap()
	vals[attribute] = v
	r.Attrs = cty.ObjectVal(vals)
	return r
}

// Resource makes a resource of a kind: attributes that are not given are
// unknown if they are computed, else null.
func Resource(kind, key string, attrs map[string]cty.Value) schema.Resource {
	k := schema.KindByName(kind)
	vals := make(map[string]cty.Value, len(k.Attributes))
	for _, a := range k.Attributes {
		switch v, ok := attrs[a.Name]; {
		case ok:
			vals[a.Name] = v
		case a.Computed:
			vals[a.Name] = cty.UnknownVal(a.Type)
		default:
			vals[a.Name] = cty.NullVal(a.Type)
		}
	}
	return schema.Resource{Address: kind + ".test" + schema.IndexString(cty.StringVal(key)), Kind: kind, Key: key, Attrs: cty.ObjectVal(vals)}
}

// List makes a list of strings, empty ones included.
func List(values ...string) cty.Value {
	if len(values) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(values))
	for i, v := range values {
		vals[i] = cty.StringVal(v)
	}
	return cty.ListVal(vals)
}

// Tamper makes a thing another by a provider, as somebody else would: what it is
// now does not matter. Attributes that are null take it away.
func Tamper(t *testing.T, p providers.Provider, r schema.Resource) {
	t.Helper()
	have, err := p.Read(t.Context(), providers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	c := providers.Change{Action: providers.Update, Resource: r}
	for _, o := range have {
		if o.Kind == r.Kind && o.Key == r.Key {
			c.Prior = &o
		}
	}
	if r.Attrs.IsNull() {
		c.Action = providers.Delete
	}
	err = p.Apply(t.Context(), []providers.Change{c}, func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
}
