package text_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var _ apply.Observer = (*text.Progress)(nil)

func TestProgress(t *testing.T) {
	c := &plan.Change{
		Address: "user.alice.mailbox",
		ID:      schema.ID{Key: "alicia@example.com"}, PrevID: schema.ID{Key: "alice@example.com"},
	}
	var b strings.Builder
	p := text.NewProgress(&b, text.Style{})
	for _, a := range []providers.Action{providers.Create, providers.Update, providers.Delete} {
		p.Started(c, a)
		p.Completed(c, a)
		p.Failed(c, a, errors.New("x"))
	}
	p.Skipped(c, providers.Create, "why")
	p.Close()
	want := `user.alice.mailbox: Creating...
user.alice.mailbox: Creation complete [id=alicia@example.com]
user.alice.mailbox: Creation failed
user.alice.mailbox: Modifying... [id=alicia@example.com]
user.alice.mailbox: Modifications complete [id=alicia@example.com]
user.alice.mailbox: Modification failed
user.alice.mailbox: Destroying... [id=alice@example.com]
user.alice.mailbox: Destruction complete
user.alice.mailbox: Destruction failed
user.alice.mailbox: Skipped: why
`
	if d := cmp.Diff(want, b.String()); d != "" || p.Err() != nil {
		t.Error(d, p.Err())
	}
}

// A line is not kept back for long: somebody waits for it.
func TestProgressComesSoon(t *testing.T) {
	lines := make(chan string, 10)
	p := text.NewProgress(chanWriter(lines), text.Style{})
	for _, address := range []string{"a", "b"} {
		p.Started(&plan.Change{Address: address}, providers.Create)
	}
	for got, want := "", "a: Creating...\nb: Creating...\n"; got != want; {
		select {
		case more := <-lines:
			got += more
		case <-time.After(time.Minute):
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	p.Close()
	p.Completed(&plan.Change{Address: "c"}, providers.Create)
	p.Close()
	if got := <-lines; got != "c: Creation complete [id=]\n" {
		t.Errorf("got %q", got)
	}
}

// A chanWriter hands on each write.
type chanWriter chan string

func (c chanWriter) Write(b []byte) (int, error) {
	c <- string(b)
	return len(b), nil
}

func TestApplied(t *testing.T) {
	for _, c := range []struct {
		mode plan.Mode
		sum  apply.Summary
		want string
	}{
		{plan.Normal, apply.Summary{Added: 1}, "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.\n"},
		{plan.Normal, apply.Summary{Imported: 2, Forgotten: 3}, "Apply complete! Resources: 2 imported, 0 added, 0 changed, 0 destroyed, 3 forgotten.\n"},
		{plan.Destroy, apply.Summary{Destroyed: 4}, "Destroy complete! Resources: 4 destroyed.\n"},
		{plan.Normal, apply.Summary{Added: 1, Failed: 2, Skipped: 3}, "Apply incomplete. Resources: 1 added, 0 changed, 0 destroyed, 2 failed, 3 not tried.\n"},
	} {
		var b strings.Builder
		if err := text.Applied(&b, &plan.Plan{Mode: c.mode}, c.sum, text.Style{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, b.String()); d != "" {
			t.Error(d)
		}
	}
}

func TestState(t *testing.T) {
	id := schema.ID{Target: "embedded", Kind: schema.KindRRset, Key: "k"}
	st := &state.State{
		Resources: map[schema.ID]*state.Resource{id: {ID: id, Address: "record.www", Attrs: cty.ObjectVal(map[string]cty.Value{
			"zone": cty.StringVal("example.com."), "name": cty.NullVal(cty.String), "type": cty.StringVal("TXT"),
			"ttl": cty.NumberIntVal(5400), "values": cty.ListVal([]cty.Value{cty.StringVal("a \"b\"\x1b[31m")}),
		})}},
		Outputs: map[string]state.Output{"n": {Value: []byte("1"), Type: []byte(`"number"`)}, "s": {Sensitive: true}},
	}
	var b strings.Builder
	if err := text.State(&b, st, text.Style{}); err != nil {
		t.Fatal(err)
	}
	want := `# record.www:
resource "rrset" "www" {
    zone   = "example.com."
    type   = "TXT"
    ttl    = "90m"
    values = [
        "a \"b\"\x1b[31m",
    ]
}

Outputs:

n = 1
s = (sensitive value)
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := text.State(&b, &state.State{}, text.Style{}); err != nil || !strings.HasPrefix(b.String(), "The state is empty.") {
		t.Errorf("got %q, %v", b.String(), err)
	}
}
