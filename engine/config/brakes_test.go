package config

import (
	"strings"
	"testing"
)

func TestTheFilesSetTheBrakes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Brakes // without a range
		err  string
	}{
		"nothing is the default":         {"mailform {\n  brakes {}\n}", Brakes{Percent: 30, Minimum: 10, Records: true, Mailboxes: true}, ""},
		"each can be set":                {"mailform {\n  brakes {\n    percent = 50\n    minimum = 20\n    records = false\n    mailboxes = true\n  }\n}", Brakes{Percent: 50, Minimum: 20, Mailboxes: true}, ""},
		"more than all":                  {"mailform {\n  brakes { percent = 101 }\n}", Brakes{}, `The argument "percent" is a whole number from 1 to 100.`},
		"nothing at all":                 {"mailform {\n  brakes { percent = 0 }\n}", Brakes{}, `from 1 to 100`},
		"half a percent":                 {"mailform {\n  brakes { percent = 30.5 }\n}", Brakes{}, `whole number`},
		"a huge minimum":                 {"mailform {\n  brakes { minimum = 100000000000000000000 }\n}", Brakes{}, `from 1 to 1000`},
		"a word":                         {"mailform {\n  brakes { percent = \"many\" }\n}", Brakes{}, `has to be a number`},
		"a variable":                     {"variable \"p\" {}\nmailform {\n  brakes {\n    percent = var.p\n  }\n}", Brakes{}, `read before anything is evaluated`},
		"what cannot be switched off":    {"mailform {\n  brakes { mx = false }\n}", Brakes{}, `"mx"`},
		"a second block":                 {"mailform {\n  brakes {}\n}\nmailform {\n  brakes {}\n}", Brakes{}, `brakes`},
		"a second block in the same one": {"mailform {\n  brakes {}\n  brakes {}\n}", Brakes{}, `brakes`},
	} {
		t.Run(name, func(t *testing.T) {
			m, diags := Load(write(t, "main.mf.hcl", c.text))
			if c.err != "" {
				if !diags.HasErrors() || !strings.Contains(diags.Error(), c.err) {
					t.Fatalf("got %v, want %q", diags, c.err)
				}
				return
			}
			cfg, more := m.Evaluate(Options{}, nil)
			if diags = append(diags, more...); diags.HasErrors() {
				t.Fatal(diags)
			}
			got := *cfg.Brakes
			if got.Range.Filename != "main.mf.hcl" || got.Range.Start.Line == 0 {
				t.Errorf("the place is %v", got.Range)
			}
			got.Range = c.want.Range
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestACalledModuleSetsNoBrakes(t *testing.T) {
	_, diags := Load(write(t,
		"main.mf.hcl", "module \"a\" {\n  source = \"./a\"\n}\n",
		"a/main.mf.hcl", "mailform {\n  brakes {\n    percent = 90\n  }\n}\n"))
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "a/main.mf.hcl:2") {
		t.Errorf("got %v", diags)
	}
}
