package stage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/stage"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func rrset(name, rrtype string, ttl int64, values ...string) cty.Value {
	return schema.KindByName(schema.KindRRset).Object(map[string]cty.Value{
		"zone": cty.StringVal("example.com."), "name": cty.StringVal(name), "type": cty.StringVal(rrtype),
		"ttl": cty.NumberIntVal(ttl), "values": schema.StringList(values),
	})
}

// A note remembers what a change has left in caches, and nothing else. What is to
// be decided by it is in the worlds of engine/plan/testdata/staged_*.txtar.
func TestAfter(t *testing.T) {
	old, new := "10 old.example.com.", "10 new.example.com."
	mx := func(ttl int64, values ...string) cty.Value { return rrset("example.com.", "MX", ttl, values...) }
	version := func(ttl int64, until time.Duration, values ...string) state.Version {
		return state.Version{TTL: ttl, Values: values, Until: noon.Add(until)}
	}
	tests := map[string]struct {
		note          *stage.Note
		before, after cty.Value
		want          []state.Version
	}{
		"without a note nothing is remembered": {
			nil, mx(3600, old), mx(3600, new), nil,
		},
		"a lower time to live leaves the longer one in caches": {
			&stage.Note{Margin: 60}, mx(3600, old), mx(300, old), []state.Version{version(3600, 61*time.Minute, old)},
		},
		"a longer time to live leaves nothing that matters": {
			&stage.Note{Margin: 60}, mx(300, old), mx(3600, old), nil,
		},
		"other values leave the old ones": {
			&stage.Note{Margin: 0}, mx(300, old), mx(300, new), []state.Version{version(300, 5*time.Minute, old)},
		},
		"what is in caches already stays until then": {
			&stage.Note{Cached: []state.Version{version(3600, time.Minute, old), version(3600, 0, "10 gone.example.com.")}},
			mx(300, new), mx(300, "10 third.example.com."),
			[]state.Version{version(3600, time.Minute, old), version(300, 5*time.Minute, new)},
		},
		"going back makes harmless what was the danger": {
			&stage.Note{Cached: []state.Version{version(3600, time.Hour, old)}},
			mx(300, new), mx(3600, old), []state.Version{version(300, 5*time.Minute, new)},
		},
		"where nothing was before nothing is left": {
			&stage.Note{}, cty.NullVal(cty.DynamicPseudoType), mx(300, new), nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.note.After(tt.before, tt.after, noon)
			var cached []state.Version
			if got != nil {
				cached = got.Cached
			}
			if d := cmp.Diff(tt.want, cached); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	// A change that ends within a second counts from the next one.
	got := (&stage.Note{}).After(mx(1, old), mx(1, new), noon.Add(time.Millisecond))
	if want := noon.Add(2 * time.Second); !got.Cached[0].Until.Equal(want) {
		t.Errorf("remembered until %s, want %s", got.Cached[0].Until, want)
	}
}

// That some versions are forgotten is not worth a write; that one more is known is.
func TestKnown(t *testing.T) {
	v := state.Version{TTL: 60, Values: []string{"a"}, Until: noon}
	was := &state.Staging{Cached: []state.Version{v}}
	for name, tt := range map[string]struct {
		note *stage.Note
		was  *state.Staging
		want bool
	}{
		"nothing, and nothing before":        {nil, nil, true},
		"nothing, and something before":      {nil, was, false},
		"all forgotten":                      {&stage.Note{}, was, true},
		"the same":                           {&stage.Note{Cached: []state.Version{v}}, was, true},
		"one more":                           {&stage.Note{Cached: []state.Version{v}, Gained: true}, was, false},
		"something, and nothing before":      {&stage.Note{Cached: []state.Version{v}}, nil, false},
		"forgotten, but a stage was to come": {&stage.Note{}, &state.Staging{Next: &state.Stage{Step: state.StepRetire}}, false},
	} {
		if got := tt.note.Known(tt.was); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// large is a zone of so many names that all of it is as it is to be.
func large(n int) stage.Input {
	in := stage.Input{Prior: &state.State{Resources: map[schema.ID]*state.Resource{}}, Now: noon}
	staging := &schema.Staging{TTL: 300, Margin: 300}
	declared, observed := map[schema.ID]*schema.Resource{}, map[schema.ID]*providers.Observed{}
	for i := range n {
		name := fmt.Sprintf("n%d.example.com.", i)
		attrs := rrset(name, "A", 3600, "192.0.2.1")
		r := &schema.Resource{Address: name, Kind: schema.KindRRset, Target: "embedded", Key: "example.com/" + name + "/A", Attrs: attrs, Staging: staging}
		in.Desired = append(in.Desired, r)
		declared[r.ID()] = r
		observed[r.ID()] = &providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: rrset(name, "A", 3600, "192.0.2.1"), Owner: name}
		in.Prior.Resources[r.ID()] = &state.Resource{ID: r.ID(), Address: name, Attrs: attrs}
	}
	in.Declared = func(id schema.ID) *schema.Resource { return declared[id] }
	in.Observed = func(id schema.ID) *providers.Observed { return observed[id] }
	in.There = func(yield func(schema.ID, *providers.Observed) bool) {
		for id, o := range observed {
			if !yield(id, o) {
				return
			}
		}
	}
	return in
}

func TestALargeWorldThatRestsCostsLittle(t *testing.T) {
	const sets = 1000
	in := large(sets)
	if n := testing.AllocsPerRun(5, func() { stage.Settle(in) }) / sets; n > 10 {
		t.Errorf("%.0f allocations for a record set that is as it is to be", n)
	}
}

// BenchmarkSettle tells what 100,000 record sets cost that are as they are to be, and
// what a thousand domains cost beside them whose MX moves to another server.
func BenchmarkSettle(b *testing.B) {
	in := large(100_000)
	b.Run("at rest", func(b *testing.B) {
		for b.Loop() {
			stage.Settle(in)
		}
	})
	thousand(&in)
	b.Run("a thousand domains move", func(b *testing.B) {
		for b.Loop() {
			if n := len(stage.Settle(in).Moves); n != 1000 {
				b.Fatalf("%d moves", n)
			}
		}
	})
}

// thousand adds as many domains whose MX moves away from a server that goes.
func thousand(in *stage.Input) {
	more := map[schema.ID]*providers.Observed{}
	there := func(kind, key string, attrs cty.Value) schema.ID {
		id := schema.ID{Target: "embedded", Kind: kind, Key: key}
		more[id] = &providers.Observed{Kind: kind, Key: key, Attrs: attrs, Owner: key}
		return id
	}
	there(schema.KindListener, "old/smtp", schema.KindByName(schema.KindListener).Object(map[string]cty.Value{
		"owner": cty.StringVal("old"), "service": cty.StringVal("smtp"), "hostname": cty.StringVal("old.example.com"),
		"listen": schema.StringList([]string{"192.0.2.1:25"}), "listen_tls": schema.StringList(nil),
	}))
	there(schema.KindRRset, "example.com/old.example.com./A", rrset("old.example.com.", "A", 3600, "192.0.2.1"))
	staging := in.Desired[0].Staging
	for i := range 1000 {
		name := fmt.Sprintf("d%d.example.com.", i)
		id := there(schema.KindRRset, "example.com/"+name+"/MX", rrset(name, "MX", 3600, "10 old.example.com."))
		in.Prior.Resources[id] = &state.Resource{ID: id, Address: name, Attrs: more[id].Attrs}
		in.Desired = append(in.Desired, &schema.Resource{Address: name, Kind: id.Kind, Target: id.Target, Key: id.Key, Attrs: rrset(name, "MX", 3600, "10 new.example.com."), Staging: staging})
	}
	observed, all := in.Observed, in.There
	in.Observed = func(id schema.ID) *providers.Observed {
		if o := more[id]; o != nil {
			return o
		}
		return observed(id)
	}
	in.There = func(yield func(schema.ID, *providers.Observed) bool) {
		for id, o := range more {
			if !yield(id, o) {
				return
			}
		}
		all(yield)
	}
}

// A thousand domains that move keep the one server that they leave.
func TestManyDomainsKeepOneServer(t *testing.T) {
	in := large(10)
	thousand(&in)
	res := stage.Settle(in)
	if len(res.Moves) != 1000 || len(res.Keep) != 2 {
		t.Errorf("%d moves keep %v", len(res.Moves), res.Keep)
	}
}
