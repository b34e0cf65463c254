package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackend(t *testing.T) {
	const vars = `
variable "stage" { default = "prod" }
variable "token" { sensitive = true }
variable "unused" {}
locals { base = "https://${var.stage}.example" }
`
	lines := strings.NewReplacer("mailform { ", "mailform {\n", "} }", "}\n}") // as the syntax wants it
	for name, c := range map[string]struct {
		text    string
		environ []string
		want    string // address and password, or part of the error after "error: "
	}{
		"none":                      {``, nil, "none"},
		"made of variables":         {`mailform { backend "http" { address = "https://${var.stage}/" } }`, nil, "https://prod/ -"},
		"made of locals":            {`mailform { backend "http" { address = format("%s/x", local.base) } }`, nil, "https://prod.example/x -"},
		"a secret from outside":     {`mailform { backend "http" { password = var.token } }`, []string{"MF_VAR_token=s3"}, "- s3"},
		"a variable that is unset":  {`mailform { backend "http" { password = var.token } }`, nil, "error: has to be known before anything else"},
		"made of a block":           {"domain \"d\" {}\nmailform { backend \"http\" { address = domain.d.name } }", nil, "error: and not of domain.d"},
		"made of a block by locals": {"domain \"d\" {}\nlocals { x = domain.d.name }\nmailform { backend \"http\" { address = local.x } }", nil, "error: and not of domain.d"},
		"an unknown one":            {`mailform { backend "htpp" {} }`, nil, `error: Did you mean "http"?`},
		"two of them":               {"mailform {\nbackend \"http\" {}\nbackend \"local\" {}\n}", nil, "error: A backend"},
		"an unknown argument":       {`mailform { backend "http" { adress = "x" } }`, nil, "error: Unsupported argument"},
		"other errors do not count": {"user \"x\" { nonsense = 1 }\nmailform { backend \"http\" { address = \"a\" } }", nil, "a -"},
		"a cycle of locals":         {"locals {\n a = local.b\n b = local.a\n}\nmailform { backend \"http\" { address = local.a } }", nil, "error: made of itself"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.mf.hcl"), []byte(vars+lines.Replace(c.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			m, diags := Load(dir)
			b, more := m.Backend(Options{Environ: c.environ})
			if want, wrong := strings.CutPrefix(c.want, "error: "); wrong {
				if all := append(diags, more...); !all.HasErrors() || !strings.Contains(textOf(all.Errs()), want) {
					t.Errorf("got %s, want %s", textOf(all.Errs()), want)
				}
				return
			}
			if more.HasErrors() {
				t.Fatal(more)
			}
			got := "none"
			if b != nil {
				got = ""
				for _, name := range []string{"address", "password"} {
					v, _ := b.Value.GetAttr(name).Unmark()
					word := "-"
					if !v.IsNull() {
						word = v.AsString()
					}
					got = strings.TrimSpace(got + " " + word)
				}
				if !b.Value.GetAttr("password").HasMark(Sensitive) && !b.Value.GetAttr("password").IsNull() {
					t.Error("the password carries no mark")
				}
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func textOf(errs []error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}
