package console_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/console"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

const configuration = `
variable "secret" {
  default   = "hunter2"
  sensitive = true
}
variable "unset" { type = string }
domain "example" { name = "example.com" }
user "staff" {
  for_each      = toset(["a", "b"])
  domain        = domain.example
  name          = each.key
  password_hash = var.unset
}
`

func open(t testing.TB) *console.Console {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	m, diags := config.Load(dir)
	cfg, more := m.Evaluate(config.Options{AllowUnset: true}, nil)
	if diags = append(diags, more...); diags.HasErrors() {
		t.Fatal(diags)
	}
	return console.New(func(x config.Extras) *config.Scope { return m.Scope(cfg, nil, x) }, config.Extras{})
}

func TestLinesThatGoOn(t *testing.T) {
	for line, more := range map[string]bool{
		"1":            false,
		"[":            true,
		"{ a = (":      true,
		"]":            false,
		"\"[\"":        false,
		"\"${f(\"":     true,
		"<<EOT":        true,
		"# [":          false,
		"\"not closed": false,
	} {
		if got := open(t).Line(line).More; got != more {
			t.Errorf("after %q the expression goes on: %v, want %v", line, got, more)
		}
	}
}

func TestFormat(t *testing.T) {
	list := cty.ListVal([]cty.Value{cty.StringVal("a\n")})
	for want, v := range map[string]cty.Value{
		`"a\"${1}"`:                           cty.StringVal(`a"${1}`),
		"<<EOT\na\nb\nEOT":                    cty.StringVal("a\nb"),
		"tolist([\n  \"a\\n\",\n])":           list,
		"toset([])":                           cty.SetValEmpty(cty.String),
		"tomap({})":                           cty.MapValEmpty(cty.String),
		"{}":                                  cty.EmptyObjectVal,
		"12345678901234567890.5":              cty.MustParseNumberVal("12345678901234567890.5"),
		"tonumber(null)":                      cty.NullVal(cty.Number),
		"(not known)":                         cty.DynamicVal,
		"(sensitive value)":                   list.Mark(config.Sensitive),
		"[\n  (sensitive value),\n  true,\n]": cty.TupleVal([]cty.Value{cty.StringVal("x").Mark(config.Sensitive), cty.True}),
		`"\u001b[31m"`:                        cty.StringVal("\x1b[31m"),
	} {
		if got := console.Format(v); got != strings.ReplaceAll(want, `${`, `$${`) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTypeString(t *testing.T) {
	for want, typ := range map[string]cty.Type{
		"any":                              cty.DynamicPseudoType,
		"map(list(string))":                cty.Map(cty.List(cty.String)),
		"set(number)":                      cty.Set(cty.Number),
		"tuple([])":                        cty.EmptyTuple,
		"object({})":                       cty.EmptyObject,
		"reference":                        schema.RefType,
		"object({\n  a = bool\n})":         cty.Object(map[string]cty.Type{"a": cty.Bool}),
		"object({\n  \"a.b\" = string\n})": cty.Object(map[string]cty.Type{"a.b": cty.String}),
	} {
		if got := console.TypeString(typ, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Whatever is typed, nothing panics, and no secret is shown.
func FuzzLine(f *testing.F) {
	for _, line := range []string{
		"1 + 1", "[\nvar.secret\n]", "user.staff", "user.staff[\"a\"]", "type(user.staff)", "{a = var.secret}", "domain.example",
		"[for u in user.staff : u.address]", "<<EOT\n${1}\nEOT", "jsonencode(var.unset)", "type(type(1))", "domain.example.zone_file", "parseint(var.secret, 10)",
		"keys(user.staff)", "try(var.secret.x, 1)", "upper(var.secret)", "(", "}", "user.staff[*].name", "format(\"%d\", var.secret)",
	} {
		f.Add(line)
	}
	c := open(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "nonsensitive") || strings.Contains(text, "hunter2") || strings.Contains(text, "sha") || strings.Contains(text, "file") {
			return
		}
		shown := ""
		for line := range strings.SplitSeq(text, "\n") {
			a := c.Line(line)
			shown += a.Text + a.Diags.Error()
		}
		a := c.End()
		if shown += a.Text + a.Diags.Error(); strings.Contains(shown, "hunter2") {
			t.Errorf("%q shows a secret: %s", text, shown)
		}
	})
}
