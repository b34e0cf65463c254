package sealed

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// The files in testdata were encrypted by sops 3.13.1 out of two documents, with
// different rules: all.yaml for two recipients, some.yaml with
// mac_only_encrypted and encrypted_regex "^(hash|tags)$", most.yaml with
// unencrypted_regex "^people$", suffix.json with encrypted_suffix "hash",
// comments.yaml with encrypted_comment_regex, other.yaml for another key.

func testIdentities(t testing.TB) []age.Identity {
	t.Helper()
	ids, err := Identities([]string{"SOPS_AGE_KEY_FILE=testdata/key.txt"})
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	return ids
}

func formatOf(name string) Format {
	if strings.HasSuffix(name, ".json") {
		return JSON
	}
	return YAML
}

func open(t testing.TB, src []byte, format Format, ids []age.Identity) (map[string]cty.Value, error) {
	t.Helper()
	f, err := SOPS(src, format)
	if err != nil {
		return nil, err
	}
	return f.Open(ids)
}

// asJSON renders values for comparing.
func asJSON(t testing.TB, values map[string]cty.Value) string {
	t.Helper()
	v := cty.ObjectVal(values)
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	var indented any
	if err := json.Unmarshal(b, &indented); err != nil {
		t.Fatal(err)
	}
	b, err = json.MarshalIndent(indented, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	wantYAML = `{"hash":"hunter2","count":3,"ratio":1.5,"on":true,"nothing":null,"empty":"","when":"2026-01-31T12:00:00Z",` +
		`"people":{"alice":{"hash":"grüße: #1","tags":["a","b",3,{"x":"y"}]},"bob":{"hash":"two\nlines\n"}},"public_unencrypted":"seen"}`
	wantJSON = `{"hash":"hunter2","n":3,"f":1.25,"big":12345678901234,"b":false,"nil":null,"people":{"alice":{"hash":"xé","tags":["a",1]}},"e":""}`
)

func indented(t testing.TB, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFilesOfSOPS(t *testing.T) {
	for _, name := range []string{"all.yaml", "all.json", "some.yaml", "most.yaml", "suffix.json"} {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile("testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			values, err := open(t, src, formatOf(name), testIdentities(t))
			if err != nil {
				t.Fatal(err)
			}
			want := wantYAML
			if formatOf(name) == JSON {
				want = wantJSON
			}
			if diff := cmp.Diff(indented(t, want), asJSON(t, values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is not as SOPS has written it is not opened, wherever it was changed.
func TestFilesOfSOPSThatAreWrong(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("there is no %q to replace", old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	cutLine := func(with string) func(string) string {
		return func(s string) string {
			lines := strings.SplitAfter(s, "\n")
			for i, l := range lines {
				if strings.HasPrefix(strings.TrimSpace(l), with) {
					return strings.Join(append(lines[:i:i], lines[i+1:]...), "")
				}
			}
			t.Fatalf("there is no line %q", with)
			return ""
		}
	}
	swap := func(first, second string) func(string) string {
		return func(s string) string {
			lines := strings.SplitAfter(s, "\n")
			a, b := -1, -1
			for i, l := range lines {
				switch {
				case strings.HasPrefix(l, first):
					a = i
				case strings.HasPrefix(l, second):
					b = i
				}
			}
			lines[a], lines[b] = lines[b], lines[a]
			return strings.Join(lines, "")
		}
	}
	same := func(s string) string { return s }
	for name, tt := range map[string]struct {
		file   string
		change func(string) string
		want   string
	}{
		"a value in clear was changed":       {"all.yaml", replace("public_unencrypted: seen", "public_unencrypted: sent"), ErrDamaged.Error()},
		"a value was taken out":              {"all.yaml", cutLine("count:"), ErrDamaged.Error()},
		"two values stand the other way":     {"all.yaml", swap("count:", "ratio:"), ErrDamaged.Error()},
		"a value was put in":                 {"all.yaml", replace("nothing: null", "more_unencrypted: 1"), ErrDamaged.Error()},
		"a value has another name":           {"all.yaml", replace("count:", "number:"), ErrDamaged.Error()},
		"a value is of another type":         {"all.yaml", replace("type:int", "type:apple"), ErrDamaged.Error()},
		"a value is in clear":                {"all.yaml", replace(`empty: ""`, `empty: "x"`), ErrDamaged.Error()},
		"a number is in clear":               {"all.yaml", replace(`empty: ""`, `empty: 7`), ErrDamaged.Error()},
		"the date was changed":               {"all.yaml", replace(`lastmodified: "20`, `lastmodified: "21`), ErrDamaged.Error()},
		"the code is that of nothing":        {"all.yaml", replace(`mac: ENC[AES256_GCM,data:`, `mac: ENC[AES256_GCM,data:AAAA`), ErrDamaged.Error()},
		"a value outside the code was moved": {"some.yaml", replace("hash: ENC", "tags: ENC"), ErrDamaged.Error()},
		"another recipient alone":            {"other.yaml", same, ErrNoKey.Error()},
		"comments decide":                    {"comments.yaml", same, "encrypted_comment_regex"},
		"shares of a key":                    {"all.yaml", replace("sops:\n", "sops:\n    key_groups:\n        - age: []\n"), "key_groups"},
		"a key in a cloud":                   {"all.json", replace(`"age": [`, `"kms": [{"arn": "x"}], "none": [`), "for kms keys"},
		"no keys at all":                     {"all.json", replace(`"age": [`, `"none": [`), ErrDamaged.Error()},
		"a damaged key":                      {"all.json", replace(`-----BEGIN AGE ENCRYPTED FILE-----\n`, `-----BEGIN AGE ENCRYPTED FILE-----\nAAAA`), ErrDamaged.Error()},
		"a regular expression that is none":  {"some.yaml", replace("encrypted_regex: ^(", "encrypted_regex: ^(("), "no regular expression"},
		"not encrypted":                      {"all.yaml", func(string) string { return "hash: hunter2\n" }, ErrNotSOPS.Error()},
		"no map":                             {"all.yaml", func(string) string { return "- hunter2\n" }, "not a map"},
		"no YAML":                            {"all.yaml", func(string) string { return "\thunter2: [" }, "not valid YAML"},
		"two documents":                      {"all.yaml", func(s string) string { return s + "---\na: 1\n" }, "more than one YAML document"},
		"an alias":                           {"all.yaml", func(s string) string { return "a: &x 1\nb: *x\n" + s }, "line 2 has an alias"},
		"a key twice":                        {"all.yaml", func(s string) string { return "count: 1\n" + s }, "second time"},
		"a number as key":                    {"all.yaml", func(s string) string { return "1: 1\n" + s }, "no text"},
		"deep":                               {"all.yaml", func(string) string { return "a: " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) }, "levels deep"},
		"no JSON":                            {"all.json", func(string) string { return `{"hunter2": ` }, "not valid JSON"},
		"a JSON list":                        {"all.json", func(string) string { return `["hunter2"]` }, "not a JSON object"},
		"JSON and more":                      {"all.json", func(s string) string { return s + "{}" }, "behind"},
		"deep JSON":                          {"all.json", func(string) string { return `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}" }, "levels deep"},
	} {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile("testdata/" + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			values, err := open(t, []byte(tt.change(string(src))), formatOf(tt.file), testIdentities(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, error %v, want one with %q", values, err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// The sops program and this package read the same out of what sops has written
// just now.
func TestAgainstTheSOPSProgram(t *testing.T) {
	if cache, err := os.UserCacheDir(); err == nil { // where .ci/peers builds it
		t.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+filepath.Join(cache, "mailform", "tools"))
	}
	for _, program := range []string{"sops", "age-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed; .ci/peers installs it", program)
			}
			t.Skipf("SKIPPED: %s is not installed; .ci/peers installs it", program)
		}
	}
	dir := t.TempDir()
	ids := testIdentities(t)
	recipient := ids[0].(*age.X25519Identity).Recipient().String()
	key, err := filepath.Abs("testdata/key.txt")
	if err != nil {
		t.Fatal(err)
	}
	sops := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("sops", args...)
		cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+key)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sops %v: %v", args, err)
		}
		return out
	}
	for _, doc := range []struct{ name, text string }{
		{"a.yaml", "# first\na: 'x'\nb: 0x10\nc: 1e3\nd: [1, [2, yes, ~], {e: -7}]\n\"f:g\": \"h:i\" # last\nj: 2026-01-31\nk: !!binary aGFsbG8=\nl: []\nm: {}\n"},
		{"b.json", `{"a":"\u00fc\n","b":0.1,"c":[],"d":{},"e":[{"f":[true,null]}],"g":-0.0000001,"h":1e20}`},
	} {
		path := filepath.Join(dir, doc.name)
		if err := os.WriteFile(path, []byte(doc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, options := range []string{"", "mac_only_encrypted: true", "encrypted_regex: '^[ad]$'", "unencrypted_suffix: a", "mac_only_encrypted: true, encrypted_suffix: e"} {
			rules := filepath.Join(dir, "rules.yaml")
			rule := options
			if rule != "" {
				rule = ", " + rule
			}
			if err := os.WriteFile(rules, []byte("creation_rules: [{age: "+recipient+rule+"}]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			encrypted := sops("--config", rules, "encrypt", path)
			values, err := open(t, encrypted, formatOf(doc.name), ids)
			if err != nil {
				t.Errorf("%s %v: %v\n%s", doc.name, options, err, encrypted)
				continue
			}
			sealed := filepath.Join(dir, "sealed"+filepath.Ext(doc.name))
			if err := os.WriteFile(sealed, encrypted, 0o600); err != nil {
				t.Fatal(err)
			}
			want := sops("decrypt", "--output-type", "json", sealed)
			if diff := cmp.Diff(indented(t, string(want)), asJSON(t, values)); diff != "" {
				t.Errorf("%s %v (-sops +ours):\n%s", doc.name, options, diff)
			}
		}
	}
}

// Whatever is in a file, opening it gives values or a plain error.
func FuzzSOPS(f *testing.F) {
	ids := testIdentities(f)
	for _, name := range []string{"all.yaml", "some.yaml", "all.json", "suffix.json"} {
		src, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, formatOf(name) == JSON)
	}
	f.Fuzz(func(t *testing.T, src []byte, isJSON bool) {
		format := YAML
		if isJSON {
			format = JSON
		}
		values, err := open(t, src, format, ids)
		if err == nil && values == nil {
			t.Error("neither values nor an error")
		}
		if errors.Is(err, ErrDamaged) && strings.Contains(err.Error(), "ENC[") {
			t.Error("the error holds what is encrypted")
		}
	})
}

func FuzzAge(f *testing.F) {
	ids := testIdentities(f)
	f.Add([]byte("age-encryption.org/v1\n-> X25519 abc\n"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, err := Age(src, ids); err == nil {
			t.Error("opened what nobody has encrypted for this key")
		}
	})
}
