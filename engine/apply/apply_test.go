package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func everything() []schema.Resource {
	return []schema.Resource{
		domain(), mailbox("alice", 1), mailbox("bob", 1), dkim(2048),
		record("key", "TXT", `$domain.example.dkim["s1"]`, `domain.example.dkim["s1"]`),
		record("mail", "A", "192.0.2.1"), record("mx", "MX", "10 mail."),
	}
}

func TestAValueBornInApplyIsUsedInTheSameApply(t *testing.T) {
	b := newBench(t, "mail", "dns")
	b.desired = everything()
	sum := b.apply(plan.Normal)
	if want := (apply.Summary{Added: 7}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	rec := b.systems["dns"].things[schema.ID{Target: "dns", Kind: schema.KindRRset, Key: "key/TXT"}]
	if v := rec.Attrs.GetAttr("values").AsValueSlice()[0]; !strings.HasPrefix(v.AsString(), "v=DKIM1; p=KEY") {
		t.Errorf("the record says %#v", v)
	}
	b.settled()
	for id, r := range b.backend.state.Resources {
		if strings.Contains(fmt.Sprintf("%#v", r.Attrs), "secret of") {
			t.Errorf("the state of %v holds a secret", id)
		}
	}
}

func TestOrderProtectsMail(t *testing.T) {
	b := newBench(t, "mail", "dns")
	b.desired = everything()
	b.apply(plan.Normal)
	before := func(events []string, first, second string) {
		t.Helper()
		i, j := slices.Index(events, first), slices.Index(events, second)
		if i < 0 || j < 0 || i > j {
			t.Errorf("%q does not come before %q in %q", first, second, events)
		}
	}
	before(b.events, "done create domain.example.maildomain", "start create user.alice.mailbox")
	before(b.events, "done create user.alice.mailbox", "start create record.mail")
	before(b.events, "done create record.mail", "start create record.mx")
	b.apply(plan.Destroy)
	before(b.events, "done delete record.mx", "start delete record.mail")
	before(b.events, "done delete record.mail", "start delete user.alice.mailbox")
	before(b.events, "done delete user.alice.mailbox", "start delete domain.example.maildomain")
	if len(b.backend.state.Resources) != 0 || len(b.systems["mail"].things) != 0 {
		t.Errorf("destroy has left %v and %v", b.backend.state.Resources, b.systems["mail"].things)
	}
}

func TestABatchIsOneWrite(t *testing.T) {
	b := newBench(t, "mail")
	for i := range 500 {
		b.desired = append(b.desired, mailbox(fmt.Sprint("u", i), 1))
	}
	b.apply(plan.Normal)
	if b.backend.writes != 1 {
		t.Errorf("500 mailboxes in one batch took %d writes", b.backend.writes)
	}
	b.backend.writes = 0
	b.apply(plan.Normal)
	if b.backend.writes != 0 {
		t.Errorf("an empty plan took %d writes", b.backend.writes)
	}
}

func TestWhatConcernsTheStateAloneReachesNoProvider(t *testing.T) {
	b := newBench(t, "mail")
	b.desired = []schema.Resource{mailbox("alice", 1), mailbox("bob", 1), mailbox("carol", 1), mailbox("dave", 1), mailbox("erin", 1)}
	b.apply(plan.Normal)
	s := b.systems["mail"]

	// alice is renamed, bob has gone and is not wanted, carol was lost from the
	// state, dave too and without our mark, erin is protected now.
	b.desired[0].Address = "user.al.mailbox"
	b.desired = slices.Delete(b.desired, 1, 2)
	b.desired[3].PreventDestroy = true
	delete(s.things, idOf("bob"))
	delete(b.backend.state.Resources, idOf("carol"))
	delete(b.backend.state.Resources, idOf("dave"))
	o := s.things[idOf("dave")]
	o.Owner = ""
	s.things[idOf("dave")] = o
	s.before = func(batch []providers.Change) { t.Errorf("the provider got %v", batch) }

	sum := b.apply(plan.Normal)
	if want := (apply.Summary{Imported: 1, Forgotten: 1}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	b.settled()
	if a := b.backend.state.Resources[idOf("alice")].Address; a != "user.al.mailbox" {
		t.Errorf("alice is at %s", a)
	}
	if !b.backend.state.Resources[idOf("erin")].PreventDestroy {
		t.Error("the state does not know that erin is protected")
	}
}

func TestReplace(t *testing.T) {
	b := newBench(t, "mail", "dns")
	b.desired = everything()
	b.apply(plan.Normal)
	// Another mailbox in the place of alice, and another key under the same name.
	b.desired[1].Key, b.desired[3] = "alicia@example.com", dkim(4096)
	sum := b.apply(plan.Normal)
	if want := (apply.Summary{Added: 2, Changed: 1, Destroyed: 2}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	made := slices.Index(b.events, "done create user.alice.mailbox")
	gone := slices.Index(b.events, "start delete user.alice.mailbox")
	if made < 0 || gone < made {
		t.Errorf("the old mailbox went before the new one came: %q", b.events)
	}
	b.settled()
}

// A name is never seen with a CNAME and other records, nor without any.
func TestACNAMEMakesRoomInTheSameBatch(t *testing.T) {
	called := func(r schema.Resource, label string) schema.Resource {
		r.Address = "record." + label
		return r
	}
	address, alias, text := record("www", "A", "x"), record("www", "CNAME", "y"), record("www", "TXT", "z")
	for name, c := range map[string]struct{ start, desired []schema.Resource }{
		"in one block":            {[]schema.Resource{address}, []schema.Resource{alias}},
		"back":                    {[]schema.Resource{alias}, []schema.Resource{address}},
		"in another block":        {[]schema.Resource{address}, []schema.Resource{called(alias, "alias")}},
		"for several":             {[]schema.Resource{alias}, []schema.Resource{called(address, "a"), called(text, "t")}},
		"for several, and itself": {[]schema.Resource{called(address, "a"), text}, []schema.Resource{called(alias, "a")}},
		"in a block that had another name": {
			[]schema.Resource{alias, called(record("new", "A", "x"), "b")}, []schema.Resource{called(record("other", "CNAME", "y"), "www"), called(address, "b")}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "dns")
			b.desired = c.start
			b.apply(plan.Normal)
			var batches [][]string
			b.systems["dns"].before = func(batch []providers.Change) {
				var list []string
				for _, c := range batch {
					if strings.HasPrefix(c.Resource.Key, "www/") {
						list = append(list, string(c.Action))
					}
				}
				if len(list) > 0 {
					batches = append(batches, list)
				}
			}
			b.desired = c.desired
			b.apply(plan.Normal)
			if len(batches) != 1 || batches[0][0] != "delete" || batches[0][len(batches[0])-1] != "create" {
				t.Errorf("what was done at the name: %q", batches)
			}
			b.settled()
		})
	}
}

func TestRefreshOnlyTakesOverWhatDrifted(t *testing.T) {
	b := newBench(t, "mail")
	b.desired = []schema.Resource{mailbox("alice", 1), mailbox("bob", 1)}
	b.apply(plan.Normal)
	s := b.systems["mail"]
	s.things[idOf("alice")] = providers.Observed{Kind: schema.KindMailbox, Key: "alice@example.com", Attrs: mailbox("alice", 9).Attrs, Revision: "x"}
	delete(s.things, idOf("bob"))
	sum := b.apply(plan.RefreshOnly)
	if want := (apply.Summary{Forgotten: 1}); sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	if q := b.backend.state.Resources[idOf("alice")].Attrs.GetAttr("quota"); !q.RawEquals(cty.NumberIntVal(9)) {
		t.Errorf("the state has quota %#v", q)
	}
	if len(b.backend.state.Resources) != 1 {
		t.Errorf("the state still has %d resources", len(b.backend.state.Resources))
	}
	if len(s.things) != 1 || s.next != 2 {
		t.Error("something was changed")
	}
}

// A failure is what goes wrong in one run, and what becomes of it.
func TestAFailureHoldsUpOnlyWhatDependsOnIt(t *testing.T) {
	errNo := errors.New("the disk is full")
	for name, c := range map[string]struct {
		start   []schema.Resource // applied before
		desired []schema.Resource
		breaks  func(*bench)
		saved   bool
		want    apply.Summary
		diags   []string // parts of the diagnostics, in order
		events  []string // that must be among them
	}{
		"one mailbox of two": {
			desired: []schema.Resource{domain(), mailbox("alice", 1), mailbox("bob", 1), record("mx", "MX", "x")},
			breaks:  func(b *bench) { b.systems["mail"].refuse["bob@example.com"] = errNo },
			want:    apply.Summary{Added: 3, Failed: 1},
			diags:   []string{"Cannot create; user.bob.mailbox: the disk is full"},
			events:  []string{"done create record.mx"},
		},
		"what depends on it, over two steps": {
			desired: []schema.Resource{mailbox("alice", 1), mailbox("bob", 1, "user.alice.mailbox"), mailbox("carol", 1, "user.bob.mailbox"), mailbox("dave", 1)},
			breaks:  func(b *bench) { b.systems["mail"].refuse["alice@example.com"] = errNo },
			want:    apply.Summary{Added: 1, Failed: 1, Skipped: 2},
			diags:   []string{"Cannot create; user.alice.mailbox"},
			events:  []string{"skip create user.bob.mailbox: user.alice.mailbox was not done", "skip create user.carol.mailbox: user.bob.mailbox was not done"},
		},
		"a domain, so that no MX may point to it": {
			desired: []schema.Resource{domain(), mailbox("alice", 1), record("mail", "A", "x"), record("mx", "MX", "x")},
			breaks:  func(b *bench) { b.systems["mail"].refuse["example.com"] = errNo },
			want:    apply.Summary{Added: 2, Failed: 1, Skipped: 1},
			diags:   []string{"Cannot create; domain.example.maildomain"},
			events:  []string{"skip create record.mx: domain.example.maildomain was not done, and mail could go astray", "done create record.mail"},
		},
		"an MX, so that nothing it may still point to is taken away": {
			start:   []schema.Resource{domain(), mailbox("alice", 1), record("mx", "MX", "old")},
			desired: []schema.Resource{domain(), record("mx", "MX", "new")},
			breaks:  func(b *bench) { b.systems["dns"].refuse["mx/MX"] = errNo },
			want:    apply.Summary{Failed: 1, Skipped: 1},
			diags:   []string{"Cannot update; record.mx"},
			events:  []string{"skip delete user.alice.mailbox: record.mx was not done, and mail could go astray"},
		},
		"what was to make room for a CNAME": {
			start:   []schema.Resource{record("www", "A", "x"), record("mail", "A", "x")},
			desired: []schema.Resource{record("www", "CNAME", "y"), record("mail", "A", "y")},
			breaks:  func(b *bench) { b.systems["dns"].refuse["mail/A"] = errNo },
			want:    apply.Summary{Failed: 1, Skipped: 2},
			diags:   []string{"Cannot update; record.mail"},
			events:  []string{"skip delete record.www: record.mail was not done, and mail could go astray"},
		},
		"a whole target": {
			desired: []schema.Resource{domain(), mailbox("alice", 1), mailbox("bob", 1), record("mail", "A", "x")},
			breaks:  func(b *bench) { b.systems["mail"].cut = 1 },
			want:    apply.Summary{Added: 1, Failed: 1, Skipped: 2},
			diags:   []string{"Cannot create; domain.example.maildomain: the connection was cut"},
			events:  []string{"done create record.mail"},
		},
		"a batch that is cut half-way": {
			desired: []schema.Resource{mailbox("alice", 1), mailbox("bob", 1), mailbox("carol", 1)},
			breaks:  func(b *bench) { b.systems["mail"].cut = 2 },
			want:    apply.Summary{Added: 1, Failed: 2},
			diags:   []string{"Cannot create; user.bob.mailbox, user.carol.mailbox: the connection was cut"},
		},
		"the process of a target": {
			desired: []schema.Resource{
				thing("embedded.process", "mail", schema.KindProcess, "/srv", map[string]cty.Value{"running": cty.True}),
				domain(), record("mail", "A", "x"),
			},
			breaks: func(b *bench) { b.systems["mail"].refuse["/srv"] = errNo },
			want:   apply.Summary{Added: 1, Failed: 1, Skipped: 1},
			diags:  []string{"Cannot create; embedded.process"},
			events: []string{"skip create domain.example.maildomain: embedded.process failed"},
		},
		"a key, whose record cannot be written then": {
			desired: []schema.Resource{dkim(2048), record("key", "TXT", `$domain.example.dkim["s1"]`)},
			breaks:  func(b *bench) { b.systems["mail"].refuse["example.com/s1"] = errNo },
			want:    apply.Summary{Failed: 1, Skipped: 1},
			diags:   []string{"Cannot create; domain.example.dkim"},
			events:  []string{"skip create record.key: its values are not known, because something before it was not done"},
		},
		"something that was changed meanwhile": {
			start:   []schema.Resource{mailbox("alice", 1), mailbox("bob", 1)},
			desired: []schema.Resource{mailbox("alice", 2), mailbox("bob", 2)},
			breaks: func(b *bench) {
				b.systems["mail"].refuse["bob@example.com"] = fmt.Errorf("x: %w", providers.ErrConflict)
			},
			want:  apply.Summary{Changed: 1, Failed: 1},
			diags: []string{"Changed since the plan was made; user.bob.mailbox: not done"},
		},
		"the same in a saved plan": {
			start:   []schema.Resource{mailbox("bob", 1)},
			desired: []schema.Resource{mailbox("bob", 2)},
			breaks:  func(b *bench) { b.systems["mail"].refuse["bob@example.com"] = providers.ErrConflict },
			saved:   true,
			want:    apply.Summary{Failed: 1},
			diags:   []string{"Saved plan is stale; user.bob.mailbox: not done"},
		},
		"a replacement that cannot be made keeps the old thing": {
			start:   []schema.Resource{mailbox("alice", 1)},
			desired: []schema.Resource{{Address: "user.alice.mailbox", Target: "mail", Kind: schema.KindMailbox, Key: "new@example.com", Attrs: mailbox("new", 1).Attrs}},
			breaks:  func(b *bench) { b.systems["mail"].refuse["new@example.com"] = errNo },
			want:    apply.Summary{Failed: 1, Skipped: 1},
			diags:   []string{"Cannot create; user.alice.mailbox"},
			events:  []string{"skip delete user.alice.mailbox: another part of it was not done"},
		},
		"a deletion, so that what it depends on stays": {
			start:  []schema.Resource{domain(), mailbox("alice", 1, "domain.example.maildomain")},
			breaks: func(b *bench) { b.systems["mail"].refuse["alice@example.com"] = errNo },
			want:   apply.Summary{Failed: 1, Skipped: 1},
			diags:  []string{"Cannot delete; user.alice.mailbox"},
			events: []string{"skip delete domain.example.maildomain: user.alice.mailbox was not destroyed"},
		},
		"a provider that says nothing": {
			desired: []schema.Resource{mailbox("alice", 1)},
			breaks:  func(b *bench) { b.systems["mail"].mute["alice@example.com"] = true },
			want:    apply.Summary{Failed: 1},
			diags:   []string{"bug in the provider"},
		},
		"a provider that does something else": {
			desired: []schema.Resource{record("www", "A", "x")},
			breaks:  func(b *bench) { b.systems["dns"].spoil["www/A"] = true },
			want:    apply.Summary{Failed: 1},
			diags:   []string{"Unexpected result of a change; record.www: the provider left it otherwise than it was told: ttl differs"},
		},
		"the state": {
			desired: []schema.Resource{domain(), mailbox("alice", 1)},
			breaks:  func(b *bench) { b.backend.fail = b.backend.writes + 1 },
			want:    apply.Summary{Added: 1, Skipped: 1},
			diags:   []string{"Cannot write the state; 1 changes were made"},
			events:  []string{"skip create user.alice.mailbox: the state cannot be written"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "mail", "dns")
			b.desired = c.start
			b.apply(plan.Normal)
			b.desired, b.saved = c.desired, c.saved
			c.breaks(b)
			sum, diags := b.run(t.Context(), b.plan(plan.Normal))
			if sum != c.want {
				t.Errorf("got %+v, want %+v; %q", sum, c.want, b.events)
			}
			if len(diags) != len(c.diags) {
				t.Errorf("got %d diagnostics: %v", len(diags), diags)
			}
			for i, want := range c.diags {
				if i < len(diags) && !strings.Contains(diags[i].Summary+"; "+diags[i].Detail, want) {
					t.Errorf("got %q, want %q", diags[i].Summary+"; "+diags[i].Detail, want)
				}
			}
			for _, want := range c.events {
				if !slices.Contains(b.events, want) {
					t.Errorf("%q is not among %q", want, b.events)
				}
			}
			// Once the reason is gone, the next plan and apply go on.
			for _, s := range b.systems {
				*s = system{target: s.target, things: s.things, next: s.next}
			}
			b.apply(plan.Normal)
			b.settled()
		})
	}
}

