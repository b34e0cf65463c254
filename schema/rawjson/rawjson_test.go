package rawjson

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
)

func collect(raw []byte) (map[string]string, error) {
	fields := map[string]string{}
	err := Fields(raw, func(name, value []byte) error {
		fields[string(name)] = string(value)
		return nil
	})
	return fields, err
}

func TestFields(t *testing.T) {
	for in, want := range map[string]map[string]string{
		`{}`:                         {},
		" {\n} ":                     {},
		`{"a":1,"b":"x"}`:            {"a": "1", "b": `"x"`},
		`{ "a" : [1, {"b": "]}"}] }`: {"a": `[1, {"b": "]}"}]`},
		`{"a":"\"}","b":null}`:       {"a": `"\"}"`, "b": "null"},
		`{"\u0061\"":true}`:          {`a"`: "true"},
		`{"a":1,"a":2}`:              {"a": "2"},
	} {
		if got, err := collect([]byte(in)); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for _, in := range []string{``, ` `, `1`, `[]`, `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":1}x`, `{a:1}`, `{"a":"x}`, `{"a":[1}`, `{"a":1 "b":2}`, `{"\u":1}`} {
		if got, err := collect([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

func TestAnErrorEndsIt(t *testing.T) {
	enough := errors.New("enough")
	calls := 0
	err := Fields([]byte(`{"a":1,"b":2}`), func(_, _ []byte) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d fields", err, calls)
	}
}

// FuzzFields holds it to encoding/json for whatever that takes for an object.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":"]}"}],"c":"\"\\"}`, ` {"\u0061" : -1.5e3 , "x":{} } `, `{"a":tru}`, `[1]`, `{"a":"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := collect(raw)
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || want == nil {
			return // damaged: it must only not panic
		}
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		for name, value := range want {
			// An odd octet in a name is something else to encoding/json.
			if v, ok := got[name]; ok && v != string(value) {
				t.Fatalf("%q: %s is %q, want %q", raw, name, v, value)
			}
		}
		if len(got) < len(want) {
			t.Fatalf("%q: %d fields of %d", raw, len(got), len(want))
		}
	})
}

func TestTexts(t *testing.T) {
	for in, want := range map[string][]string{
		`[]`: {}, ` [ ] `: {}, `["a"]`: {"a"}, `["a", "]," ]`: {"a", "],"}, `[""]`: {""},
	} {
		if got, ok := Texts([]byte(in)); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{``, `[`, `["a"`, `["a",]`, `[,"a"]`, `["a" "b"]`, `[1]`, `[null]`, `["\n"]`, "[\"\u00e9\"]", `["a"]x`, `"a"`, `null`} {
		if got, ok := Texts([]byte(in)); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
}

// FuzzTexts holds it to encoding/json for what it takes.
func FuzzTexts(f *testing.F) {
	for _, seed := range []string{`[]`, `["a","b"]`, `["a" , "\""]`, `[1]`, `["a",]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := Texts(raw)
		if !ok {
			return
		}
		var want []string
		if err := json.Unmarshal(raw, &want); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q, %v", raw, got, want, err)
		}
	})
}

// FuzzText holds the short ways to encoding/json.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "plain", `a "quoted" \\ one`, "ü", "<&>", "\x00\x7f\u2028", "\xff", `\\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendText([]byte("-"), s)
		if err != nil || string(got) != "-"+string(want) {
			t.Fatalf("%q is written as %s, %v; want %s", s, got, err, want)
		}
		if Plain(s) != (string(want) == `"`+s+`"` && !slices.Contains([]byte(s), 0x7f) && isASCII(s)) {
			t.Fatalf("%q: plain is %v", s, Plain(s))
		}
		for _, raw := range []string{s, string(want)} {
			text, ok := Text([]byte(raw))
			if !ok {
				continue
			}
			var read string
			if err := json.Unmarshal([]byte(raw), &read); err != nil || read != text {
				t.Fatalf("%q is read as %q, want %q, %v", raw, text, read, err)
			}
		}
	})
}

func isASCII(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c >= 0x80 })
}
