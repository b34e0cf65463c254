package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
)

// The document of one change in a large world is about that change, and so is the
// text.
func TestOneChangeOfManyIsSmall(t *testing.T) {
	const many = 2000
	var desired, state, observed strings.Builder
	for i := range many {
		quota := 1
		if i == 77 {
			quota = 2
		}
		address := fmt.Sprintf("u%d@example.com", i)
		fmt.Fprintf(&desired, "user.u%d.mailbox embedded mailbox %s {\"address\": %q, \"quota\": %d}\n", i, address, address, quota)
		fmt.Fprintf(&state, "user.u%d.mailbox embedded mailbox %s {\"address\": %q, \"quota\": 1}\n", i, address, address)
		fmt.Fprintf(&observed, "embedded mailbox %s {\"address\": %q, \"quota\": 1} owner=user.u%d.mailbox\n", address, address, i)
	}
	p, diags := plan.Make(world(t, fmt.Appendf(nil, "-- desired --\n%s-- state --\n%s-- observed --\n%s", desired.String(), state.String(), observed.String())))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p.Outline = &config.Outline{Blocks: make([]config.OutlineBlock, many)}
	var doc, shown bytes.Buffer
	if err := planjson.Changes(&doc, p, "0.0.0-test"); err != nil {
		t.Fatal(err)
	}
	if err := text.Plan(&shown, p, text.Style{}); err != nil {
		t.Fatal(err)
	}
	if doc.Len() > 4000 || shown.Len() > 1000 {
		t.Errorf("one change of %d comes to %d bytes of JSON and %d of text", many, doc.Len(), shown.Len())
	}
	var read tfjson.Plan
	if err := json.Unmarshal(doc.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.ResourceChanges) != 1 || read.ResourceChanges[0].Address != "user.u77.mailbox" {
		t.Errorf("the changes are %v", read.ResourceChanges)
	}
	if !strings.Contains(doc.String(), `"phases":[[{"target":"embedded","addresses":["user.u77.mailbox"]}]]`) || !strings.Contains(doc.String(), `"changes_only":true`) {
		t.Errorf("the document is\n%s", doc.String())
	}
}
