package planfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

var cmpValues = cmp.Comparer(func(a, b cty.Value) bool {
	return (a == cty.NilVal) == (b == cty.NilVal) && (a == cty.NilVal || a.RawEquals(b))
})

func example() *plan.Plan {
	id := schema.ID{Target: "embedded", Kind: schema.KindRRset, Key: "k"}
	k := schema.KindByName(id.Kind)
	vals := map[string]cty.Value{}
	for _, a := range k.Attributes {
		vals[a.Name] = cty.NullVal(a.Type)
	}
	vals["ttl"] = cty.NumberIntVal(60)
	vals["values"] = cty.ListVal([]cty.Value{cty.StringVal("a"), cty.UnknownVal(cty.String)})
	obj := cty.ObjectVal(vals)
	return &plan.Plan{
		Mode: plan.Normal, Targets: []string{"x"}, Lineage: "l", Serial: 3,
		Changes: []plan.Change{
			{Action: plan.Create, Address: "record.a", ID: id, PrevID: id, Before: cty.NullVal(k.Type()), After: obj, DependsOn: []string{"d"}, Notes: []string{"n"}},
			{Action: plan.Replace, Address: "record.b", ID: id, PrevID: schema.ID{Target: "t", Kind: id.Kind, Key: "old"}, Before: obj, After: obj,
				Observed: &providers.Observed{Kind: id.Kind, Key: "old", Attrs: cty.NullVal(cty.DynamicPseudoType), Revision: "r", Owner: "o", Retained: true}},
		},
		Drift:   []plan.Drift{{Address: "record.c", ID: id, Action: plan.Delete, Before: obj, After: cty.NullVal(k.Type())}},
		Foreign: []plan.Foreign{{ID: id}},
		Outputs: []plan.OutputChange{
			{Name: "o", Action: plan.Update, Before: cty.NullVal(cty.DynamicPseudoType), After: cty.ObjectVal(map[string]cty.Value{
				"set":  cty.SetVal([]cty.Value{cty.StringVal("x")}),
				"map":  cty.MapVal(map[string]cty.Value{"k": cty.UnknownVal(cty.Number), "l": cty.NumberIntVal(1)}),
				"tup":  cty.TupleVal([]cty.Value{cty.True, cty.DynamicVal, cty.EmptyObjectVal}),
				"uset": cty.SetVal([]cty.Value{cty.UnknownVal(cty.String)}),
			})},
			{Name: "u", Action: plan.Create, Before: cty.NullVal(cty.DynamicPseudoType), After: cty.UnknownVal(cty.String)},
		},
		Phases:  []plan.Phase{{Batches: []plan.Batch{{Target: "embedded", Deletes: true, Changes: []int{0, 1}}}}},
		Records: map[string][]string{"example.org": {"a", "b"}},
	}
}

func save(t testing.TB, p *plan.Plan, m Meta) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Save(&b, p, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPlanIsReadAsItWasSaved(t *testing.T) {
	meta := Meta{Mailform: "1", Vars: map[string]string{"a": "b"}, SensitiveVars: []string{"s"}, VarFiles: []string{"f"}, Config: map[string]string{"main.mf.hcl": "text"}}
	data := save(t, example(), meta)
	p, m, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want := example()
	// A set with something unknown in it comes back as unknown altogether.
	o := want.Outputs[0].After.AsValueMap()
	o["uset"] = cty.UnknownVal(cty.Set(cty.String))
	want.Outputs[0].After = cty.ObjectVal(o)
	if d := cmp.Diff(want, p, cmpValues); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(meta, m); d != "" {
		t.Error(d)
	}
	if !bytes.Equal(data, save(t, example(), meta)) {
		t.Error("the same plan makes another file")
	}
}

func TestNoDamageGoesUnseen(t *testing.T) {
	good := save(t, example(), Meta{Mailform: "1"})
	want, _, err := Read(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		// Some bytes of a zip archive say nothing: then it must read the same.
		if p, _, err := Read(bytes.NewReader(bad)); err == nil {
			if d := cmp.Diff(want, p, cmpValues); d != "" {
				t.Fatalf("byte %d changed: %s", i, d)
			}
		}
		if _, _, err := Read(bytes.NewReader(good[:i])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

// archive makes a plan file of given parts, with a checksum that is right.
func archive(t testing.TB, meta, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range map[string]string{metaName: meta, planName: body, configName: `{"a.mf.hcl":""}`, checksumName: string(checksum([]byte(meta), []byte(body), []byte(`{"a.mf.hcl":""}`)))} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsNoPlanIsRefused(t *testing.T) {
	meta := `{"mailform_plan":1}`
	for name, c := range map[string]struct {
		data []byte
		want error
		text string
	}{
		"an empty file":                           {nil, ErrDamaged, ""},
		"something else":                          {[]byte("#!/bin/sh\n"), ErrDamaged, ""},
		"a later format":                          {archive(t, `{"mailform_plan":2,"mailform":"9.9"}`, `{"what":"ever"}`), ErrVersion, "9.9"},
		"an empty meta":                           {archive(t, `{}`, `{}`), ErrDamaged, "says nothing"},
		"a phase of nothing":                      {archive(t, meta, `{"phases":[[{"target":"x","changes":[7]}]]}`), ErrDamaged, "change 7"},
		"an unknown action":                       {archive(t, meta, `{"changes":[{"action":"explode"}]}`), ErrDamaged, "explode"},
		"a number of a billion digits":            {archive(t, meta, `{"outputs":[{"name":"x","after":{"type":"number","value":1e999999}}]}`), ErrDamaged, "number"},
		"a path that leads nowhere":               {archive(t, meta, `{"outputs":[{"name":"x","after":{"type":["list","string"],"value":["a"],"unknown":[[{"index":4}]]}}]}`), ErrDamaged, "element 4"},
		"a small file that unpacks to a huge one": {archive(t, meta, strings.Repeat(" ", 2<<20)), ErrDamaged, "unpacks to more"},
	} {
		if _, _, err := read(bytes.NewReader(c.data), limits{1 << 20, 1 << 20}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	data := save(f, example(), Meta{Mailform: "1"})
	f.Add(data, []byte(`{"changes":[{"action":"create","id":{"kind":"rrset"},"after":{"value":null}}]}`))
	f.Fuzz(func(t *testing.T, whole, body []byte) {
		_, _, _ = Read(bytes.NewReader(whole))
		p, _, err := Read(bytes.NewReader(archive(t, `{"mailform_plan":1}`, string(body))))
		if err != nil {
			return
		}
		again, _, err := Read(bytes.NewReader(save(t, p, Meta{})))
		if err != nil {
			t.Fatalf("what was read cannot be saved and read: %v", err)
		}
		if diff, same := plan.Same(p, again); !same {
			t.Fatal(diff)
		}
	})
}
