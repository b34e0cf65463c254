package plan_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planfile"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/rogpeppe/go-internal/txtar"
)

// secret stands in the worlds where a password hash would.
const secret = "SECRET"

// TestGolden makes a plan of each world in testdata and compares its text, and
// its JSON where the archive has a section for it, with what the archive says.
// MAILFORM_UPDATE=1 writes them anew.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, diags := plan.Make(world(t, data))
			got := map[string]string{}
			if len(diags) > 0 {
				var b strings.Builder
				for _, d := range diags {
					b.WriteString(d.Error() + "\n")
				}
				got["diagnostics"] = b.String()
			}
			if p != nil {
				got["plan.txt"] = planText(t, p)
				got["plan.json"] = planJSON(t, p)
				checkPlan(t, p)
				checkOrder(t, data, got)
			} else if !diags.HasErrors() {
				t.Fatal("neither a plan nor an error")
			}
			compare(t, file, data, got)
		})
	}
}

func planText(t *testing.T, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := text.Plan(&b, p, text.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func planJSON(t *testing.T, p *plan.Plan) string {
	t.Helper()
	var b, indented bytes.Buffer
	if err := planjson.Plan(&b, p, "0.0.0-test"); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return indented.String()
}

// checkPlan tests what holds for every plan.
func checkPlan(t *testing.T, p *plan.Plan) {
	t.Helper()
	var doc tfjson.Plan
	if err := json.Unmarshal([]byte(planJSON(t, p)), &doc); err != nil {
		t.Errorf("terraform-json refuses the document: %v", err)
	}
	if len(doc.ResourceChanges) != len(p.Changes) {
		t.Errorf("the document has %d changes of %d", len(doc.ResourceChanges), len(p.Changes))
	}
	var file bytes.Buffer
	if err := planfile.Save(&file, p, planfile.Meta{Mailform: "0.0.0-test"}); err != nil {
		t.Fatal(err)
	}
	read, _, err := planfile.Read(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff, same := plan.Same(read, p); !same {
		t.Errorf("what was saved is not the same when read: %s", diff)
	}
	if d := cmp.Diff(planText(t, p), planText(t, read)); d != "" {
		t.Errorf("what was saved shows otherwise when read: %s", d)
	}
	if d := cmp.Diff(planJSON(t, p), planJSON(t, read)); d != "" {
		t.Errorf("what was saved has other JSON when read: %s", d)
	}
	for name, s := range map[string]string{"text": planText(t, p), "JSON": planJSON(t, p), "file": unzipped(t, file.Bytes())} {
		if strings.Contains(s, secret) {
			t.Errorf("the %s holds a secret", name)
		}
	}
}

// checkOrder tests that the order of the input does not matter.
func checkOrder(t *testing.T, data []byte, want map[string]string) {
	t.Helper()
	for seed := range uint64(5) {
		in := world(t, data)
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(len(in.Desired), func(i, j int) { in.Desired[i], in.Desired[j] = in.Desired[j], in.Desired[i] })
		for _, list := range in.Observed {
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		p, diags := plan.Make(in)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if d := cmp.Diff(want["plan.json"], planJSON(t, p)); d != "" {
			t.Fatalf("in another order the plan is another: %s", d)
		}
	}
}

func compare(t *testing.T, file string, data []byte, got map[string]string) {
	t.Helper()
	ar := txtar.Parse(data)
	update := os.Getenv("MAILFORM_UPDATE") != ""
	var kept []txtar.File
	want := map[string]bool{}
	for _, f := range ar.Files {
		g, isOutput := got[f.Name], f.Name == "plan.txt" || f.Name == "plan.json" || f.Name == "diagnostics"
		if !isOutput {
			kept = append(kept, f)
			continue
		}
		want[f.Name] = true
		if !strings.HasSuffix(g, "\n") && g != "" {
			g += "\n"
		}
		if d := cmp.Diff(string(f.Data), g); d != "" && !update {
			t.Errorf("%s: %s", f.Name, d)
		}
	}
	for _, name := range []string{"diagnostics", "plan.txt", "plan.json"} {
		g, ok := got[name]
		if ok && !want[name] && name != "plan.json" && !update {
			t.Errorf("there is no section %s; MAILFORM_UPDATE=1 writes it", name)
		}
		if ok && (want[name] || name != "plan.json") {
			kept = append(kept, txtar.File{Name: name, Data: []byte(g)})
		}
	}
	if update {
		ar.Files = kept
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
