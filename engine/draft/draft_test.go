package draft_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
)

const key = "v=DKIM1; k=rsa; p=MIIB"

// born answers for the keys of a world in which all of them have been made.
func born(id schema.ID) (cty.Value, bool) {
	switch id.Kind {
	case schema.KindDKIMKey:
	case schema.KindDNSSEC:
		return cty.ObjectVal(map[string]cty.Value{
			"ds": schema.StringList([]string{"1 13 2 " + strings.Repeat("AB", 32)}), "withdraw": cty.False,
		}), true
	default:
		return cty.NilVal, false
	}
	return cty.ObjectVal(map[string]cty.Value{"txt": cty.StringVal(key)}), true
}

var options = expand.Options{Version: "1.2.3", Known: born}

// evaluate loads files, in a directory of their own.
func evaluate(t testing.TB, files map[string]string, vars ...config.VarArg) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := config.Load(dir)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, files)
	}
	cfg, diags := m.Evaluate(config.Options{Vars: vars}, nil)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, files)
	}
	return cfg
}

// resources are what files expand to, by target.
func resources(t testing.TB, cfg *config.Config) map[string][]schema.Resource {
	t.Helper()
	res, diags := expand.Expand(cfg, options)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out := map[string][]schema.Resource{}
	for _, r := range res.Resources {
		r.Attrs, _ = r.Attrs.UnmarkDeep()
		out[r.Target] = append(out[r.Target], r)
	}
	return out
}

// things are resources as a provider lists them after an apply.
func things(list []schema.Resource) []providers.Observed {
	var out []providers.Observed
	for _, r := range list {
		out = append(out, providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: r.Attrs})
	}
	return out
}

// show lists resources by what they are, without their addresses.
func show(list []schema.Resource) map[string]string {
	out := map[string]string{}
	for _, r := range list {
		if r.Kind != schema.KindProcess { // its directory is the test's
			raw, err := state.EncodeEntry(state.Entry{Put: &state.Resource{ID: r.ID(), Attrs: r.Attrs}})
			if err != nil {
				panic(err)
			}
			out[r.Kind+" "+r.Key] = string(raw)
		}
	}
	return out
}

// TestWhatIsDraftedComesOutAsItWas takes all the configurations that package
// expand is tested with: what they make is drafted, written, read and expanded
// again, and has to be the same.
func TestWhatIsDraftedComesOutAsItWas(t *testing.T) {
	paths, err := filepath.Glob("../expand/testdata/*.txtar")
	more, _ := filepath.Glob("testdata/*.txtar")
	if paths = append(paths, more...); err != nil || len(paths) < 8 {
		t.Fatalf("configurations: %v, %v", paths, err)
	}
	for _, path := range paths {
		if filepath.Base(path) == "dnssec.txtar" {
			continue // keys and DS are born in apply, and drafts have no dnssec blocks
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range archive.Files {
				if strings.Contains(f.Name, ".") {
					files[f.Name] = string(f.Data)
				}
			}
			cfg := evaluate(t, files)
			for target, list := range resources(t, cfg) {
				if target != schema.DefaultProvider {
					continue
				}
				made, err := draft.Make(draft.Input{Target: target, Things: things(list), Config: &config.Config{Dir: cfg.Dir}, Expand: options})
				if err != nil {
					t.Fatal(err)
				}
				text := string(made.Config(draft.Options{Heading: []string{"A heading."}, Imports: true}))
				if formatted := string(hclwrite.Format([]byte(text))); formatted != text {
					t.Errorf("not in canonical form:\n%s", cmp.Diff(formatted, text))
				}
				if strings.Contains(text, "SECRET") {
					t.Errorf("a secret is in the file:\n%s", text)
				}
				again := show(resources(t, evaluate(t, map[string]string{"all.mf.hcl": text}, made.Vars()...))[target])
				want := show(list)
				for _, l := range made.Left {
					delete(want, l.ID.Kind+" "+l.ID.Key)
				}
				if d := cmp.Diff(want, again); d != "" {
					t.Errorf("it comes out otherwise:\n%s\n%s", d, text)
				}
				// With the users in a table it is the same.
				table := made.MakeTable("users.csv")
				lines, err := table.CSV()
				if err != nil {
					t.Fatal(err)
				}
				text2 := string(made.Config(draft.Options{Imports: true}))
				if strings.Contains(text2+string(lines), "SECRET") {
					t.Errorf("a secret is in the files:\n%s\n%s", text2, lines)
				}
				if formatted := string(hclwrite.Format([]byte(text2))); formatted != text2 {
					t.Errorf("not in canonical form:\n%s", cmp.Diff(formatted, text2))
				}
				again = show(resources(t, evaluate(t, map[string]string{"all.mf.hcl": text2, "users.csv": string(lines)}, made.Vars()...))[target])
				if d := cmp.Diff(want, again); d != "" {
					t.Errorf("it comes out otherwise from a table:\n%s\n%s\n%s", d, text2, lines)
				}
				left := ""
				for _, l := range made.Left {
					left += l.ID.Kind + " " + l.ID.Key + ": " + l.Why + "\n"
				}
				golden(t, "testdata/"+filepath.Base(path), map[string]string{"draft": text, "left": left, "table": text2, "lines": string(lines)})
			}
		})
	}
}

// golden compares what was made with the parts of a file in testdata that speak
// of it, where there is such a file.
func golden(t *testing.T, path string, made map[string]string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		return // one of package expand
	}
	for i := range archive.Files {
		f := &archive.Files[i]
		got, ok := made[f.Name]
		if !ok {
			continue
		}
		if os.Getenv("MAILFORM_UPDATE") != "" {
			f.Data = []byte(got)
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(string(f.Data), got); d != "" {
			t.Errorf("%s of %s (MAILFORM_UPDATE=1 accepts it):\n%s", f.Name, path, d)
		}
	}
}
