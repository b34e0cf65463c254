package plain

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
)

// plainFiles are read here.
var plainFiles = map[string]string{
	"nothing":               "",
	"a line break":          "\n",
	"comments alone":        "# one\n  // two\n",
	"an empty block":        "locals {}\n",
	"a block without end":   "user \"a\" {\n}",
	"a user":                "user \"alice\" {\n  domain = domain.example\n  name   = \"alice\" # her\n\n  quota = \"2GiB\"\n}\n",
	"a hash with dollars":   "user \"a\" {\n  password_hash = \"$argon2id$v=19$m=1,t=2$c2$8K%r\"\n}\n",
	"dollars at the ends":   "user \"a\" {\n  x = \"$\"\n  y = \"$$\"\n z = \"%\"\n}\n",
	"an empty text":         "user \"a\" {\n  x = \"\"\n}\n",
	"other scripts":         "user \"a\" {\n  x = [\"Jürgen\", \"e\u0301\", \"日本\", \"👩‍👩‍👧\", \"z\"] // Übung\n  y = \"ö\"\n}\n",
	"combining at the mark": "user \"a\" {\n  x = [\"\u0301a\", \"z\"]\n}\n",
	"blocks within":         "server \"m\" {\n  smtp { listen = [\"a:1\"] }\n  imap {\n  }\n  pop3 {\n    enabled = false\n  }\n  dns {}\n}\n",
	"lists over lines":      "alias \"a\" {\n  members = [ # all\n    user.a,\n    user.staff[\"bob\"],\n\n    \"x@y\", // him\n  ]\n}\n",
	"lists within lists":    "a \"b\" {\n  x = [[1, 2], [], [true, false, null]]\n}\n",
	"no labels, and two":    "a {\n}\nb \"c\" \"d\" {\n}\n",
	"tabs":                  "\tuser\t\"a\"\t{\n\t\tx\t=\t1\t\n\t}\t\n",
	"names with hyphens":    "a-b \"c\" {\n  d-e = f-g.h-1\n}\n",
	"a text with a tab":     "a \"b\" {\n  c = \"\t\"\n}\n",
	"for as a name":         "a \"b\" {\n  for = 1\n}\n",
}

// declined go the usual way: some are wrong, the others only not plain.
var declined = map[string]string{
	"an argument of the file":   "a = 1\n",
	"an escape":                 "a \"b\" {\n  c = \"\\n\"\n}\n",
	"a template":                "a \"b\" {\n  c = \"${d}\"\n}\n",
	"a template that is none":   "a \"b\" {\n  c = \"$${d}\"\n}\n",
	"a directive":               "a \"b\" {\n  c = \"%{if d}\"\n}\n",
	"a function":                "a \"b\" {\n  c = d(1)\n}\n",
	"a function of a name":      "a \"b\" {\n  c = d::e(1)\n}\n",
	"an operator":               "a \"b\" {\n  c = 1 + 2\n}\n",
	"a negative number":         "a \"b\" {\n  c = -1\n}\n",
	"a fraction":                "a \"b\" {\n  c = 1.5\n}\n",
	"an exponent":               "a \"b\" {\n  c = 1e5\n}\n",
	"a number of many digits":   "a \"b\" {\n  c = 1234567890123456789\n}\n",
	"an object":                 "a \"b\" {\n  c = { d = 1 }\n}\n",
	"a for expression":          "a \"b\" {\n  c = [for d in e : d]\n}\n",
	"a splat":                   "a \"b\" {\n  c = d[*].e\n}\n",
	"an index by number":        "a \"b\" {\n  c = d[0]\n}\n",
	"an old index":              "a \"b\" {\n  c = d.0\n}\n",
	"a heredoc":                 "a \"b\" {\n  c = <<E\nE\n}\n",
	"a comment in a line":       "a \"b\" {\n  c = /* d */ 1\n}\n",
	"a carriage return":         "a \"b\" {\r\n}\n",
	"a label without quotes":    "a b {\n}\n",
	"a name of another script":  "a \"b\" {\n  c = dé\n}\n",
	"twice the same argument":   "a \"b\" {\n  c = 1\n  c = 2\n}\n",
	"two arguments on a line":   "a \"b\" { c = 1, d = 2 }\n",
	"a block never closed":      "a \"b\" {\n",
	"a text never closed":       "a \"b\" {\n  c = \"d\n}\n",
	"a reference without end":   "a \"b\" {\n  c = d.\n}\n",
	"a step into a keyword":     "a \"b\" {\n  c = true.d\n}\n",
	"a byte that is no text":    "a \"b\" {\n  c = \"\x00\"\n}\n",
	"an argument of two values": "a \"b\" {\n  c = 1 2\n}\n",
	"lists too deep":            "a \"b\" {\n  c = " + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "\n}\n",
	"a reference too long":      "a \"b\" {\n  c = d" + strings.Repeat(".e", 20) + "\n}\n",
}

