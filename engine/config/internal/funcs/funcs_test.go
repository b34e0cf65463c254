package funcs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

type testMark struct{}

func evaluate(t *testing.T, dir, expression string) (cty.Value, error) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expression), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", expression, diags)
	}
	v, diags := e.Value(&hcl.EvalContext{
		Functions: Table(dir, testMark{}),
		Variables: map[string]cty.Value{
			"unknown":    cty.UnknownVal(cty.String),
			"any":        cty.DynamicVal,
			"list":       cty.UnknownVal(cty.List(cty.String)),
			"secret":     cty.StringVal("s").Mark(testMark{}),
			"secretname": cty.StringVal("a.example").Mark(testMark{}),
			"text":       cty.StringVal("${a}-${a}"),
		},
	})
	if diags.HasErrors() {
		return v, diags
	}
	return v, nil
}

// Each expression is compared with another one, which is written plainly.
func TestFunctions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "text\n", "b.bin": "\xff", "t.tpl": "%{ for n in names }<${n}>%{ endfor }", "self.tpl": "${templatefile(\"self.tpl\", {})}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ expression, want string }{
		{`abs(-1)`, `1`},
		{`alltrue([])`, `true`},
		{`alltrue([true, false])`, `false`},
		{`alltrue([true, null])`, `false`},
		{`anytrue([])`, `false`},
		{`anytrue([false, true])`, `true`},
		{`base64decode(base64encode("grüße"))`, `"grüße"`},
		{`basename("a/b.txt")`, `"b.txt"`},
		{`dirname("a/b.txt")`, `"a"`},
		{`can(upper([]))`, `false`},
		{`try(upper([]), "x")`, `"x"`},
		{`cidrhost("192.0.2.0/24", 5)`, `"192.0.2.5"`},
		{`cidrhost("2001:db8::/32", 5)`, `"2001:db8::5"`},
		{`cidrnetmask("192.0.2.0/25")`, `"255.255.255.128"`},
		{`cidrsubnet("192.0.2.0/24", 2, 3)`, `"192.0.2.192/26"`},
		{`cidrsubnets("192.0.2.0/24", 1, 2, 2)`, `tolist(["192.0.2.0/25", "192.0.2.128/26", "192.0.2.192/26"])`},
		{`chunklist(["a", "b", "c"], 2)`, `tolist([tolist(["a", "b"]), tolist(["c"])])`},
		{`coalesce(null, "", "a")`, `"a"`},
		{`compact(["a", "", "b"])`, `tolist(["a", "b"])`},
		{`contains(["a", "b"], "b")`, `true`},
		{`csvdecode("a,b\n1,2\n")[0].b`, `"2"`},
		{`distinct(["a", "b", "a"])`, `tolist(["a", "b"])`},
		{`element(["a", "b"], 3)`, `"b"`},
		{`endswith("abc", "bc")`, `true`},
		{`startswith("abc", "bc")`, `false`},
		{`strcontains("abc", "b")`, `true`},
		{`file("a.txt")`, `"text\n"`},
		{`filebase64("b.bin")`, `"/w=="`},
		{`fileexists("a.txt")`, `true`},
		{`fileexists("c.txt")`, `false`},
		{`fileset(".", "*.t*")`, `toset(["a.txt", "self.tpl", "t.tpl"])`},
		{`templatefile("t.tpl", { names = ["a", "b"] })`, `"<a><b>"`},
		{`flatten([["a"], [["b"]]])`, `["a", "b"]`},
		{`format("%s-%03d", "a", 7)`, `"a-007"`},
		{`formatdate("YYYY", "2024-02-29T00:00:00Z")`, `"2024"`},
		{`formatlist("%s!", ["a", "b"])`, `tolist(["a!", "b!"])`},
		{`index(["a", "b"], "b")`, `1`},
		{`join(",", ["a", "b"])`, `"a,b"`},
		{`jsondecode("{\"a\":[1,{\"b\":null}]}").a[0]`, `1`},
		{`jsonencode({ a = [1, "x"] })`, `"{\"a\":[1,\"x\"]}"`},
		{`keys({ b = 1, a = 2 })`, `["a", "b"]`},
		{`length("grüße")`, `5`},
		{`length({ a = 1 })`, `1`},
		{`length([])`, `0`},
		{`length(toset(["a", "a"]))`, `1`},
		{`lookup({ a = 1 }, "a")`, `1`},
		{`lookup({ a = 1 }, "b", 2)`, `2`},
		{`lookup(tomap({ a = 1 }), "b", 2)`, `2`},
		{`matchkeys(["a", "b", "c"], ["x", "y", "x"], ["x"])`, `tolist(["a", "c"])`},
		{`md5("a")`, `"0cc175b9c0f1b6a831c399e269772661"`},
		{`sha1("a")`, `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`},
		{`substr(sha256("a"), 0, 8)`, `"ca978112"`},
		{`length(sha512("a"))`, `128`},
		{`merge({ a = 1 }, { a = 2, b = 3 })`, `{ a = 2, b = 3 }`},
		{`one([])`, `null`},
		{`one(["a"])`, `"a"`},
		{`one(toset(["a"]))`, `"a"`},
		{`parseint("ff", 16)`, `255`},
		{`pow(2, 10)`, `1024`},
		{`range(3)`, `tolist([0, 1, 2])`},
		{`regex("[a-z]+", "12ab")`, `"ab"`},
		{`replace("a.b", ".", "-")`, `"a-b"`},
		{`replace("a1b2", "/[0-9]/", "-")`, `"a-b-"`},
		{`reverse(["a", "b"])`, `["b", "a"]`},
		{`setsubtract(["a", "b"], ["b"])`, `toset(["a"])`},
		{`slice(["a", "b", "c"], 1, 2)`, `["b"]`},
		{`sort(["b", "a"])`, `tolist(["a", "b"])`},
		{`split(",", "a,b")`, `tolist(["a", "b"])`},
		{`strrev("ab")`, `"ba"`},
		{`sum([1, 2.5])`, `3.5`},
		{`timeadd("2024-01-01T00:00:00Z", "1h")`, `"2024-01-01T01:00:00Z"`},
		{`title("ab cd")`, `"Ab Cd"`},
		{`tonumber("5")`, `5`},
		{`tostring(true)`, `"true"`},
		{`transpose({ a = ["x", "y"], b = ["x"] })`, `tomap({ x = tolist(["a", "b"]), y = tolist(["a"]) })`},
		{`trimprefix(trimsuffix(trimspace(" abc "), "c"), "a")`, `"b"`},
		{`urlencode("a b/ü")`, `"a+b%2F%C3%BC"`},
		{`values({ b = 1, a = 2 })`, `[2, 1]`},
		{`yamldecode("a:\n  - 1\n  - b: x\n").a[1].b`, `"x"`},
		{`yamldecode(yamlencode({ a = [1] })).a[0]`, `1`},
		{`zipmap(["a", "b"], [1, 2])`, `{ a = 1, b = 2 }`},
		{`nonsensitive(upper(secret))`, `"S"`},
		{`nonsensitive(sensitive("a"))`, `"a"`},
	}
	for _, tt := range tests {
		got, err := evaluate(t, dir, tt.expression)
		if err != nil {
			t.Errorf("%s: %v", tt.expression, err)
			continue
		}
		want, err := evaluate(t, dir, tt.want)
		if err != nil {
			t.Fatalf("%s: %v", tt.want, err)
		}
		if !got.RawEquals(want) {
			t.Errorf("%s is %#v, want %#v", tt.expression, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b.bin"), []byte("\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ expression, want string }{
		{`base64decode("*")`, "not valid base64"},
		{`base64decode("/w==")`, "UTF-8"},
		{`cidrhost("192.0.2.0/33", 1)`, "is not a network"},
		{`cidrhost("192.0.2.0/24", 300)`, "300"},
		{`cidrhost("192.0.2.0/24", 0.5)`, "whole number"},
		{`cidrnetmask("2001:db8::/32")`, "no netmask"},
		{`cidrsubnet("192.0.2.0/24", 20, 0)`, "from 1 to 8"},
		{`cidrsubnet("192.0.2.0/24", 1, -1)`, "not negative"},
		{`cidrsubnets("192.0.2.0/24", 1, 1, 1)`, "no room"},
		{`file("no")`, `there is no file "no"`},
		{`file("")`, "is a directory"},
		{`file("b.bin")`, "not valid UTF-8"},
		{`file("a\u0000b")`, "NUL"},
		{`index(["a"], "b")`, "is not in the list"},
		{`index("a", "b")`, "has to be a list"},
		{`jsondecode(join("", [for i in range(1000): "["]))`, "levels deep"},
		{`yamldecode(join("", [for i in range(1000): "["]))`, "levels deep"},
		{`yamldecode(join("", [for i in range(1000): "- "]))`, "levels deep"},
		{`length(5)`, "has to be"},
		{`lookup({}, "a")`, "no attribute"},
		{`lookup(tomap({ b = 1 }), "a")`, "no element"},
		{`lookup([], "a")`, "has to be a map"},
		{`lookup({}, "a", 1, 2)`, "two or three"},
		{`one(["a", "b"])`, "at most one"},
		{`one(toset(["a", "b"]))`, "at most one"},
		{`sum([])`, "at least one number"},
		{`sum(["a"])`, "numbers only"},
		{`pow(2, 100000)`, "between"},
		{`replace("a", "/(/", "")`, "missing closing"},
		{`matchkeys(["a"], ["x", "y"], ["x"])`, "same length"},
	}
	for _, tt := range tests {
		if v, err := evaluate(t, dir, tt.expression); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %#v, error %v, want one with %q", tt.expression, v, err, tt.want)
		}
	}
}

// A function of what is not known yet is not known yet, and of a secret a secret.
func TestUnknownAndSensitive(t *testing.T) {
	for _, expression := range []string{
		`upper(unknown)`, `length(list)`, `length(any)`, `lookup({ a = 1 }, unknown, 2)`, `sum([1, tonumber(unknown)])`,
		`index(["a"], unknown)`, `one(list)`, `alltrue([any])`, `jsondecode(unknown)`, `yamldecode(unknown)`, `file(unknown)`,
		`templatefile(unknown, {})`, `matchkeys(list, list, list)`, `transpose({ a = list })`, `sensitive(unknown)`, `cidrhost(unknown, 1)`,
	} {
		v, err := evaluate(t, t.TempDir(), expression)
		if err != nil || v.IsKnown() {
			t.Errorf("%s: %#v, %v", expression, v, err)
		}
	}
	for _, expression := range []string{`upper(secret)`, `lookup({ a = secret }, "a")`, `md5(secret)`, `sensitive("a")`, `length(secret)`} {
		v, err := evaluate(t, t.TempDir(), expression)
		if err != nil || !v.HasMark(testMark{}) {
			t.Errorf("%s: %#v, %v", expression, v, err)
		}
	}
}
