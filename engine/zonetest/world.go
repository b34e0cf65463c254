package zonetest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A world is a directory of files, its state, and what the zone has by now.
type world struct {
	sys   System
	zone  rdata.Name
	dir   string
	state state.Memory
	// has is what the last step made; soa the lines about the zone itself.
	has content
	soa string
}

func newWorld(t *testing.T, sys System) *world {
	t.Helper()
	zone, err := rdata.ParseName(sys.Zone)
	if err != nil {
		t.Fatal(err)
	}
	return &world{sys: sys, zone: zone, dir: t.TempDir(), has: content{}}
}

// begin empties the zone, whatever it has and whoever made it.
func (w *world) begin(t *testing.T) {
	t.Helper()
	w.write(t, providertest.ZoneStep{Zone: "  exclusive  = true"})
	w.apply(t)
	w.empty(t)
	w.has, w.soa = w.content(t, providertest.ZoneStep{}), ""
}

// take makes the zone what a step says, and looks at it from all sides.
func (w *world) take(t *testing.T, s providertest.ZoneStep) {
	w.write(t, s)
	if s.Refused != "" {
		w.refused(t, s.Refused)
		return
	}
	want := w.content(t, s)
	changed := w.has.differs(want)
	if soa := s.Zone != w.soa; s.Same == (len(changed) > 0 || soa) {
		t.Fatalf("this step is not what it says: it changes %v", changed)
	}
	if diff := cmp.Diff(changed, w.apply(t), cmpEmpty); diff != "" {
		t.Errorf("the plan changes something else (-want +got):\n%s", diff)
	}
	declared := w.content(t, providertest.ZoneStep{Sets: s.Sets})
	for k := range declared {
		declared[k] = want[k] // with what is kept beside it
	}
	if diff := cmp.Diff(declared, w.empty(t)); diff != "" {
		t.Errorf("what is read is not what is declared (-want +got):\n%s", diff)
	}
	w.live(t, want)
	w.has, w.soa = want, s.Zone
}

// cmpEmpty takes nil and an empty list for the same.
var cmpEmpty = cmp.Transformer("list", func(list []key) []string {
	out := []string{}
	for _, k := range list {
		out = append(out, string(k.name)+" "+k.rrtype)
	}
	return out
})

