package state

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestAttributesSurviveAChangeOfTheKind(t *testing.T) {
	ttl := func(v cty.Value) cty.Value { return v.GetAttr("ttl") }
	for name, c := range map[string]struct {
		raw  string
		want cty.Value
	}{
		"one that the kind has gained is null":     {`{"name":"a."}`, cty.NullVal(cty.Number)},
		"one that the kind has lost is dropped":    {`{"ttl":5,"colour":"red"}`, cty.NumberIntVal(5)},
		"a number beyond int64 is kept":            {`{"ttl":36893488147419103232}`, cty.MustParseNumberVal("36893488147419103232")},
		"a fraction is kept":                       {`{"ttl":1.5}`, cty.NumberFloatVal(1.5)},
		"a string where a number is meant is read": {`{"ttl":"7"}`, cty.NumberIntVal(7)},
	} {
		v, err := new(decoder).attributes(schema.KindRRset, []byte(c.raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !ttl(v).RawEquals(c.want) {
			t.Errorf("%s: got %#v", name, ttl(v))
		}
	}
	if _, err := new(decoder).attributes(schema.KindRRset, []byte(`{"ttl":true}`)); err == nil || !strings.Contains(err.Error(), "ttl") {
		t.Errorf("a wrong type is no error that names the attribute: %v", err)
	}
	v, err := new(decoder).attributes("a kind to come", []byte(`{"x":[1,"y"]}`))
	if err != nil || v.GetAttr("x").LengthInt() != 2 {
		t.Errorf("an unknown kind: %#v, %v", v, err)
	}
}

func TestStringsSurviveTheJournal(t *testing.T) {
	for _, s := range []string{"", "plain", "quote \" and \\", "ümläut", "tab\tline\n", "\u2028", "a\x00b", "<&>"} {
		r := mailbox(1)
		vals := r.Attrs.AsValueMap()
		vals["mail"] = cty.StringVal(s)
		r.Attrs = cty.ObjectVal(vals)
		rec, err := r.record()
		if err != nil {
			t.Fatal(err)
		}
		v, err := new(decoder).attributes(schema.KindMailbox, rec.Attrs)
		if err != nil || !v.RawEquals(r.Attrs) {
			t.Errorf("%q became %#v, %v", s, v, err)
		}
	}
}

func TestSensitiveAttributesAreStrings(t *testing.T) {
	// Redact relies on it: a sensitive number would pass as it is.
	for _, k := range schema.Kinds() {
		for _, a := range k.Attributes {
			if a.Sensitive && a.Type != cty.String && !a.Type.Equals(cty.List(cty.String)) {
				t.Errorf("%s.%s is sensitive and a %s", k.Name, a.Name, a.Type.FriendlyName())
			}
		}
	}
}

func TestRedact(t *testing.T) {
	secret := "$argon2id$v=19$abc"
	attrs := cty.ObjectVal(map[string]cty.Value{
		"address":       cty.StringVal("a@b"),
		"password_hash": cty.ListVal([]cty.Value{cty.StringVal(secret)}),
		"messages":      cty.NumberIntVal(3),
	})
	once := Redact(schema.KindMailbox, attrs)
	want := cty.ObjectVal(map[string]cty.Value{
		"address":       cty.StringVal("a@b"),
		"password_hash": cty.ListVal([]cty.Value{cty.StringVal(schema.Fingerprint(secret))}),
		"messages":      cty.NumberIntVal(3),
	})
	if !once.RawEquals(want) {
		t.Errorf("got %#v", once)
	}
	if twice := Redact(schema.KindMailbox, once); !twice.RawEquals(once) {
		t.Errorf("a second time: %#v", twice)
	}
	if kept := Keep(schema.KindMailbox, attrs).GetAttr("messages"); !kept.IsNull() {
		t.Errorf("the state keeps a count of messages: %#v", kept)
	}
}

func TestOutputs(t *testing.T) {
	ref := schema.RefVal(schema.Ref{Type: "user", Name: "alice"})
	for name, c := range map[string]struct {
		in, want  cty.Value
		sensitive bool
	}{
		"a string":                {cty.StringVal("x"), cty.StringVal("x"), false},
		"a null":                  {cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.DynamicPseudoType), false},
		"an object with a number": {cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(1)}), cty.ObjectVal(map[string]cty.Value{"n": cty.NumberIntVal(1)}), false},
		"references":              {cty.TupleVal([]cty.Value{ref}), cty.TupleVal([]cty.Value{cty.StringVal("user.alice")}), false},
		"a sensitive one":         {cty.StringVal("x"), cty.NullVal(cty.String), true},
		"a marked one":            {cty.StringVal("x").Mark(1), cty.NullVal(cty.String), false},
	} {
		o, err := NewOutput(c.in, c.sensitive)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := o.Decode()
		if err != nil || !got.RawEquals(c.want) {
			t.Errorf("%s: got %#v, %v", name, got, err)
		}
	}
	if _, err := NewOutput(cty.UnknownVal(cty.String), false); err == nil {
		t.Error("an unknown value is no error")
	}
}

