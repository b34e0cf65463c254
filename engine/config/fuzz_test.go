package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
)

// seed adds what the wrong configurations hold, and what is right.
func seed(f *testing.F, name string) {
	files, err := filepath.Glob("testdata/wrong/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if part.Name == name {
				f.Add(part.Data)
			}
		}
	}
}

// load does with a file all that is done with one, and holds what has to be
// true of the result whatever is in it.
func load(t *testing.T, name string, src []byte) {
	if len(src) > 1<<16 {
		t.Skip("too long to be quick")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), src, 0o600); err != nil {
		t.Fatal(err)
	}
	m, diags := Load(dir)
	check := func(diags hcl.Diagnostics) {
		for _, d := range diags {
			if d.Summary == "Expression cannot be evaluated" {
				t.Errorf("an expression took the evaluator down: %s", d.Subject)
			}
			if s := d.Subject; s != nil && s.Filename == name && s.End.Byte < s.Start.Byte {
				t.Errorf("a range that ends before it begins: %v", s)
			}
		}
	}
	check(diags)
	for _, opts := range []Options{{}, {AllowUnset: true}} {
		cfg, diags := m.Evaluate(opts, Computed{"domain.example": cty.EmptyObjectVal})
		check(diags)
		if !diags.HasErrors() {
			_, diags := m.Outputs(cfg, nil)
			check(diags)
		}
	}
}

func FuzzLoad(f *testing.F) {
	seed(f, "main.mf.hcl")
	f.Add([]byte(base))
	f.Fuzz(func(t *testing.T, src []byte) { load(t, "main.mf.hcl", src) })
}

func FuzzLoadJSON(f *testing.F) {
	seed(f, "main.mf.hcl.json")
	f.Add([]byte(`{"domain":{"example":{"name":"example.com","mx":[{"host":"${upper(\"x\")}"}]}}}`))
	f.Fuzz(func(t *testing.T, src []byte) { load(t, "main.mf.hcl.json", src) })
}
