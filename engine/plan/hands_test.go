package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/ignore"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A small zone, a record a line: NAME TYPE VALUE.
type records string

const ignoreZone = rdata.Name("example.com.")

// sets are the record sets of a zone, by key.
func (r records) sets(t *testing.T) map[string]cty.Value {
	t.Helper()
	values := map[string][]string{}
	for line := range strings.Lines(string(r)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) < 3 {
			continue
		}
		name, err := rdata.ParseOwner(f[0], ignoreZone)
		if err != nil {
			t.Fatal(err)
		}
		value, err := rdata.Canonical(f[1], f[2], ignoreZone)
		if err != nil {
			t.Fatal(err)
		}
		key := ignoreZone.Host() + "/" + string(name) + "/" + f[1]
		values[key] = append(values[key], value)
	}
	out := map[string]cty.Value{}
	for key, v := range values {
		f := strings.Split(key, "/")
		out[key] = schema.KindByName(schema.KindRRset).Object(map[string]cty.Value{
			"zone": cty.StringVal(string(ignoreZone)), "name": cty.StringVal(f[1]), "type": cty.StringVal(f[2]),
			"ttl": cty.NumberIntVal(300), "values": schema.StringList(slices.Compact(slices.Sorted(slices.Values(v)))),
		})
	}
	return out
}

// A small world that plans are carried out in.
type smallWorld struct {
	things map[string]providers.Observed
	prior  *state.State
}

func newSmallWorld(t *testing.T, there records, owned bool) *smallWorld {
	w := &smallWorld{things: map[string]providers.Observed{}, prior: &state.State{Lineage: "l", Resources: map[schema.ID]*state.Resource{}}}
	for key, attrs := range there.sets(t) {
		o := providers.Observed{Kind: schema.KindRRset, Key: key, Attrs: attrs}
		if owned {
			id := schema.ID{Target: "embedded", Kind: o.Kind, Key: key}
			o.Owner = address(key)
			w.prior.Resources[id] = &state.Resource{ID: id, Address: o.Owner, Attrs: attrs}
		}
		w.things[key] = o
	}
	return w
}

func address(key string) string { return fmt.Sprintf("record.r[%q].rrset", key) }

