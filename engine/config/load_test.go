package config

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// TestBytes loads files that no archive of text can hold.
func TestBytes(t *testing.T) {
	deep := func(open, closing string, n int) string {
		return "locals {\n a = " + strings.Repeat(open, n) + "1" + strings.Repeat(closing, n) + "\n}\n"
	}
	tests := map[string]struct {
		name, text string
		want       string // part of the first error; empty for none
		line, col  int
	}{
		"line ends of Windows":           {"main.mf.hcl", strings.ReplaceAll(base, "\n", "\r\n"), "", 0, 0},
		"a byte order mark":              {"main.mf.hcl", "\ufeff" + base, "", 0, 0},
		"a comment alone":                {"main.mf.hcl", "# nothing yet", "", 0, 0},
		"an empty file":                  {"main.mf.hcl", "", "", 0, 0},
		"broken UTF-8 in a text":         {"main.mf.hcl", "locals {\n  a = \"ab\xffcd\"\n}\n", "The byte 0xff", 2, 10},
		"broken UTF-8 in a comment":      {"main.mf.hcl", "# gr\xfc\xdfe\n", "The byte 0xfc", 1, 5},
		"Latin-1 after characters":       {"main.mf.hcl", "# grüße \xe4\n", "The byte 0xe4", 1, 9},
		"a cut off character":            {"main.mf.hcl", "# \xe2\x82", "The byte 0xe2", 1, 3},
		"broken UTF-8 in JSON":           {"main.mf.hcl.json", "{ \"//\": \"\xff\" }", "The byte 0xff", 1, 10},
		"broken UTF-8 in values":         {"mailform.mfvars", "a = \"\xff\"", "The byte 0xff", 1, 6},
		"UTF-16":                         {"main.mf.hcl", "\xff\xfel\x00o\x00", "The byte 0xff", 1, 1},
		"a NUL byte":                     {"main.mf.hcl", "locals {\n  a = \"x\x00y\"\n}\n", "NUL byte", 2, 9},
		"a NUL byte in a comment":        {"main.mf.hcl", "# \x00\n", "NUL byte", 1, 3},
		"nothing but NUL bytes":          {"main.mf.hcl", strings.Repeat("\x00", 5000), "NUL byte", 1, 1},
		"deep lists":                     {"main.mf.hcl", deep("[", "]", 200_000), "nest 100 levels", 2, 0},
		"deep brackets":                  {"main.mf.hcl", deep("(", ")", 200_000), "nest 100 levels", 2, 0},
		"deep calls":                     {"main.mf.hcl", deep("upper(", ")", 100_000), "nest 100 levels", 2, 0},
		"deep templates":                 {"main.mf.hcl", deep("\"${", "}\"", 100_000), "nest 100 levels", 2, 0},
		"deep objects":                   {"main.mf.hcl", deep("{a=", "}", 100_000), "nest 100 levels", 2, 0},
		"deep blocks":                    {"main.mf.hcl", strings.Repeat("a {\n", 100_000), "nest 100 levels", 101, 0},
		"brackets that never close":      {"main.mf.hcl", "locals {\n a = " + strings.Repeat("[", 200_000), "nest 100 levels", 2, 0},
		"many signs":                     {"main.mf.hcl", deep("-", "", 200_000), "chain 1000", 2, 0},
		"many negations":                 {"main.mf.hcl", deep("!", "", 200_000), "chain 1000", 2, 0},
		"many operators":                 {"main.mf.hcl", deep("1+", "", 200_000), "chain 1000", 2, 0},
		"many conditions":                {"main.mf.hcl", deep("true?1:", "", 100_000), "chain 1000", 2, 0},
		"many indexes":                   {"main.mf.hcl", "locals {\n a = local.b" + strings.Repeat("[0]", 100_000) + "\n}\n", "chain 1000", 2, 0},
		"many splats":                    {"main.mf.hcl", "locals {\n a = local.b" + strings.Repeat("[*]", 100_000) + "\n}\n", "chain 1000", 2, 0},
		"many directives":                {"main.mf.hcl", "locals {\n a = \"" + strings.Repeat("%{if true}", 100_000) + "\"\n}\n", "chain 1000", 2, 0},
		"deep JSON lists":                {"main.mf.hcl.json", `{"locals":{"a":` + strings.Repeat("[", 200_000), "nest 100 levels", 1, 0},
		"deep JSON objects":              {"main.mf.hcl.json", strings.Repeat(`{"a":`, 100_000), "nest 100 levels", 1, 0},
		"a deep template in JSON":        {"main.mf.hcl.json", `{"locals":{"a":"${` + strings.Repeat("[", 200_000) + `"}}`, "nest 100 levels", 0, 0},
		"a long number":                  {"main.mf.hcl", "locals {\n  a = " + strings.Repeat("9", 200_000) + "\n}\n", "up to 100 digits", 2, 7},
		"a large exponent in JSON":       {"main.mf.hcl.json", `{"locals":{"a":1e999999}}`, "exponents up to 300", 1, 16},
		"many operators in many lines":   {"main.mf.hcl", "locals {\n" + manyLocals(3000) + "}\n", "", 0, 0},
		"a list of many expressions":     {"main.mf.hcl", "locals {\n  a = [" + strings.Repeat("1+1,\n", 5000) + "]\n}\n", "", 0, 0},
		"brackets within texts and JSON": {"main.mf.hcl.json", `{"locals":{"a":"` + strings.Repeat("[", 5000) + `"}}`, "", 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, diags := Load(write(t, tt.name, tt.text))
			if !diags.HasErrors() {
				_, diags = m.Evaluate(Options{}, nil)
			}
			if tt.want == "" {
				if diags.HasErrors() {
					t.Fatal(sentences(diags))
				}
				return
			}
			if len(diags) == 0 || !strings.Contains(diags[0].Detail, tt.want) {
				t.Fatalf("got %s, want an error with %q", sentences(diags), tt.want)
			}
			if start := diags[0].Subject.Start; tt.line > 0 && (start.Line != tt.line || tt.col > 0 && start.Column != tt.col) {
				t.Errorf("the error is at %d:%d, want %d:%d", start.Line, start.Column, tt.line, tt.col)
			}
			// Showing it must not fail either.
			var out bytes.Buffer
			if err := hcl.NewDiagnosticTextWriter(&out, m.Files(), 80, false).WriteDiagnostics(diags); err != nil {
				t.Error(err)
			}
		})
	}
}

