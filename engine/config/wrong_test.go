package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
)

// update is set by MAILFORM_UPDATE=1: goldens are then written anew.
var update = os.Getenv("MAILFORM_UPDATE") != ""

// TestWrong loads and evaluates what is wrong, and compares what is said about
// it. Each file in testdata/wrong is a directory in txtar form; its "want" is
// the diagnostics as a terminal shows them. A file named "args" holds -var
// arguments, a line each; "validate" stands for evaluation with unset variables.
func TestWrong(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var opts Options
			var parts []string
			want := -1
			for i, f := range archive.Files {
				switch f.Name {
				case "want":
					want = i
				case "args":
					for line := range strings.SplitSeq(strings.TrimSpace(string(f.Data)), "\n") {
						name, value, _ := strings.Cut(line, "=")
						opts.Vars = append(opts.Vars, VarArg{Name: name, Value: value})
					}
				case "version":
					opts.Version = strings.TrimSpace(string(f.Data))
				default:
					parts = append(parts, f.Name, string(f.Data))
				}
			}
			got := diagnose(t, write(t, parts...), opts)
			if strings.Contains(got, "hunter2") {
				t.Errorf("the message shows a secret:\n%s", got)
			}
			if update {
				if want < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					want = len(archive.Files) - 1
				}
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatal("no want")
			}
			if string(archive.Files[want].Data) != got {
				t.Errorf("got:\n%s\nwant:\n%s", got, archive.Files[want].Data)
			}
		})
	}
}

// diagnose loads, evaluates, and renders what is said, which has to be an error.
func diagnose(t *testing.T, dir string, opts Options) string {
	t.Helper()
	m, diags := LoadWith(dir, opts)
	// What is wrong in loading must not keep the rest from being looked at.
	opts.AllowUnset = diags.HasErrors()
	cfg, more := m.Evaluate(opts, nil)
	diags = append(diags, more...)
	_, more = m.Outputs(cfg, nil)
	diags = append(diags, more...)
	if !diags.HasErrors() {
		t.Error("no error")
	}
	for _, d := range diags {
		if d.Subject != nil && d.Subject.Filename == "" {
			t.Errorf("%q has a place without a file", d.Summary)
		}
	}
	var out bytes.Buffer
	w := hcl.NewDiagnosticTextWriter(&out, m.Files(), 0, false)
	if err := w.WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), dir, "DIR")
}
