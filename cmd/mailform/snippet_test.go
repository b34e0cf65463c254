package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// written is what a writer makes of diagnostics about a file.
func written(t *testing.T, src string, color bool, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	file, _ := hclsyntax.ParseConfig([]byte(src), "a.mf.hcl", hcl.InitialPos)
	w := diagnosticWriter{w: &b, files: map[string]*hcl.File{"a.mf.hcl": file}, color: color}
	for _, d := range diags {
		if err := w.write(d); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// What hcl's own writer makes of ordinary files, we make too.
func TestDiagnosticsReadAsThoseOfHCL(t *testing.T) {
	for name, src := range map[string]string{
		"an expression in a block":       "user \"a\" {\n  name = * 1\n}\n",
		"no line end":                    "user \"a\" { name = [",
		"line ends of another system":    "user \"a\" {\r\n  name = = 1\r\n  quota == 2\r\n}\r\n",
		"characters of more than a byte": "# ä\nuser \"ä\" {\n  name = \"ü\" \"é\"\n}\n",
		"an error over several lines":    "user \"a\" {\n  name = <<EOT\nx\n",
		"the same attribute twice":       "locals {\n  a = 1\n  a = 2\n}\n",
	} {
		for _, color := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, color %v", name, color), func(t *testing.T) {
				file, diags := hclsyntax.ParseConfig([]byte(src), "a.mf.hcl", hcl.InitialPos)
				if len(diags) == 0 {
					t.Fatal("nothing is wrong with it")
				}
				var want bytes.Buffer
				if err := hcl.NewDiagnosticTextWriter(&want, map[string]*hcl.File{"a.mf.hcl": file}, 0, color).WriteDiagnostics(diags); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want.String(), written(t, src, color, diags)); d != "" {
					t.Errorf("-hcl +ours\n%s", d)
				}
			})
		}
	}
}

func at(src, text string) *hcl.Diagnostic {
	i := strings.Index(src, text)
	line := 1 + strings.Count(src[:i], "\n")
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong", Subject: &hcl.Range{
		Filename: "a.mf.hcl",
		Start:    hcl.Pos{Line: line, Byte: i}, End: hcl.Pos{Line: line + strings.Count(text, "\n"), Byte: i + len(text)},
	}}
}

func TestSnippetsAreBounded(t *testing.T) {
	t.Run("a long line is cut around the error", func(t *testing.T) {
		src := strings.Repeat("ä", 1e5) + "HERE" + strings.Repeat("ö", 1e5)
		out := written(t, src, false, hcl.Diagnostics{at(src, "HERE")})
		if len(out) > 2*snippetWidth || !strings.Contains(out, "äHEREö") || strings.Count(out, "…") != 2 || strings.ContainsRune(out, '\uFFFD') {
			t.Errorf("%d bytes: %.500q", len(out), out)
		}
	})
	t.Run("of many lines the first are shown", func(t *testing.T) {
		src := strings.Repeat("x\n", 1000)
		out := written(t, src, false, hcl.Diagnostics{at(src, src)})
		if got := strings.Count(out, "\n"); got > snippetLines+10 || !strings.Contains(out, "(980 more lines)") {
			t.Errorf("%d lines: %.500q", got, out)
		}
	})
	t.Run("what a terminal would obey is not sent to it", func(t *testing.T) {
		src := "a = \x1b[31m\u009b\xff\n"
		if out := written(t, src, false, hcl.Diagnostics{at(src, "a")}); strings.ContainsAny(out, "\x1b\u009b") || !utf8.ValidString(out) {
			t.Errorf("got %q", out)
		}
	})
	t.Run("an error beyond the end of the file does no harm", func(t *testing.T) {
		d := at("ab\n", "b")
		d.Subject.Start.Byte, d.Subject.End.Byte = 70, 90
		written(t, "ab\n", false, hcl.Diagnostics{d})
	})
}

// Each error by itself costs little, however large the file is.
func TestManyErrorsTakeLittleTime(t *testing.T) {
	src := strings.Repeat("locals { a = 1 }\n", 20_000)
	diags := make(hcl.Diagnostics, 1000)
	for i := range diags {
		diags[i] = at(src, "a = 1")
	}
	start := ownProcessorTime(t)
	written(t, src, false, diags)
	if took := ownProcessorTime(t) - start; took > 5*time.Second {
		t.Errorf("1000 errors took %v to print", took)
	}
}

// ownProcessorTime is what the process has used up so far: other than the time of
// day, it is the same on a busy machine.
func ownProcessorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