func (w *smallWorld) plan(t *testing.T, declared records, exclusive bool, rules []*ignore.Rule) *plan.Plan {
	t.Helper()
	in := plan.Input{
		Prior: w.prior, Observed: map[string][]providers.Observed{"embedded": slices.Collect(maps.Values(w.things))},
		Zones: []*ignore.Zone{{Target: "embedded", Name: ignoreZone, Address: "zone.z", Exclusive: exclusive, Rules: rules}},
	}
	for key, attrs := range declared.sets(t) {
		in.Desired = append(in.Desired, schema.Resource{Address: address(key), Kind: schema.KindRRset, Target: "embedded", Key: key, Attrs: attrs})
	}
	p, diags := plan.Make(in)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// apply carries a plan out.
func (w *smallWorld) apply(p *plan.Plan) {
	for i := range p.Changes {
		c := &p.Changes[i]
		o := providers.Observed{Kind: c.ID.Kind, Key: c.ID.Key}
		switch {
		case c.Action == plan.Delete:
			delete(w.things, c.ID.Key)
			delete(w.prior.Resources, c.ID)
			continue
		case c.Action == plan.Forget || c.Release:
			o.Attrs = c.Observed.Attrs
			if c.Release {
				o.Attrs = c.Wanted.Attrs
			}
			delete(w.prior.Resources, c.ID)
		default:
			o.Attrs, o.Owner = c.Wanted.Attrs, c.Address
			if c.PrevID != c.ID {
				delete(w.things, c.PrevID.Key)
				delete(w.prior.Resources, c.PrevID)
			}
			w.prior.Resources[c.ID] = &state.Resource{ID: c.ID, Address: c.Address, Attrs: c.Wanted.Attrs}
		}
		w.things[c.ID.Key] = o
	}
}

// lines are the records of the world, sorted.
func (w *smallWorld) lines() []string {
	var out []string
	for key, o := range w.things {
		f := strings.Split(key, "/")
		for _, v := range o.Attrs.GetAttr("values").AsValueSlice() {
			out = append(out, f[1]+" "+f[2]+" "+v.AsString())
		}
	}
	slices.Sort(out)
	return out
}

func (w *smallWorld) changes(p *plan.Plan) []string {
	var out []string
	for i := range p.Changes {
		if c := &p.Changes[i]; c.Action != plan.NoOp {
			out = append(out, string(c.Action)+" "+c.ID.Key)
		}
	}
	return out
}

// A rule is an ignore block as the cases write it: "name=foo type=A value=1.2.3.4".
func rulesOf(t *testing.T, texts ...string) []*ignore.Rule {
	t.Helper()
	var out []*ignore.Rule
	for _, text := range texts {
		said := map[string][]string{}
		for f := range strings.FieldsSeq(text) {
			name, v, _ := strings.Cut(f, "=")
			said[name] = strings.Split(v, ",")
		}
		r, err := ignore.NewRule(said["name"], said["type"], said["value"])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

const (
	mainZone = "foo A 1.2.3.4\nfoo A 2.3.4.5\nfoo TXT simple\nbar A 5.5.5.5\nmail CNAME ghs.googlehosted.com.\n"
	apexZone = "@ A 1.2.3.4\n@ A 2.3.4.5\n@ TXT simple\nbar A 5.5.5.5\nmail CNAME ghs.googlehosted.com.\n"
	wildZone = "foo.bat A 1.2.3.4\nfoo.bat TXT simple\nbar A 5.5.5.5\nmail CNAME ghs.googlehosted.com.\n"
)

// The cases of DNSControl's IGNORE and IGNORE_NAME groups: what is not declared
// and ignored stays, in a zone whose other records would go.
func TestIgnored(t *testing.T) {
	without := func(all string, gone ...string) records {
		var out strings.Builder
		for line := range strings.Lines(all) {
			if !slices.ContainsFunc(gone, func(g string) bool { return strings.HasPrefix(line, g) }) {
				out.WriteString(line)
			}
		}
		return records(out.String())
	}
	type change struct {
		declared records
		want     records
	}
	for name, c := range map[string]struct {
		zone     string
		rules    []string
		declared records
		change   *change // then, with the same rules
	}{
		"a label":                             {mainZone, []string{"name=foo"}, without(mainZone, "foo"), nil},
		"a label and a type":                  {mainZone, []string{"name=foo type=A"}, without(mainZone, "foo A"), nil},
		"a label, a type and a value":         {mainZone, []string{"name=foo type=A value=1.2.3.4"}, without(mainZone, "foo A 1.2.3.4"), nil},
		"a type":                              {mainZone, []string{"type=TXT"}, without(mainZone, "foo TXT"), nil},
		"a type and a value":                  {mainZone, []string{"type=TXT value=simple"}, without(mainZone, "foo TXT"), nil},
		"a value":                             {mainZone, []string{"value=simple"}, without(mainZone, "foo TXT"), nil},
		"a value of one of two records":       {mainZone, []string{"value=2.3.4.5"}, without(mainZone, "foo A 2.3.4.5"), nil},
		"many types":                          {mainZone, []string{"type=A,TXT"}, without(mainZone, "foo", "bar"), nil},
		"any value":                           {mainZone, []string{"name=foo value=*"}, without(mainZone, "foo"), nil},
		"a target":                            {mainZone, []string{"type=CNAME value=ghs.googlehosted.com."}, without(mainZone, "mail"), nil},
		"everything":                          {mainZone, []string{"name=**"}, "", nil},
		"two rules":                           {mainZone, []string{"name=foo type=A", "type=CNAME"}, without(mainZone, "foo A", "mail"), nil},
		"the apex":                            {apexZone, []string{"name=@"}, without(apexZone, "@"), nil},
		"the apex and a type":                 {apexZone, []string{"name=@ type=A"}, without(apexZone, "@ A"), nil},
		"the apex, a type and a value":        {apexZone, []string{"name=@ type=A value=1.2.3.4"}, without(apexZone, "@ A 1.2.3.4"), nil},
		"a type at the apex":                  {apexZone, []string{"type=TXT"}, without(apexZone, "@ TXT"), nil},
		"a value at the apex":                 {apexZone, []string{"value=simple"}, without(apexZone, "@ TXT"), nil},
		"many types at the apex":              {apexZone, []string{"name=@ type=A,TXT"}, without(apexZone, "@"), nil},
		"a wild end":                          {wildZone, []string{"name=foo.*"}, without(wildZone, "foo.bat"), nil},
		"a wild end and a type":               {wildZone, []string{"name=foo.* type=A"}, without(wildZone, "foo.bat A"), nil},
		"a wild end, a type and a value":      {wildZone, []string{"name=foo.* type=A value=1.2.3.4"}, without(wildZone, "foo.bat A"), nil},
		"a wild target":                       {wildZone, []string{"type=CNAME value=*.googlehosted.com."}, without(wildZone, "mail"), nil},
		"a wild value of any type":            {wildZone, []string{"value=*.googlehosted.com"}, without(wildZone, "mail"), nil},
		"a wild beginning":                    {wildZone, []string{"name=*.bat"}, without(wildZone, "foo.bat"), nil},
		"a change elsewhere in the zone":      {mainZone, []string{"name=foo"}, without(mainZone, "foo"), &change{"bar A 6.6.6.6\n", without(mainZone, "bar", "mail") + "bar A 6.6.6.6\n"}},
		"a change of another type":            {mainZone, []string{"name=foo type=A"}, without(mainZone, "foo A"), &change{"foo TXT other\n", "foo A 1.2.3.4\nfoo A 2.3.4.5\nfoo TXT other\n"}},
		"a change beside two ignored types":   {mainZone + "foo MX 10 bar\n", []string{"name=foo type=A,MX"}, without(mainZone, "foo A"), &change{"foo TXT other\nbar A 5.5.5.5\n", "foo A 1.2.3.4\nfoo A 2.3.4.5\nfoo MX 10 bar\nfoo TXT other\nbar A 5.5.5.5\n"}},
		"a change of another value":           {mainZone, []string{"name=foo type=A value=1.2.3.4"}, without(mainZone, "foo A 1.2.3.4"), &change{"foo A 3.4.5.6\n", "foo A 1.2.3.4\nfoo A 3.4.5.6\n"}},
		"another value goes":                  {mainZone, []string{"name=foo type=A value=1.2.3.4"}, without(mainZone, "foo A 1.2.3.4"), &change{"bar A 5.5.5.5\n", "foo A 1.2.3.4\nbar A 5.5.5.5\n"}},
		"another value comes":                 {"foo A 1.2.3.4\n", []string{"value=1.2.3.4"}, "", &change{"foo A 2.3.4.5\n", "foo A 1.2.3.4\nfoo A 2.3.4.5\n"}},
		"a target ignored, and one added":     {"foo CNAME a.example.net.\n", []string{"value=a.example.net."}, "", &change{"bar CNAME b.example.net.\n", "foo CNAME a.example.net.\nbar CNAME b.example.net.\n"}}, // b2285
		"all is ignored, and nothing is sent": {"@ TXT a\n@ TXT b\n", []string{"type=TXT"}, "", &change{"", "@ TXT a\n@ TXT b\n"}},                                                                                 // b2822
		"ignored beside a change, twice":      {"foo A 1.2.3.4\nbar A 1.2.3.4\n", []string{"name=foo"}, "bar A 1.2.3.4\n", &change{"bar A 2.3.4.5\n", "foo A 1.2.3.4\nbar A 2.3.4.5\n"}},                           // b3227
		"a policy beside a foreign text":      {"@ TXT google-site-verification=abc\n@ TXT v=spf1 -all\n", []string{"type=TXT value=google-*"}, "@ TXT v=spf1 -all\n", &change{"@ TXT v=spf1 mx -all\n", "@ TXT google-site-verification=abc\n@ TXT v=spf1 mx -all\n"}},
	} {
		for _, owned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ours %v", name, owned), func(t *testing.T) {
				rules := rulesOf(t, c.rules...)
				w := newSmallWorld(t, records(c.zone), owned)
				before := w.lines()
				w.apply(w.plan(t, c.declared, true, rules))
				if d := cmp.Diff(before, w.lines()); d != "" {
					t.Errorf("something ignored has changed:\n%s", d)
				}
				w.quiet(t, c.declared, rules)
				if c.change != nil {
					w.apply(w.plan(t, c.change.declared, true, rules))
					if d := cmp.Diff(newSmallWorld(t, c.change.want, false).lines(), w.lines()); d != "" {
						t.Errorf("after the change:\n%s", d)
					}
					w.quiet(t, c.change.declared, rules)
					return
				}
				// All of it declared, and nothing ignored, is what is there.
				if p := w.plan(t, records(c.zone), true, nil); slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Reaches() && c.Differs() }) {
					t.Errorf("declared as a whole it is to change: %v", w.changes(p))
				}
			})
		}
	}
}