func TestACancelledRunFinishesWhatItBegan(t *testing.T) {
	b := newBench(t, "mail", "dns")
	b.desired = everything()
	ctx, cancel := context.WithCancel(t.Context())
	b.systems["mail"].before = func([]providers.Change) { cancel() }
	sum, diags := b.run(ctx, b.plan(plan.Normal))
	if !sum.Cancelled || sum.Added == 0 || sum.Added+sum.Skipped != 7 || !diags.HasErrors() {
		t.Errorf("got %+v, %v", sum, diags)
	}
	if got := len(b.systems["mail"].things) + len(b.systems["dns"].things); got != sum.Added || len(b.backend.state.Resources) != got {
		t.Errorf("%d are there, the state knows %d, the summary says %d", got, len(b.backend.state.Resources), sum.Added)
	}
	b.systems["mail"].before = nil
	b.apply(plan.Normal)
	b.settled()
}

func TestAStalePlanChangesNothing(t *testing.T) {
	b := newBench(t, "mail")
	b.desired = []schema.Resource{mailbox("alice", 1)}
	p := b.plan(plan.Normal)
	if err := b.backend.Append(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b.systems["mail"].before = func([]providers.Change) { t.Error("the provider was called") }
	sum, diags := b.run(t.Context(), p)
	if sum != (apply.Summary{Cancelled: true}) || len(diags) != 1 || diags[0].Summary != "Saved plan is stale" {
		t.Errorf("got %+v, %v", sum, diags)
	}
	if sum.Complete() { // or "Apply complete!" would be said
		t.Error("what was not begun passes for complete")
	}
}

func TestAResolvedResourceMustBeWhatWasPlanned(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*schema.Resource)
		want   string
	}{
		"another key":       {func(r *schema.Resource) { r.Key = "other" }, "it was to be the rrset key/TXT at dns, and is the rrset other"},
		"another TTL":       {func(r *schema.Resource) { r.Attrs = with(r.Attrs, "ttl", cty.NumberIntVal(7)) }, "ttl is another than was planned"},
		"nothing new known": {func(r *schema.Resource) { r.Attrs = with(r.Attrs, "values", cty.UnknownVal(cty.List(cty.String))) }, "values is still not known"},
	} {
		b := newBench(t, "mail", "dns")
		b.desired = everything()
		p := b.plan(plan.Normal)
		sum, diags := apply.Run(t.Context(), apply.Options{
			Plan: p, Backend: b.backend,
			Providers: map[string]providers.Provider{"mail": b.systems["mail"], "dns": b.systems["dns"]},
			Resolve: func(known map[schema.ID]cty.Value) (map[string]schema.Resource, hcl.Diagnostics) {
				out := map[string]schema.Resource{}
				for _, r := range b.expand(known) {
					if r.Address == "record.key" {
						c.change(&r)
					}
					out[r.Address] = r
				}
				return out, nil
			},
		})
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, c.want) || sum.Skipped != 1 {
			t.Errorf("%s: got %+v, %v", name, sum, diags)
		}
	}
}