// counted is the parser, which counts how often it is asked.
func counted(parts *int) Parser {
	return func(src []byte, filename string, start hcl.Pos) (*hclsyntax.Body, hcl.Diagnostics) {
		*parts++
		file, diags := hclsyntax.ParseConfig(src, filename, start)
		return file.Body.(*hclsyntax.Body), diags
	}
}

func TestPlain(t *testing.T) {
	for name, src := range plainFiles {
		t.Run(name, func(t *testing.T) {
			if same(t, []byte(src)) > 0 {
				t.Error("given to the parser")
			}
		})
	}
}

func TestDeclined(t *testing.T) {
	for name, src := range declined {
		t.Run(name, func(t *testing.T) {
			if same(t, []byte(src)) == 0 {
				t.Error("not given to the parser")
			}
		})
	}
}

// What is not plain in a file costs no more than itself.
func TestMixed(t *testing.T) {
	easy := "user \"a\" {\n  name = \"a\"\n}\n"
	hard := "user \"b\" {\n  name = lower(\"B\")\n}\n"
	doc := "user \"c\" {\n  name = <<E\n}\nE\n}\n" // its text looks like an end
	for src, want := range map[string]int{
		easy + hard + easy:           1,
		hard + easy + hard + hard:    3,
		doc + easy:                   2,
		easy + "# \u0301\r\n" + easy: 1,
	} {
		if got := same(t, []byte(src)); got != want {
			t.Errorf("%d parts, want %d:\n%s", got, want, src)
		}
	}
}

// A large file that is wrong in its first block is read in parts, and what is
// right in it is found.
func TestLargeAndWrong(t *testing.T) {
	wrong := "user \"w\" {\n  name = = 1\n}\n"
	right := strings.Repeat("user \"a\" {\n  name = f(1)\n}\n", 2*maxPart/30)
	longest := 0
	body, diags := Parse([]byte(wrong+right+wrong), "a.hcl", func(src []byte, filename string, start hcl.Pos) (*hclsyntax.Body, hcl.Diagnostics) {
		longest = max(longest, len(src))
		file, diags := hclsyntax.ParseConfig(src, filename, start)
		return file.Body.(*hclsyntax.Body), diags
	})
	if longest > maxPart+100 {
		t.Errorf("a part of %d bytes", longest)
	}
	if len(body.Blocks) < 2*maxPart/30 || len(diags) != 2 || diags[1].Subject.Start.Line != 2+3*(1+2*maxPart/30) {
		t.Errorf("%d blocks, %v", len(body.Blocks), diags)
	}
}

// same holds what is read here to what HCL reads, and tells how often the parser
// was asked.
func same(t *testing.T, src []byte) int {
	t.Helper()
	parts := 0
	got, gotDiags := Parse(src, "a.hcl", counted(&parts))
	file, wantDiags := hclsyntax.ParseConfig(src, "a.hcl", hcl.InitialPos)
	if len(gotDiags) != len(wantDiags) {
		t.Fatalf("read with %v, and HCL says: %v", gotDiags, wantDiags)
	}
	for i, d := range gotDiags {
		if w := wantDiags[i]; d.Summary != w.Summary || d.Detail != w.Detail || *d.Subject != *w.Subject {
			t.Fatalf("read with %v, and HCL says: %v", d, w)
		}
	}
	want := file.Body.(*hclsyntax.Body)
	if parts > 0 { // only what is all plain has the very range of the parser
		want.SrcRange, want.EndRange = got.SrcRange, got.EndRange
	}
	if len(wantDiags) == 0 {
		differ(t, got, want)
	}
	return parts
}

// differ finds the first difference of two bodies, so that it can be told.
func differ(t *testing.T, got, want *hclsyntax.Body) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	if got.SrcRange != want.SrcRange || got.EndRange != want.EndRange {
		t.Errorf("body %#v ends %#v, want %#v ends %#v", got.SrcRange, got.EndRange, want.SrcRange, want.EndRange)
	}
	for name, a := range want.Attributes {
		if g := got.Attributes[name]; !reflect.DeepEqual(g, a) {
			t.Errorf("%s:\n got %#v\nwant %#v", name, g, a)
		}
	}
	for i, b := range want.Blocks {
		if i == len(got.Blocks) {
			t.Fatalf("%d blocks, want %d", i, len(want.Blocks))
		}
		g := got.Blocks[i]
		if !reflect.DeepEqual(g, b) {
			t.Errorf("block\n got %#v\nwant %#v", g, b)
			differ(t, g.Body, b.Body)
		}
	}
	t.FailNow()
}

func FuzzPlain(f *testing.F) {
	for _, src := range plainFiles {
		f.Add([]byte(src))
	}
	for _, src := range declined {
		f.Add([]byte(src))
	}
	archives, err := filepath.Glob("../../testdata/wrong/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatal("no archives", err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			f.Add(part.Data)
		}
	}
	examples, _ := filepath.Glob("../../../../examples/*/*.mf.hcl")
	for _, name := range examples {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) < 1<<12 && utf8.Valid(src) {
			same(t, src)
		}
	})
}
