package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/planfile"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// secret stands in the cases where nobody may see it.
const secret = "SECRET"

// A showCase is a folder of testdata/show-json: before/ is what was applied,
// world.json what somebody else did then, main.mf.hcl what is planned, and
// options.json how. plan.json, plan.txt and state.json are what is shown.
type showCase struct {
	t     *testing.T
	dir   string // of the case
	work  string // where the files are planned
	world memories
}

// TestShowJSON plans each folder of testdata/show-json and compares the
// documents of show -json with those that are there. MAILFORM_UPDATE=1 writes
// them anew.
func TestShowJSON(t *testing.T) {
	planSchema := compileSchema(t, "plan")
	stateSchema := compileSchema(t, "state")
	dirs, err := filepath.Glob("testdata/show-json/*")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("cases: %v, %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c := &showCase{t: t, dir: dir, work: t.TempDir(), world: memories{}}
			var o struct {
				engine.PlanOptions
				At   time.Time
				Vars map[string]string
			}
			c.decode("options.json", &o)
			o.PlanOptions.Time = o.At
			vars := []config.VarArg{}
			for name, value := range o.Vars {
				vars = append(vars, config.VarArg{Name: name, Value: value})
			}
			for _, before := range []string{"before", "then"} {
				if c.copy(before) {
					c.apply(vars)
				}
			}
			var others []interference
			c.decode("world.json", &others)
			c.world.interfere(t, others)
			c.copy(".")

			s, m := c.open(vars)
			defer s.Close()
			p, diags := s.Plan(context.Background(), o.PlanOptions)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			p.Outline = m.Outline()
			p.Lineage = "a-lineage"
			doc := c.document(func(b *bytes.Buffer) error { return planjson.Plan(b, p, "0.0.0-test") })
			c.golden("plan.json", doc)
			var human strings.Builder
			if err := text.Plan(&human, p, text.Style{}); err != nil {
				t.Fatal(err)
			}
			c.golden("plan.txt", strings.ReplaceAll(human.String(), c.work, "/srv"))
			c.valid(planSchema, doc)
			var theirs tfjson.Plan
			if err := json.Unmarshal([]byte(doc), &theirs); err != nil {
				t.Errorf("terraform-json refuses the plan: %v", err)
			}
			// Trivy wants both versions, checkov the second, infracost planned values.
			if theirs.FormatVersion == "" || theirs.TerraformVersion == "" || theirs.PlannedValues == nil || theirs.PlannedValues.RootModule == nil {
				t.Error("tools do not take it for a plan")
			}
			if len(theirs.ResourceChanges) != len(p.Changes) || theirs.Config == nil || theirs.PriorState == nil {
				t.Errorf("terraform-json reads %d changes of %d", len(theirs.ResourceChanges), len(p.Changes))
			}
			c.survivesTheFile(p, doc)

			st, err := s.State(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			st.Lineage, st.Serial = "a-lineage", 7
			c.stateDocument(st, stateSchema)
		})
	}
}

// stateDocument checks the document of show -json without a plan.
func (c *showCase) stateDocument(st *state.State, schema *jsonschema.Schema) {
	doc := c.document(func(b *bytes.Buffer) error { return planjson.State(b, st, "0.0.0-test") })
	c.valid(schema, doc)
	var theirs tfjson.State
	if err := json.Unmarshal([]byte(doc), &theirs); err != nil {
		c.t.Errorf("terraform-json refuses the state: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "state.json")); err == nil {
		c.golden("state.json", doc)
	}
}

// survivesTheFile tests that a plan read from its file makes the same document.
func (c *showCase) survivesTheFile(p *plan.Plan, doc string) {
	c.t.Helper()
	var file bytes.Buffer
	if err := planfile.Save(&file, p, planfile.Meta{Mailform: "0.0.0-test"}); err != nil {
		c.t.Fatal(err)
	}
	read, _, err := planfile.Read(&file)
	if err != nil {
		c.t.Fatal(err)
	}
	again := c.document(func(b *bytes.Buffer) error { return planjson.Plan(b, read, "0.0.0-test") })
	if d := cmp.Diff(doc, again); d != "" {
		c.t.Errorf("read from its file the plan shows otherwise: %s", d)
	}
}

// showTime is when all cases happen.
var showTime = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func (c *showCase) open(vars []config.VarArg) (*engine.Session, *config.Module) {
	c.t.Helper()
	ws := &engine.Workspace{Dir: c.work, Version: "0.0.0-test", NewProvider: c.world.provider}
	opts := config.Options{Vars: vars}
	m, diags := ws.Load(opts)
	if diags.HasErrors() {
		c.t.Fatal(diags)
	}
	s, err := ws.Open(context.Background(), m, engine.Options{Config: opts, Operation: "test", Now: func() time.Time { return showTime }})
	if err != nil {
		c.t.Fatal(err)
	}
	return s, m
}

func (c *showCase) apply(vars []config.VarArg) {
	c.t.Helper()
	s, _ := c.open(vars)
	defer s.Close()
	p, diags := s.Plan(context.Background(), engine.PlanOptions{})
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		_, more = s.Apply(context.Background(), engine.ApplyOptions{Plan: p})
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		c.t.Fatal(diags)
	}
}

// copy puts the files of a folder of the case in the place of those that are
// planned. It reports whether there are any.
func (c *showCase) copy(from string) bool {
	c.t.Helper()
	files := func(dir string, take func(path string) error) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && path == dir:
				return nil
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "before" && path != dir:
				return fs.SkipDir
			case strings.HasSuffix(path, ".mf.hcl"):
				return take(path)
			}
			return nil
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	files(c.work, os.Remove)
	copied := false
	from = filepath.Join(c.dir, from)
	files(from, func(path string) error {
		copied = true
		name, _ := filepath.Rel(from, path)
		to := filepath.Join(c.work, name)
		data, err := os.ReadFile(path)
		return errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644))
	})
	return copied
}

func (c *showCase) decode(name string, into any) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		err = dec.Decode(into)
	}
	if err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
}

// document is what is written, over many lines, without the paths of this
// machine.
func (c *showCase) document(write func(*bytes.Buffer) error) string {
	c.t.Helper()
	var raw, b bytes.Buffer
	if err := write(&raw); err != nil {
		c.t.Fatal(err)
	}
	if err := json.Indent(&b, raw.Bytes(), "", "  "); err != nil {
		c.t.Fatal(err)
	}
	doc := strings.ReplaceAll(b.String(), c.work, "/srv")
	if strings.Contains(doc, secret) {
		c.t.Error("the document has a secret")
	}
	return doc
}

func (c *showCase) golden(name, got string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if os.Getenv("MAILFORM_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		c.t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// compileSchema compiles a published schema, more strictly than it is
// published: what it does not name must not be there either.
func compileSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	const base = "https://github.com/mailform/mailform/docs/schema/"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, n := range []string{"plan", "state"} {
		f, err := os.Open("../docs/schema/" + n + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		doc, err := jsonschema.UnmarshalJSON(f)
		if err == nil {
			err = c.AddResource(base+n+".schema.json", closed(doc))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(base + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closed forbids in all objects of a schema what they do not name.
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = closed(e)
		}
		if _, isObject := v["properties"].(map[string]any); isObject && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
	case []any:
		for i := range v {
			v[i] = closed(v[i])
		}
	}
	return v
}

func (c *showCase) valid(s *jsonschema.Schema, doc string) {
	c.t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		c.t.Errorf("the schema refuses the document: %v", err)
	}
}
