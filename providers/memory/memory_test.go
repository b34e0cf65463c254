package memory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/memory"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Atomic: true,
		New: func(t *testing.T) *providertest.System {
			w := &memory.World{}
			provider := func(lineage string) providers.Provider {
				p := w.NewProvider("embedded")
				if diags := p.Configure(t.Context(), providers.Config{Value: cty.NullVal(cty.EmptyObject), Lineage: lineage}); diags.HasErrors() {
					t.Fatal(diags)
				}
				return p
			}
			return &providertest.System{Provider: provider, Samples: samples(), Tamper: func(t *testing.T, r schema.Resource) {
				providertest.Tamper(t, provider("33333333-3333-4333-8333-333333333333"), r)
			}}
		},
	})
}

// samples has one of each kind: a system in memory knows nothing of any.
func samples() map[string]providertest.Sample {
	out := map[string]providertest.Sample{}
	for _, k := range schema.Kinds() {
		one := func(key, text string) schema.Resource {
			attrs, _ := values(k, text)
			return providertest.Resource(k.Name, key, attrs)
		}
		_, changed := values(k, "text")
		s := providertest.Sample{Good: one("good", "text"), Changed: changed, Odd: map[string]schema.Resource{
			"empty texts":      one("", ""),
			"long texts":       one(strings.Repeat("k", 1000), strings.Repeat("é", 1000)),
			"escapes and dots": one(`a/b\c"d;e.`, "\x00\"\\'"),
		}}
		for i := range 50 {
			s.Many = append(s.Many, one(fmt.Sprint("many", i), "text"))
		}
		out[k.Name] = s
	}
	return out
}

// values are attributes of a kind, and others for those that can change.
func values(k *schema.Kind, text string) (is, other map[string]cty.Value) {
	is, other = map[string]cty.Value{}, map[string]cty.Value{}
	for _, a := range k.Attributes {
		switch {
		case a.Computed:
		case a.Type == cty.String:
			is[a.Name], other[a.Name] = cty.StringVal(text), cty.StringVal("another")
		case a.Type == cty.Number:
			is[a.Name] = cty.NumberIntVal(7)
		case a.Type == cty.Bool:
			is[a.Name] = cty.True
		case a.Type == cty.List(cty.Number):
			is[a.Name], other[a.Name] = cty.ListVal([]cty.Value{cty.NumberIntVal(7)}), cty.ListValEmpty(cty.Number)
		default:
			is[a.Name], other[a.Name] = providertest.List(text), providertest.List()
		}
	}
	return is, other
}

func TestSystemsAreToldApartByTheirConfiguration(t *testing.T) {
	w := &memory.World{}
	count := func(name, dir string) int {
		p := w.NewProvider(name)
		p.Configure(t.Context(), providers.Config{Lineage: "a", Value: cty.ObjectVal(map[string]cty.Value{"data_dir": cty.StringVal(dir)})})
		have, err := p.Read(t.Context(), providers.Scope{})
		if err != nil {
			t.Fatal(err)
		}
		r := providertest.Resource(schema.KindMailDomain, "example.com", map[string]cty.Value{"name": cty.StringVal("example.com")})
		err = p.Apply(t.Context(), []providers.Change{{Action: providers.Create, Resource: r}}, func(_ providers.Change, _ providers.Observed, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
		return len(have)
	}
	for i, want := range []int{0, 0, 0, 1} {
		given := [][2]string{{"embedded", "a"}, {"embedded", "b"}, {"bind", "a"}, {"embedded", "a"}}[i]
		if got := count(given[0], given[1]); got != want {
			t.Errorf("%v holds %d things, want %d", given, got, want)
		}
	}
}
