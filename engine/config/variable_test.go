package config

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config/internal/funcs"
)

// What a variable is, for what is written in its block and what is set. Each
// value is compared with an expression that is written plainly.
func TestVariables(t *testing.T) {
	arg := func(value string) Options { return Options{Vars: []VarArg{{Name: "a", Value: value}}} }
	for name, tt := range map[string]struct {
		block string
		opts  Options
		file  string // contents of mailform.mfvars
		want  string // the value, or "error: " and a part of what is said
	}{
		"no type takes text as it is":             {``, arg(`[1]`), ``, `"[1]"`},
		"no type takes a number from a file":      {``, Options{}, `a = 5`, `5`},
		"any reads an expression":                 {`type = any`, arg(`[1, "b"]`), ``, `[1, "b"]`},
		"any reads a quoted text":                 {`type = any`, arg(`"b"`), ``, `"b"`},
		"any does not read a bare word":           {`type = any`, arg(`b`), ``, `error: is not a valid expression for its type, any`},
		"text":                                    {`type = string`, arg(`null`), ``, `"null"`},
		"text of a number in a file":              {`type = string`, Options{}, `a = 5`, `"5"`},
		"a number of text in a file":              {`type = number`, Options{}, `a = "5"`, `5`},
		"a number that is none":                   {`type = number`, arg(`five`), ``, `error: does not fit its type: a number is required`},
		"a bool":                                  {`type = bool`, arg(`true`), ``, `true`},
		"a bool in other letters":                 {`type = bool`, arg(`True`), ``, `error: a bool is required`},
		"a list":                                  {`type = list(string)`, arg(`["a", 1]`), ``, `tolist(["a", "1"])`},
		"a list of nothing":                       {`type = list(string)`, arg(`[]`), ``, `slice(tolist(["a"]), 0, 0)`},
		"a list of what does not fit":             {`type = list(number)`, Options{}, `a = [1, "b"]`, `error: at [1], a number is required`},
		"a set":                                   {`type = set(string)`, arg(`["b", "a", "b"]`), ``, `toset(["a", "b"])`},
		"a map":                                   {`type = map(number)`, arg(`{ x = "1" }`), ``, `tomap({ x = 1 })`},
		"a map of what does not fit":              {`type = map(number)`, Options{}, `a = { x = "b" }`, `error: at ["x"], a number is required`},
		"a map of any is of one type":             {`type = map(any)`, arg(`{ x = 1, y = "b" }`), ``, `tomap({ x = "1", y = "b" })`},
		"a tuple":                                 {`type = tuple([string, number])`, arg(`[1, "2"]`), ``, `["1", 2]`},
		"a tuple of another length":               {`type = tuple([string])`, arg(`["a", "b"]`), ``, `error: does not fit its type`},
		"an object":                               {`type = object({ q = string })`, arg(`{ q = 1 }`), ``, `{ q = "1" }`},
		"an object drops what is not declared":    {`type = object({ q = string })`, arg(`{ q = "1", r = 2 }`), ``, `{ q = "1" }`},
		"an object without a required one":        {`type = object({ q = string })`, arg(`{}`), ``, `error: attribute "q" is required`},
		"optional without a default":              {`type = object({ q = optional(string) })`, arg(`{}`), ``, `{ q = tostring(null) }`},
		"optional with a default":                 {`type = object({ q = optional(string, "1GiB") })`, arg(`{}`), ``, `{ q = "1GiB" }`},
		"optional with a default, converted":      {`type = object({ q = optional(string, 5) })`, arg(`{}`), ``, `{ q = "5" }`},
		"null stands for the default":             {`type = object({ q = optional(string, "d") })`, arg(`{ q = null }`), ``, `{ q = "d" }`},
		"optional, given":                         {`type = object({ q = optional(string, "d") })`, arg(`{ q = "x" }`), ``, `{ q = "x" }`},
		"optional of a wrong default":             {`type = object({ q = optional(number, "d") })`, arg(`{}`), ``, `error: Invalid default value for optional attribute`},
		"optional outside of an object":           {`type = list(optional(string))`, Options{AllowUnset: true}, ``, `error: valid only as a modifier for object type attributes`},
		"defaults in a map":                       {`type = map(object({ q = optional(number, 1) }))`, arg(`{ x = {}, y = { q = 2 } }`), ``, `tomap({ x = { q = 1 }, y = { q = 2 } })`},
		"defaults in a list":                      {`type = list(object({ q = optional(number, 1) }))`, arg(`[{}, { q = 2 }]`), ``, `tolist([{ q = 1 }, { q = 2 }])`},
		"defaults in an optional object":          {`type = object({ o = optional(object({ q = optional(number, 1), r = optional(string) }), {}) })`, arg(`{}`), ``, `{ o = { q = 1, r = tostring(null) } }`},
		"no defaults in an object that is null":   {`type = object({ o = optional(object({ q = optional(number, 1) })) })`, arg(`{}`), ``, `{ o = one(slice(tolist([{ q = 1 }]), 0, 0)) }`},
		"defaults in a default":                   {"type = object({ q = optional(number, 1), r = optional(number, 2) })\ndefault = { r = 3 }", Options{}, ``, `{ q = 1, r = 3 }`},
		"a default is converted":                  {"type = list(string)\ndefault = [1]", Options{}, ``, `tolist(["1"])`},
		"a default of null":                       {"type = string\ndefault = null", Options{}, ``, `tostring(null)`},
		"null in place of the default":            {"type = string\ndefault = \"d\"", Options{}, `a = null`, `tostring(null)`},
		"null where it is no value":               {"type = string\nnullable = false\ndefault = \"d\"", Options{}, `a = null`, `"d"`},
		"null where there is no default either":   {"type = string\nnullable = false", Options{}, `a = null`, `error: null is not allowed`},
		"null as a default that is no value":      {"nullable = false\ndefault = null", Options{}, ``, `error: which nullable = false refuses`},
		"an empty text in the environment":        {`type = string`, Options{Environ: []string{"MF_VAR_a="}}, ``, `""`},
		"a list in the environment":               {`type = list(number)`, Options{Environ: []string{"MF_VAR_a=[1, 2]"}}, ``, `tolist([1, 2])`},
		"an equals sign in the environment":       {`type = string`, Options{Environ: []string{"MF_VAR_a=b=c"}}, ``, `"b=c"`},
		"what is not declared in the environment": {`default = 1`, Options{Environ: []string{"MF_VAR_b=2"}}, ``, `1`},
		"what is not declared in a file":          {`default = 1`, Options{}, `b = 2`, `1`},
		"what is not declared on the command line": {`default = 1`, Options{Vars: []VarArg{{Name: "aa", Value: "2"}}}, ``,
			`error: the configuration does not declare it. Did you mean "a"?`},
		"a type that is none":        {`type = text`, Options{AllowUnset: true}, ``, `error: The keyword "text" is not a valid type specification`},
		"a type in quotation marks":  {`type = "string"`, Options{AllowUnset: true}, ``, `error: Invalid type specification`},
		"a list without its element": {`type = list`, Options{AllowUnset: true}, ``, `error: The list type constructor requires one argument`},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []string{"main.mf.hcl", "variable \"a\" {\n" + tt.block + "\n}\n"}
			if tt.file != "" {
				parts = append(parts, "mailform.mfvars", tt.file)
			}
			dir := write(t, parts...)
			vars, _, diags := variablesOf(t, dir, tt.opts)
			if want, wrong := strings.CutPrefix(tt.want, "error: "); wrong {
				if len(diags.Errs()) != 1 || !strings.Contains(diags.Error(), want) {
					t.Errorf("%v, want one error with %q", diags, want)
				}
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			x, diags := hclsyntax.ParseExpression([]byte(tt.want), "", hcl.InitialPos)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			want, diags := x.Value(&hcl.EvalContext{Functions: funcs.Table(dir, Sensitive)})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if !vars["a"].RawEquals(want) {
				t.Errorf("got  %#v\nwant %#v", vars["a"], want)
			}
		})
	}
}