func manyLocals(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("  a" + strings.Repeat("x", i%7) + strings.ReplaceAll(cty.NumberIntVal(int64(i)).AsBigFloat().Text('f', 0), "-", "") + " = 1 + 1\n")
	}
	return b.String()
}

func TestWhichFilesAreRead(t *testing.T) {
	dir := write(t,
		"main.mf.hcl", base,
		"extra.mf.hcl.json", `{"output":{"x":{"value":"${var.a}"}}}`,
		"vars.mf.hcl", `variable "a" {}`,
		"mailform.mfvars", `a = 1`,
		"x.auto.mfvars", `a = 2`,
		"y.auto.mfvars.json", `{"a": 3}`,
		"other.mfvars", `a = `,
		".hidden.mf.hcl", `{`,
		"main.mf.hcl~", `{`,
		"main.tf", `{`,
	)
	m, diags := Load(dir)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	want := []string{"extra.mf.hcl.json", "mailform.mfvars", "main.mf.hcl", "vars.mf.hcl", "x.auto.mfvars", "y.auto.mfvars.json"}
	if got := keys(m.Sources()); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("read %v, want %v", got, want)
	}
	if m.Sources()["mailform.mfvars"] != sha256.Sum256([]byte("a = 1")) {
		t.Error("the digest is not that of the file")
	}
	cfg, diags := m.Evaluate(Options{}, nil)
	if diags.HasErrors() {
		t.Fatal(sentences(diags))
	}
	outs, _ := m.Outputs(cfg, nil)
	if len(outs) != 1 || !outs[0].Value.RawEquals(cty.NumberIntVal(3)) && !outs[0].Value.RawEquals(cty.StringVal("3")) {
		t.Errorf("output %#v, want that of the last file", outs)
	}
}

