package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	loadAll(t, map[string][]byte{name: src})
}

// loadAll does the same with several files, by their names.
func loadAll(t *testing.T, files map[string][]byte) {
	dir := t.TempDir()
	for name, src := range files {
		if len(src) > 1<<16 {
			t.Skip("too long to be quick")
		}
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, src, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := Load(dir)
	check := func(diags hcl.Diagnostics) {
		for _, d := range diags {
			if d.Summary == "Expression cannot be evaluated" {
				t.Errorf("an expression took the evaluator down: %s", d.Subject)
			}
			if s := d.Subject; s != nil && files[s.Filename] != nil && s.End.Byte < s.Start.Byte {
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

// loadValues loads a file with values for variables of several types, and holds what
// has to be true of the result whatever is in it.
func loadValues(t *testing.T, name string, src []byte) {
	if len(src) > 1<<16 {
		t.Skip("too long to be quick")
	}
	dir := t.TempDir()
	for file, text := range map[string]string{name: string(src), "main.mf.hcl": `
variable "a" { type = string }
variable "b" { type = map(object({ q = optional(number, 1), r = optional(list(string), []) })) }
variable "c" {
  sensitive = true
  nullable  = false
  default   = "x"
}
output "all" {
  value     = [var.a, var.b, var.c]
  sensitive = true
}
`} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := Load(dir)
	cfg, more := m.Evaluate(Options{Environ: []string{"HOME=" + dir}}, nil)
	for _, d := range append(diags, more...) {
		if d.Summary == "Expression cannot be evaluated" {
			t.Errorf("an expression took the evaluator down: %s", d.Subject)
		}
		if strings.Contains(d.Summary+d.Detail, "hunter2") && strings.Contains(name, ".age") {
			t.Errorf("a message shows what is encrypted: %s", d.Detail)
		}
	}
	if !more.HasErrors() && !diags.HasErrors() {
		if _, diags := m.Outputs(cfg, nil); diags.HasErrors() {
			t.Errorf("values without errors make outputs with them: %s", diags)
		}
	}
}

func FuzzValues(f *testing.F) {
	f.Add([]byte("a = 1\nb = { x = { q = \"2\" } }\nc = null\n"))
	f.Add([]byte("a = upper(\"x\")\nb {\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) { loadValues(t, "mailform.mfvars", src) })
}

func FuzzValuesJSON(f *testing.F) {
	f.Add([]byte(`{"a": "${x}", "b": {"x": {"r": ["y"]}}, "c": [1e400]}`))
	f.Add([]byte(`{"a": "ENC[]", "sops": {"mac": "ENC[]", "age": [{"enc": ""}]}}`))
	f.Fuzz(func(t *testing.T, src []byte) { loadValues(t, "x.auto.mfvars.json", src) })
}

func FuzzValuesYAML(f *testing.F) {
	f.Add([]byte("a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\nsops:\n  mac: x\n  age:\n  - enc: x\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, src []byte) { loadValues(t, "mailform.mfvars.sops.yaml", src) })
}

// What stands in an encrypted file is opened by a key that is made for it, so
// that the parser behind the cipher is looked at too.
func FuzzValuesEncrypted(f *testing.F) {
	f.Add("a = \"x\"\n", false)
	f.Add(`{"a": "x"}`, true)
	f.Add("hunter2 = hunter2(\n", false)
	f.Fuzz(func(t *testing.T, src string, inJSON bool) {
		v := &varFile{name: "x.auto.mfvars.age", sealed: &sealedFile{json: inJSON}}
		values, diags := v.decrypt(func([]byte) ([]byte, error) { return []byte(src), nil }, nil)
		if values == nil && !diags.HasErrors() {
			t.Error("neither values nor an error")
		}
		for _, d := range diags {
			if strings.Contains(d.Summary+d.Detail, "hunter2") {
				t.Errorf("a message shows what is encrypted: %s", d.Detail)
			}
		}
	})
}

// A module that calls another, whatever is in the two.
func FuzzModules(f *testing.F) {
	files, err := filepath.Glob("testdata/wrong/module-*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var root, child []byte
		for _, part := range archive.Files {
			switch part.Name {
			case "main.mf.hcl":
				root = part.Data
			case "a/main.mf.hcl":
				child = part.Data
			}
		}
		f.Add(root, child)
	}
	f.Add([]byte(`module "a" {
		source   = "./a"
		for_each = toset(["x"])
		domain   = domain.d
	}
	domain "d" {
		name       = "example.com"
		postmaster = module.a["x"].user
	}
	moved {
		from = module.b
		to   = module.a["y"].user.u
	}`), []byte(`variable "domain" {}
	user "u" {
		domain = var.domain
		name   = replace(var.domain.name, ".", "-")
	}
	output "user" { value = user.u }`))
	f.Fuzz(func(t *testing.T, root, child []byte) {
		loadAll(t, map[string][]byte{"main.mf.hcl": root, "a/main.mf.hcl": child})
	})
}