func FuzzLoad(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.mfstate")
	l := open(f, path)
	unlock := lock(f, l)
	appendTo(f, l, Entry{Put: mailbox(1)}, Entry{Delete: &mailbox(2).ID})
	j, _ := os.ReadFile(path + ".journal")
	f.Add(must(l.Load(f.Context())).encode(f), j)
	unlock()
	f.Add([]byte("{}\n"), []byte("2 00000000 {}\n"))
	f.Fuzz(func(t *testing.T, snapshot, jour []byte) {
		s, err := decodeSnapshot("s", snapshot)
		if err == nil {
			again, err := decodeSnapshot("s", s.encode(t))
			if err != nil {
				t.Fatalf("what was read cannot be written and read: %v", err)
			}
			if d := cmp.Diff(s, again, cmpValues); d != "" {
				t.Fatal(d)
			}
		}
		if _, err := decodeJournal(nil, "j", jour); err != nil {
			return
		}
	})
}

func (s *State) encode(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	if err := encodeSnapshot(&b, s); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

func BenchmarkLoad100k(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.mfstate")
	l := open(b, path)
	unlock := lock(b, l)
	var batch []Entry
	for i := range 100_000 {
		batch = append(batch, Entry{Put: mailbox(i)})
	}
	appendTo(b, l, batch...)
	unlock()
	for b.Loop() {
		if s := load(b, path); len(s.Resources) != 100_000 {
			b.Fatal(len(s.Resources))
		}
	}
}

func BenchmarkAppendOne(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "x.mfstate"))
	unlock := lock(b, l)
	defer unlock()
	var batch []Entry
	for i := range 20_000 {
		batch = append(batch, Entry{Put: mailbox(i)})
	}
	appendTo(b, l, batch...)
	for b.Loop() {
		appendTo(b, l, Entry{Put: mailbox(7)})
	}
}

func TestKeepsSaysWhatKeepWouldMake(t *testing.T) {
	obj := func(change map[string]cty.Value) cty.Value {
		vals := map[string]cty.Value{
			"address": cty.StringVal("a@example.com"), "password_hash": cty.ListVal([]cty.Value{cty.StringVal("$6$a$b")}), "quota": cty.NumberIntVal(1),
			"protocols": cty.ListValEmpty(cty.String), "mail": cty.StringVal("enabled"), "sieve": cty.NullVal(cty.String), "messages": cty.NumberIntVal(7), "bytes": cty.NullVal(cty.Number),
		}
		for name, v := range change {
			vals[name] = v
		}
		return cty.ObjectVal(vals)
	}
	kept := Keep(schema.KindMailbox, obj(nil))
	for name, attrs := range map[string]cty.Value{
		"the same":                  obj(nil),
		"what was kept":             kept,
		"another count":             obj(map[string]cty.Value{"messages": cty.NumberIntVal(8)}),
		"another quota":             obj(map[string]cty.Value{"quota": cty.NumberIntVal(2)}),
		"another password":          obj(map[string]cty.Value{"password_hash": cty.ListVal([]cty.Value{cty.StringVal("$6$a$c")})}),
		"no password":               obj(map[string]cty.Value{"password_hash": cty.NullVal(cty.List(cty.String))}),
		"one that is not known":     obj(map[string]cty.Value{"mail": cty.UnknownVal(cty.String)}),
		"one attribute more":        obj(map[string]cty.Value{"more": cty.True}),
		"nothing":                   cty.NullVal(schema.KindByName(schema.KindMailbox).Type()),
		"an object of another type": cty.EmptyObjectVal,
	} {
		if got, want := Keeps(schema.KindMailbox, kept, attrs), Keep(schema.KindMailbox, attrs).RawEquals(kept); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	was := cty.ObjectVal(map[string]cty.Value{"messages": cty.NumberIntVal(7)})
	if Keeps(schema.KindMailbox, obj(nil), obj(nil)) || Keeps(schema.KindMailbox, was, obj(nil)) {
		t.Error("what has counts and passwords in it is not what is kept")
	}
}

// A line of a resource is read in a short way or in the long one, which a blank
// before it leads to, with the same result.
func TestTheShortWayReadsWhatTheLongWayReads(t *testing.T) {
	attrs := `{"address":"a@b","quota":5}`
	for _, line := range []string{
		`{"put":{"target":"embedded","kind":"mailbox","key":"a@b","address":"user.a.mailbox","attrs":` + attrs + `}}`,
		`{"serial":7,"put":{"target":"embedded","kind":"mailbox","key":"a@b","address":"user.a.mailbox","attrs":` + attrs + `}}`,
		`{"serial":7,"put":{"target":"embedded","kind":"mailbox","key":"a@b","address":"user.s[\"a\"].mailbox","attrs":` + attrs + `,"depends_on":["x"]}}`,
		`{"serial":18446744073709551615,"put":{"target":"e","kind":"mailbox","key":"k","address":"a","attrs":{}}}`,
		`{"serial":18446744073709551616,"put":{"target":"e","kind":"mailbox","key":"k","address":"a","attrs":{}}}`,
		`{"serial":07,"put":{"target":"e","kind":"mailbox","key":"k","address":"a","attrs":{}}}`,
		`{"serial":7,"delete":{"target":"e","kind":"mailbox","key":"k"}}`,
		`{"serial":7,"end":true}`,
		`{"serial":7}`,
		`{"serial":`,
	} {
		short, err := new(decoder).record([]byte(line))
		long, lerr := new(decoder).record([]byte(" " + line))
		if (err == nil) != (lerr == nil) {
			t.Errorf("%s: %v, and in the long way %v", line, err, lerr)
		} else if err == nil && !reflect.DeepEqual(short, long) {
			t.Errorf("%s: %+v, and in the long way %+v", line, short, long)
		}
	}
}