func TestEmpty(t *testing.T) {
	if m, diags := Load(write(t, "staff.csv", "name\n")); diags.HasErrors() || !m.Empty() {
		t.Errorf("a directory without configuration: %v, %v", m.Empty(), diags)
	}
	if m, diags := Load(write(t, "main.mf.hcl", "")); diags.HasErrors() || m.Empty() {
		t.Errorf("a directory with an empty file: %v, %v", m.Empty(), diags)
	}
	if _, diags := Load(t.TempDir() + "/none"); !diags.HasErrors() {
		t.Error("no error for a directory that is not there")
	}
}

// The same in JSON is the same.
func TestJSONSyntax(t *testing.T) {
	_, native := evaluate(t, Options{}, "main.mf.hcl", `
		server "main" {
		  hostname = "mail.example.com"
		  provider = [embedded]
		  smtp { listen = [":25"] }
		}
		domain "example" {
		  name       = "example.com"
		  postmaster = user.staff["bob"]
		  mx {
		    server     = server.main
		    preference = 10
		  }
		  mx { host = "mx.example.net" }
		}
		user "staff" {
		  for_each   = { bob = "1GiB", carol = "2GiB" }
		  domain     = domain.example
		  name       = each.key
		  quota      = each.value
		  depends_on = [server.main]
		  lifecycle { prevent_destroy = true }
		}
		alias "all" {
		  domain  = domain.example
		  name    = "all"
		  members = concat([for u in user.staff : u], ["x-${user.staff["bob"].name}@example.net"])
		}`)
	_, asJSON := evaluate(t, Options{}, "main.mf.hcl.json", `{
		"//": "a comment",
		"server": { "main": {
			"hostname": "mail.example.com",
			"provider": ["embedded"],
			"smtp": { "listen": [":25"] }
		} },
		"domain": { "example": {
			"name": "example.com",
			"postmaster": "${user.staff[\"bob\"]}",
			"mx": [{ "server": "${server.main}", "preference": 10 }, { "host": "mx.example.net" }]
		} },
		"user": { "staff": {
			"for_each": { "bob": "1GiB", "carol": "2GiB" },
			"domain": "${domain.example}",
			"name": "${each.key}",
			"quota": "${each.value}",
			"depends_on": ["server.main"],
			"lifecycle": { "prevent_destroy": true }
		} },
		"alias": { "all": {
			"domain": "${domain.example}",
			"name": "all",
			"members": "${concat([for u in user.staff : u], [\"x-${user.staff[\"bob\"].name}@example.net\"])}"
		} }
	}`)
	if len(native.Instances) != len(asJSON.Instances) {
		t.Fatalf("%d instances, %d in JSON", len(native.Instances), len(asJSON.Instances))
	}
	for i, n := range native.Instances {
		j := asJSON.Instances[i]
		if n.Ref.String() != j.Ref.String() || !n.Body.Object().RawEquals(j.Body.Object()) || n.PreventDestroy != j.PreventDestroy || len(n.DependsOn) != len(j.DependsOn) {
			t.Errorf("%s: %#v\nin JSON %s: %#v", n.Ref, n.Body.Object(), j.Ref, j.Body.Object())
		}
	}
}

// What is refused must be shown without the secret on its line.
func TestFilesHideSecrets(t *testing.T) {
	m, _ := Load(write(t, "main.mf.hcl", `
		variable "p" {
		  sensitive = true
		  default   = "default-secret"
		}
		user "alice" {
		  password_hash = ["$6$salt$digest-secret", "${upper("nested-secret")}"]
		}`, "mailform.mfvars", `p = "file-secret"`))
	for name, f := range m.Files() {
		if bytes.Contains(f.Bytes, []byte("-secret")) {
			t.Errorf("%s shows a secret:\n%s", name, f.Bytes)
		}
	}
}
