package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/zclconf/go-cty/cty"
)

const sameWorld = `
-- desired --
user.alice.mailbox embedded mailbox a@b {"address":"a@b","quota":1,"password_hash":["SECRET"]}
user.bob.mailbox embedded mailbox b@b {"address":"b@b","quota":1}
-- state --
user.alice.mailbox embedded mailbox a@b {"address":"a@b","quota":5,"password_hash":["SECRET"]}
user.carol.mailbox embedded mailbox c@b {"address":"c@b","quota":5}
-- observed --
embedded mailbox a@b {"address":"a@b","quota":5,"password_hash":["SECRET"],"messages":3} revision=1
embedded mailbox c@b {"address":"c@b","quota":5,"messages":3} revision=1
`

func TestASavedPlanIsStaleOnceAnythingItSaysIsOther(t *testing.T) {
	attr := func(v cty.Value, name string, to cty.Value) cty.Value {
		m := v.AsValueMap()
		m[name] = to
		return cty.ObjectVal(m)
	}
	for name, c := range map[string]struct {
		change func(*plan.Input)
		want   string // empty: still the same
	}{
		"nothing": {func(*plan.Input) {}, ""},
		"mail has arrived": {func(in *plan.Input) {
			for i := range in.Observed["embedded"] {
				o := &in.Observed["embedded"][i]
				o.Attrs = attr(o.Attrs, "messages", cty.NumberIntVal(99))
			}
		}, ""},
		"the same in another order":     {func(in *plan.Input) { slices.Reverse(in.Desired) }, ""},
		"the state has been written to": {func(in *plan.Input) { in.Prior.Serial++ }, "serial 8"},
		"it is another state":           {func(in *plan.Input) { in.Prior.Lineage = "x" }, "another state"},
		"the files want another quota": {func(in *plan.Input) {
			in.Desired[0].Attrs = attr(in.Desired[0].Attrs, "quota", cty.NumberIntVal(2))
		}, "quota = 2 is wanted, and was 1"},
		"the password is another": {func(in *plan.Input) {
			in.Desired[0].Attrs = attr(in.Desired[0].Attrs, "password_hash", cty.ListVal([]cty.Value{cty.StringVal("SECRET2")}))
		}, "another password_hash is wanted"},
		"there is one more block": {func(in *plan.Input) {
			r := in.Desired[0]
			r.Address, r.Key = "user.dave.mailbox", "d@b"
			in.Desired = append(in.Desired, r)
		}, "user.dave.mailbox: to create now"},
		"a block is gone": {func(in *plan.Input) { in.Desired = in.Desired[:1] }, "user.bob.mailbox: no longer to create"},
		"what is to be changed was changed": {func(in *plan.Input) {
			in.Observed["embedded"][0].Revision = "2"
		}, "user.alice.mailbox: somebody has written"},
		"what is to be deleted was changed": {func(in *plan.Input) {
			in.Observed["embedded"][1].Revision = "2"
		}, "user.carol.mailbox: somebody has written"},
		"what is to be deleted is gone": {func(in *plan.Input) {
			in.Observed["embedded"] = in.Observed["embedded"][:1]
		}, "user.carol.mailbox: to forget now"},
		"another mode":   {func(in *plan.Input) { in.Mode = plan.Destroy }, "mode normal, not destroy"},
		"another target": {func(in *plan.Input) { in.Targets = []string{"user"} }, "targets"},
		"another output": {func(in *plan.Input) {
			in.Outputs = []config.Output{{Name: "x", Value: cty.True}}
		}, "outputs"},
	} {
		saved, diags := plan.Make(world(t, []byte(sameWorld)))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		in := world(t, []byte(sameWorld))
		c.change(&in)
		now, diags := plan.Make(in)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", name, diags)
		}
		diff, same := plan.Same(saved, now)
		if same != (c.want == "") || !strings.Contains(diff, c.want) || same != (diff == "") {
			t.Errorf("%s: got %v, %q, want %q", name, same, diff, c.want)
		}
		if strings.Contains(diff, "SECRET") {
			t.Errorf("%s: it tells a secret: %s", name, diff)
		}
	}
}

func TestAPlanFromBeforeTheFirstWriteHasNoLineage(t *testing.T) {
	a, b := &plan.Plan{Mode: plan.Normal}, &plan.Plan{Mode: plan.Normal, Lineage: "made by apply"}
	if diff, same := plan.Same(a, b); !same {
		t.Error(diff)
	}
	b.Serial = 1
	if _, same := plan.Same(a, b); same {
		t.Error("a state with a write is taken for one without")
	}
}