// quiet tests that a second plan is empty.
func (w *smallWorld) quiet(t *testing.T, declared records, rules []*ignore.Rule) {
	t.Helper()
	if p := w.plan(t, declared, true, rules); !p.Empty() {
		t.Errorf("the next plan is not empty: %v", w.changes(p))
	}
}

// What nobody declares stays where the zone is not exclusive, and goes where it is.
func TestExclusive(t *testing.T) {
	w := newSmallWorld(t, mainZone, false)
	if p := w.plan(t, "bar A 5.5.5.5\n", false, nil); len(w.changes(p)) != 1 || len(p.Foreign) != 3 { // bar is taken over
		t.Errorf("changes %v, foreign %v", w.changes(p), p.Foreign)
	}
	p := w.plan(t, "bar A 5.5.5.5\n", true, nil)
	w.apply(p)
	if got := w.lines(); len(got) != 1 || len(p.Foreign) != 0 {
		t.Errorf("left: %v, foreign %v", got, p.Foreign)
	}
	w.quiet(t, "bar A 5.5.5.5\n", nil)
}

// A large part of a zone does not go unasked, also where nobody of ours made it.
func TestExclusiveBrakes(t *testing.T) {
	var zone strings.Builder
	for i := range 20 {
		fmt.Fprintf(&zone, "r%d A 192.0.2.%d\n", i, i)
	}
	zone.WriteString("@ MX 10 r1\n")
	w := newSmallWorld(t, records(zone.String()), false)
	p := w.plan(t, "r0 A 192.0.2.0\n", true, nil)
	if got := p.Unconfirmed(); !slices.Equal(got, []string{"mx:example.com", "records:example.com"}) {
		t.Errorf("brakes: %v", got)
	}
	if p := w.plan(t, "r0 A 192.0.2.0\n", true, rulesOf(t, "name=r*", "type=MX")); len(p.Brakes) != 0 {
		t.Errorf("what is ignored has brakes: %v", p.Brakes)
	}
}

