package expand_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
)

// load writes files into a directory and evaluates them.
func load(t *testing.T, files map[string]string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, diags := config.Load(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	cfg, diags := m.Evaluate(config.Options{}, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return cfg
}

// TestGolden expands the files of each testdata/*.txtar and compares with what
// the file says in its parts "resources", "computed" and "records".
// MAILFORM_UPDATE=1 writes these parts anew.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			golden(t, path)
		})
	}
}

func golden(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, want := map[string]string{}, map[string]string{}
	kept := archive.Files[:0:0]
	for _, f := range archive.Files {
		switch f.Name {
		case "resources", "computed", "records":
			want[f.Name] = string(f.Data)
		default:
			files[f.Name] = string(f.Data)
			kept = append(kept, f)
		}
	}
	cfg := load(t, files)
	res, diags := expand.Expand(cfg, expand.Options{Version: "1.2.3"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	got := map[string]string{"resources": showResources(res.Resources)}
	if s := showComputed(res.Computed); s != "" {
		got["computed"] = s
	}
	if s := showRecords(res.Records); s != "" {
		got["records"] = s
	}
	for name, s := range got {
		got[name] = strings.ReplaceAll(s, cfg.Dir, "$DIR")
	}
	if os.Getenv("MAILFORM_UPDATE") != "" {
		for _, name := range []string{"resources", "computed", "records"} {
			if s, ok := got[name]; ok {
				kept = append(kept, txtar.File{Name: name, Data: []byte(s)})
			}
		}
		archive.Files = kept
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (run with MAILFORM_UPDATE=1 to accept):\n%s", path, diff)
	}
	again, _ := expand.Expand(cfg, expand.Options{Version: "1.2.3"})
	if s := strings.ReplaceAll(showResources(again.Resources), cfg.Dir, "$DIR"); s != got["resources"] {
		t.Error("a second expansion gives something else")
	}
}

// showResources writes resources as text, after it has checked that they are
// what package schema promises.
func showResources(list []schema.Resource) string {
	var b strings.Builder
	seen := map[string]bool{}
	ids := map[schema.ID]string{}
	for i := range list {
		r := &list[i]
		kind := schema.KindByName(r.Kind)
		fmt.Fprintf(&b, "%s\n    %s %s at %s\n", r.Address, r.Kind, r.Key, r.Target)
		if !r.Attrs.Type().Equals(kind.Type()) {
			fmt.Fprintf(&b, "    NOT OF THE KIND'S TYPE: %#v\n", r.Attrs.Type())
			continue
		}
		if r.Attrs.ContainsMarked() {
			b.WriteString("    MARKED\n")
		}
		if other, ok := ids[r.ID()]; ok || seen[r.Address] {
			fmt.Fprintf(&b, "    NOT UNIQUE: %s\n", other)
		}
		ids[r.ID()], seen[r.Address] = r.Address, true
		for _, a := range kind.Attributes {
			if v := r.Attrs.GetAttr(a.Name); v.IsKnown() && v.IsNull() {
				continue
			} else {
				fmt.Fprintf(&b, "    %s = %s\n", a.Name, show(v))
			}
		}
		if len(r.DependsOn) > 0 {
			fmt.Fprintf(&b, "    depends on %s\n", strings.Join(r.DependsOn, ", "))
		}
		if r.PreventDestroy {
			b.WriteString("    prevent destroy\n")
		}
	}
	return b.String()
}

func show(v cty.Value) string {
	switch {
	case !v.IsKnown():
		return "(known after apply)"
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	}
	var elems []string
	for it := v.ElementIterator(); it.Next(); {
		key, el := it.Element()
		s := show(el)
		if v.Type().IsMapType() {
			s = key.AsString() + " = " + s
		}
		elems = append(elems, s)
	}
	return "[" + strings.Join(elems, ", ") + "]"
}

func showComputed(computed config.Computed) string {
	var b strings.Builder
	for _, r := range sortedKeys(computed) {
		ds := show(computed[r].GetAttr("ds"))
		if !computed[r].Type().HasAttribute("records") { // a zone
			if ds != "[]" {
				fmt.Fprintf(&b, "%s\n    ds = %s\n", r, ds)
			}
			continue
		}
		fmt.Fprintf(&b, "%s\n    dkim_txt = %s\n", r, show(computed[r].GetAttr("dkim_txt")))
		if ds != "[]" {
			fmt.Fprintf(&b, "    ds = %s\n", ds)
		}
		b.WriteString("    records =\n")
		for it := computed[r].GetAttr("records").ElementIterator(); it.Next(); {
			_, line := it.Element()
			fmt.Fprintf(&b, "        %s\n", show(line))
		}
		fmt.Fprintf(&b, "    zone_file = %s\n", show(computed[r].GetAttr("zone_file")))
	}
	return b.String()
}

func showRecords(records map[string][]string) string {
	var b strings.Builder
	for _, d := range sortedKeys(records) {
		b.WriteString(d + "\n")
		for _, l := range records[d] {
			b.WriteString("    " + l + "\n")
		}
	}
	return b.String()
}

// where is the text that a range covers, for tests of errors.
func where(files map[string]string, rng *hcl.Range) string {
	if rng == nil {
		return "nowhere"
	}
	data, ok := files[filepath.Base(rng.Filename)]
	if !ok || rng.End.Byte > len(data) {
		return "outside of " + rng.Filename
	}
	return data[rng.Start.Byte:rng.End.Byte]
}