// write writes the files of a step.
func (w *world) write(t *testing.T, s providertest.ZoneStep) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "main.mf.hcl"), []byte(w.config(s)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// plan reads the files and plans. The session has to be closed.
func (w *world) plan(t *testing.T) (*engine.Session, *plan.Plan, hcl.Diagnostics) {
	t.Helper()
	ws := &engine.Workspace{Dir: w.dir, Version: w.sys.Version, NewProvider: w.sys.NewProvider}
	module, diags := ws.Load(config.Options{})
	if diags.HasErrors() {
		return nil, nil, diags
	}
	s, err := ws.Open(t.Context(), module, engine.Options{Backend: &w.state, Operation: "test"})
	if err != nil {
		t.Fatal(err)
	}
	p, diags := s.Plan(t.Context(), engine.PlanOptions{Confirm: []string{plan.ConfirmAll}})
	if diags.HasErrors() {
		s.Close()
		return nil, nil, diags
	}
	return s, p, nil
}

// apply plans and applies, and returns which record sets that changes.
func (w *world) apply(t *testing.T) []key {
	t.Helper()
	s, p, diags := w.plan(t)
	if diags.HasErrors() {
		t.Fatalf("plan: %s", text(diags))
	}
	defer s.Close()
	if _, diags := s.Apply(t.Context(), engine.ApplyOptions{Plan: p}); diags.HasErrors() {
		t.Fatalf("apply: %s", text(diags))
	}
	changed := map[key]bool{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if !c.Reaches() || c.Action == plan.Forget { // which takes a mark away and nothing else
			continue
		}
		for _, id := range []schema.ID{c.ID, c.PrevID} {
			if id.Kind == schema.KindRRset {
				changed[keyOf(id.Key)] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(changed), key.compare)
}

// empty checks that there is nothing more to do, and returns what the plan has
// read.
func (w *world) empty(t *testing.T) content {
	t.Helper()
	s, p, diags := w.plan(t)
	if diags.HasErrors() {
		t.Fatalf("plan again: %s", text(diags))
	}
	defer s.Close()
	has := content{}
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.Action != plan.NoOp {
			t.Errorf("after the apply there is still to do: %s %s %s\nbefore %#v\nafter  %#v", c.Action, c.ID.Kind, c.ID.Key, c.Before, c.After)
		}
		if c.ID.Kind == schema.KindRRset && !c.Before.IsNull() {
			has[keyOf(c.ID.Key)] = observed(c.Before)
		}
	}
	for _, f := range p.Foreign {
		if f.ID.Kind == schema.KindRRset && f.Ignored == "" && strings.HasPrefix(f.ID.Key, w.zone.Host()+"/") {
			t.Errorf("after the apply there is something foreign: %s", f.ID.Key)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return has
}

// refused expects that files are refused, and that nothing has changed.
func (w *world) refused(t *testing.T, words string) {
	t.Helper()
	s, _, diags := w.plan(t)
	if !diags.HasErrors() {
		s.Close()
		t.Fatalf("it was taken; expected is an error about %q", words)
	}
	if !strings.Contains(text(diags), words) {
		t.Errorf("the error does not say %q: %s", words, text(diags))
	}
	w.live(t, w.has)
}

// stale changes a record set between a plan and its apply.
func (w *world) stale(t *testing.T) {
	if w.sys.Edit == nil {
		t.Skip("the system has no other way in")
	}
	w.begin(t)
	www := providertest.Set{Name: "www", Type: "A", TTL: "5m", Values: []string{"192.0.2.1"}}
	other := providertest.Set{Name: "other", Type: "A", TTL: "5m", Values: []string{"192.0.2.1"}}
	w.take(t, providertest.ZoneStep{Sets: []providertest.Set{www, other}})

	theirs := www
	theirs.Values, www.Values, other.Values = []string{"192.0.2.66"}, []string{"192.0.2.2"}, []string{"192.0.2.2"}
	w.write(t, providertest.ZoneStep{Sets: []providertest.Set{www, other}})
	s, p, diags := w.plan(t)
	if diags.HasErrors() {
		t.Fatal(text(diags))
	}
	defer s.Close()
	w.sys.Edit(t, w.zone, theirs)
	_, diags = s.Apply(t.Context(), engine.ApplyOptions{Plan: p})
	if !diags.HasErrors() {
		t.Fatal("the apply went through")
	}
	if !strings.Contains(text(diags), "changed since the plan was made") || !strings.Contains(text(diags), "www") {
		t.Errorf("the error does not tell what has changed: %s", text(diags))
	}
	// Theirs is there, and nothing of ours.
	other.Values = []string{"192.0.2.1"}
	w.live(t, w.content(t, providertest.ZoneStep{Sets: []providertest.Set{theirs, other}}))
	w.begin(t)
}

// end takes the zone away.
func (w *world) end(t *testing.T) {
	w.write(t, providertest.ZoneStep{})
	config := w.sys.Config
	if err := os.WriteFile(filepath.Join(w.dir, "main.mf.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w.apply(t)
	s, p, diags := w.plan(t)
	if diags.HasErrors() {
		t.Fatalf("plan again: %s", text(diags))
	}
	defer s.Close()
	if !p.Empty() {
		t.Errorf("after the apply there is still to do: %s", p.Summary())
	}
}

// observed is a record set as a provider has read it.
func observed(attrs cty.Value) rrset {
	ttl, _ := attrs.GetAttr("ttl").AsBigFloat().Uint64()
	set := rrset{TTL: uint32(ttl)}
	for _, v := range attrs.GetAttr("values").AsValueSlice() {
		set.Values = append(set.Values, v.AsString())
	}
	return set
}

func text(diags hcl.Diagnostics) string {
	var lines []string
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			lines = append(lines, d.Summary+": "+d.Detail)
		}
	}
	return strings.Join(lines, "\n")
}