// Validations, each with what is said of it.
func TestValidations(t *testing.T) {
	const two = `
variable "a" {
  type = string
  validation {
    condition     = length(var.a) > 1
    error_message = "Too short."
  }
  validation {
    condition     = var.a != "b" && can(regex("^[a-z]+$", var.a))
    error_message = "Neither b nor upper case: ${var.a}."
  }
}
`
	const other = `
variable "least" {
  type    = number
  default = 2
}
locals {
  most = var.least * 2
}
variable "a" {
  type = string
  validation {
    condition     = length(var.a) >= var.least && length(var.a) <= local.most
    error_message = "From ${var.least} to ${local.most} letters."
  }
}
`
	arg := func(value string) Options { return Options{Vars: []VarArg{{Name: "a", Value: value}}} }
	for name, tt := range map[string]struct {
		config string
		opts   Options
		want   []string // what each error says
	}{
		"all is well":                           {two, arg("abc"), nil},
		"one of two fails":                      {two, arg("ABC"), []string{"Neither b nor upper case: ABC."}},
		"both fail":                             {two, arg("b"), []string{"Too short.", "Neither b nor upper case: b."}},
		"other variables and local values":      {other, arg("abc"), nil},
		"too many for a local value":            {other, arg("abcde"), []string{"From 2 to 4 letters."}},
		"another variable is set":               {other, Options{Vars: []VarArg{{Name: "a", Value: "abc"}, {Name: "least", Value: "4"}}}, []string{"From 4 to 8 letters."}},
		"another variable is wrong":             {other, Options{Vars: []VarArg{{Name: "a", Value: "abc"}, {Name: "least", Value: "x"}}}, []string{"a number is required"}},
		"a value that is not set is not judged": {two, Options{AllowUnset: true}, nil},
		"all variables are judged": {`
variable "a" {
  validation {
    condition     = var.a > 1
    error_message = "First."
  }
}
variable "b" { type = number }
variable "c" {
  default = 0
  validation {
    condition     = var.c > 1
    error_message = "Third."
  }
}`, Options{Vars: []VarArg{{Name: "a", Value: "0"}, {Name: "b", Value: "x"}}}, []string{"First.", "a number is required", "Third."}},
		"a message with a secret": {`
variable "a" {
  sensitive = true
  validation {
    condition     = length(var.a) > 9
    error_message = "It is ${var.a}."
  }
}`, arg("hunter2"), []string{"made of a sensitive or unknown value"}},
		"a message with an error": {`
variable "a" {
  validation {
    condition     = length(var.a) > 9
    error_message = "It is ${var.a.b}."
  }
}`, arg("abc"), []string{"there is an error in it", "Can't access attributes on a primitive-typed value"}},
		"a block": {`
variable "a" {
  default = ""
  validation {
    condition     = var.a == domain.example.name
    error_message = "No."
  }
}
domain "example" { name = "example.com" }`, Options{}, []string{"A validation can refer to variables and to local values"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, diags := variablesOf(t, write(t, "main.mf.hcl", tt.config), tt.opts)
			var errs []string
			for _, d := range diags {
				if d.Severity == hcl.DiagError {
					errs = append(errs, d.Detail)
				}
			}
			for _, want := range tt.want {
				found := false
				for _, e := range errs {
					found = found || strings.Contains(e, want)
				}
				if !found {
					t.Errorf("nothing says %q", want)
				}
			}
			if len(errs) != len(tt.want) || strings.Contains(strings.Join(errs, ""), "hunter2") {
				t.Errorf("errors: %q", errs)
			}
		})
	}
}

// Whoever sets a deprecated variable is told what to do instead.
func TestDeprecatedVariables(t *testing.T) {
	const config = "variable \"a\" {\n  default    = 1\n  deprecated = \"Set b.\"\n}\n"
	for name, tt := range map[string]struct {
		opts Options
		file string
		want string
	}{
		"not set":            {Options{}, "", ""},
		"on the command":     {Options{Vars: []VarArg{{Name: "a", Value: "2"}}}, "", `The variable "a", whose value given with -var is used, is deprecated: Set b.`},
		"in the environment": {Options{Environ: []string{"MF_VAR_a=2"}}, "", `whose value in the environment as MF_VAR_a is used`},
		"in a file":          {Options{}, "a = 2\n", `whose value in mailform.mfvars is used`},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []string{"main.mf.hcl", config}
			if tt.file != "" {
				parts = append(parts, "mailform.mfvars", tt.file)
			}
			_, _, diags := variablesOf(t, write(t, parts...), tt.opts)
			if tt.want == "" && len(diags) != 0 || tt.want != "" && (len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || !strings.Contains(diags[0].Detail, tt.want)) {
				t.Errorf("%v, want a warning with %q", diags, tt.want)
			}
		})
	}
}