// A name has one CNAME: that of somebody else does not stay beside ours.
func TestIgnoredInTheWay(t *testing.T) {
	w := newSmallWorld(t, "www CNAME a.example.net.\n", false)
	in := plan.Input{Prior: w.prior, Observed: map[string][]providers.Observed{"embedded": slices.Collect(maps.Values(w.things))},
		Zones: []*ignore.Zone{{Target: "embedded", Name: ignoreZone, Address: "zone.z", Rules: rulesOf(t, "value=a.example.net")}}}
	for key, attrs := range records("www CNAME b.example.net.\n").sets(t) {
		in.Desired = append(in.Desired, schema.Resource{Address: address(key), Kind: schema.KindRRset, Target: "embedded", Key: key, Attrs: attrs})
	}
	if _, diags := plan.Make(in); len(diags) != 1 || !strings.Contains(diags.Error(), "www.example.com is to be a CNAME to b.example.net., and is one to a.example.net.") {
		t.Errorf("got %v", diags)
	}
}

// What is ignored and has changed is no drift.
func TestIgnoredIsNoDrift(t *testing.T) {
	w := newSmallWorld(t, "@ TXT google-a\n@ TXT v=spf1 -all\n", true)
	rules := rulesOf(t, "value=google-*")
	key := "example.com/example.com./TXT"
	o := w.things[key]
	o.Attrs = records("@ TXT google-b\n@ TXT v=spf1 -all\n").sets(t)[key]
	w.things[key] = o
	p := w.plan(t, "@ TXT v=spf1 -all\n", false, rules)
	if !p.Empty() || len(p.Drift) != 0 {
		t.Errorf("changes %v, drift %v", w.changes(p), p.Drift)
	}
	if len(p.Foreign) != 1 || !slices.Equal(p.Foreign[0].Values, []string{"google-b"}) {
		t.Errorf("foreign: %v", p.Foreign)
	}
}
