package planjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var _ apply.Observer = (*planjson.Stream)(nil)

// clock starts at a fixed time and goes on by a second each time it is read.
func clock() func() time.Time {
	t := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time { t = t.Add(time.Second); return t }
}

func domain(name string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name)})
}

func id(key string) schema.ID {
	return schema.ID{Target: "embedded.second", Kind: schema.KindMailDomain, Key: key}
}

func TestStream(t *testing.T) {
	null := cty.NullVal(schema.KindByName(schema.KindMailDomain).Type())
	p := &plan.Plan{
		Mode: plan.Normal,
		Changes: []plan.Change{
			{Action: plan.Create, Address: `domain.all["a"].maildomain`, ID: id("a"), PrevID: id("a"), Before: null, After: domain("a"), Notes: []string{"so"}},
			{Action: plan.NoOp, Address: "domain.b.maildomain", ID: id("b"), PrevID: id("b"), Before: domain("b"), After: domain("b")},
			{Action: plan.Move, Address: "domain.c.maildomain", PrevAddress: "domain.x.maildomain", ID: id("c"), PrevID: id("c"), Before: domain("c"), After: domain("c")},
		},
		Drift:   []plan.Drift{{Action: plan.Delete, Address: "domain.d.maildomain", ID: id("d"), Before: domain("d"), After: null}},
		Outputs: []plan.OutputChange{{Name: "o", Action: plan.NoOp, Before: cty.True, After: cty.True}},
	}
	var b bytes.Buffer
	s := planjson.NewStream(&b, clock())
	s.Version("0.1.0")
	s.Plan(p)
	s.Started(&p.Changes[0], providers.Create)
	s.Completed(&p.Changes[0], providers.Create)
	s.Started(&p.Changes[0], providers.Delete)
	s.Progress()
	s.Failed(&p.Changes[0], providers.Delete, errors.New("no"))
	s.Skipped(&p.Changes[0], providers.Update, "why")
	s.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Sum", Detail: "Det", Subject: &hcl.Range{
		Filename: "f", Start: hcl.Pos{Line: 1, Column: 2, Byte: 1}, End: hcl.Pos{Line: 3, Column: 4, Byte: 9},
	}}}, map[string]*hcl.File{"f": {Bytes: []byte("user {\n  x\n}\n")}})
	s.Applied("apply", apply.Summary{Added: 1})
	s.Applied("destroy", apply.Summary{Destroyed: 1, Failed: 1})
	s.Outputs(map[string]state.Output{
		"o": {Value: []byte("1"), Type: []byte(`"number"`)},
		"s": {Type: []byte(`"string"`), Sensitive: true},
	})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	resource := `{"addr":"domain.all[\"a\"].maildomain","module":"","resource":"domain.all[\"a\"].maildomain","implied_provider":"embedded","resource_type":"maildomain","resource_name":"all","resource_key":"a"}`
	want := []string{
		`"@message":"mailform 0.1.0","@module":"mailform.ui","@timestamp":"2026-01-02T03:04:06.000000Z","type":"version","mailform":"0.1.0","terraform":"1.9.0","ui":"1.2"}`,
		`"type":"resource_drift","change":{"resource":{"addr":"domain.d.maildomain"`,
		`"type":"planned_change","change":{"resource":` + resource + `,"action":"create","notes":["so"]}}`,
		`"previous_resource":{"addr":"domain.x.maildomain"`,
		`"@message":"Plan: 1 to add, 0 to change, 0 to destroy.","@module":"mailform.ui","@timestamp":"2026-01-02T03:04:10.000000Z","type":"change_summary","changes":{"add":1,"change":0,"import":0,"remove":0,"forget":0,"operation":"plan"}}`,
		`"type":"outputs","outputs":{"o":{"sensitive":false,"action":"noop"}}}`,
		`"type":"apply_start","hook":{"resource":` + resource + `,"action":"create","id_key":"key","id_value":"a"}}`,
		`"type":"apply_complete","hook":{"resource":` + resource + `,"action":"create","id_key":"key","id_value":"a","elapsed_seconds":2}}`,
		`"type":"apply_start"`,
		`"@message":"domain.all[\"a\"].maildomain: Still destroying... [2s elapsed]","@module":"mailform.ui","@timestamp":"2026-01-02T03:04:19.000000Z","type":"apply_progress"`,
		`{"@level":"error","@message":"domain.all[\"a\"].maildomain: Destruction failed"`,
		`"type":"apply_skipped","hook":{"resource":` + resource + `,"action":"update","id_key":"key","id_value":"a","reason":"why"}}`,
		`"type":"diagnostic","diagnostic":{"severity":"warning","summary":"Sum","detail":"Det","range":{"filename":"f","start":{"line":1,"column":2,"byte":1},"end":{"line":3,"column":4,"byte":9}},"snippet":{"context":null,"code":"user {\n  x","start_line":1,"highlight_start_offset":1,"highlight_end_offset":9,"values":[]}}}`,
		`"@message":"Apply complete! Resources: 1 added, 0 changed, 0 destroyed."`,
		`"@message":"Destroy incomplete. Resources: 0 added, 0 changed, 1 destroyed."`,
		`"outputs":{"o":{"sensitive":false,"type":"number","value":1},"s":{"sensitive":true,"type":"string","value":null}}}`,
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d events, want %d:\n%s", len(lines), len(want), b.String())
	}
	for i, l := range lines {
		if !strings.Contains(l, want[i]) || !json.Valid([]byte(l)) {
			t.Errorf("event %d is\n%s\nand has no\n%s", i, l, want[i])
		}
	}
}

func TestStateDocument(t *testing.T) {
	k := schema.KindByName(schema.KindMailbox)
	vals := map[string]cty.Value{}
	for _, a := range k.Attributes {
		vals[a.Name] = cty.NullVal(a.Type)
	}
	vals["password_hash"] = cty.ListVal([]cty.Value{cty.StringVal(schema.Fingerprint("x"))})
	mid := schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: "a@b"}
	st := &state.State{
		Lineage: "l", Serial: 4,
		Resources: map[schema.ID]*state.Resource{mid: {ID: mid, Address: `user.all[0].mailbox`, Attrs: cty.ObjectVal(vals)}},
		Outputs:   map[string]state.Output{"o": {Value: []byte(`"v"`), Type: []byte(`"string"`)}},
	}
	var b bytes.Buffer
	if err := planjson.State(&b, st, "0.1.0"); err != nil {
		t.Fatal(err)
	}
	var doc tfjson.State
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatalf("terraform-json refuses the document: %v", err)
	}
	r := doc.Values.RootModule.Resources[0]
	if r.Type != "mailbox" || r.Name != "all" || r.Index != float64(0) || r.AttributeValues["password_hash"] != nil {
		t.Errorf("got %+v", r)
	}
	if d := cmp.Diff(`{"password_hash":true}`, string(r.SensitiveValues)); d != "" {
		t.Error(d)
	}
	if doc.Values.Outputs["o"].Value != "v" {
		t.Errorf("got outputs %+v", doc.Values.Outputs)
	}
	if strings.Contains(b.String(), schema.FingerprintPrefix) {
		t.Error("the document has a fingerprint")
	}
}

func TestValidation(t *testing.T) {
	var b bytes.Buffer
	err := planjson.Validation(&b, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "a"}, {Severity: hcl.DiagWarning, Summary: "b"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out tfjson.ValidateOutput
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out.Valid || out.ErrorCount != 1 || out.WarningCount != 1 || len(out.Diagnostics) != 2 {
		t.Errorf("got %+v, %v", out, err)
	}
}