func with(v cty.Value, name string, to cty.Value) cty.Value {
	m := v.AsValueMap()
	m[name] = to
	return cty.ObjectVal(m)
}

func TestAPlanFromAFileIsNotApplied(t *testing.T) {
	b := newBench(t, "mail")
	b.desired = []schema.Resource{mailbox("alice", 1)}
	p := b.plan(plan.Normal)
	p.Changes[0].Wanted = nil
	if _, diags := b.run(t.Context(), p); !diags.HasErrors() {
		t.Error("it was applied")
	}
}

func TestOutputsAreWrittenAtTheEnd(t *testing.T) {
	b := newBench(t, "mail")
	p := b.plan(plan.Normal)
	p.Outputs = []plan.OutputChange{
		{Name: "a", Action: plan.Create, Before: cty.NullVal(cty.DynamicPseudoType), After: cty.StringVal("x")},
		{Name: "s", Action: plan.Create, Before: cty.NullVal(cty.DynamicPseudoType), After: cty.NullVal(cty.DynamicPseudoType), Sensitive: true},
		{Name: "gone", Action: plan.Delete, Before: cty.True, After: cty.NullVal(cty.DynamicPseudoType)},
	}
	if _, diags := b.run(t.Context(), p); diags.HasErrors() {
		t.Fatal(diags)
	}
	want, err := state.NewOutput(cty.StringVal("x"), false)
	if err != nil {
		t.Fatal(err)
	}
	out := b.backend.state.Outputs
	if len(out) != 2 || string(out["a"].Value) != string(want.Value) || !out["s"].Sensitive || out["s"].Value != nil {
		t.Errorf("got %v", out)
	}
}
