package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// script makes a program of the shell.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestCommandsOfVariables(t *testing.T) {
	for name, tt := range map[string]struct {
		typ, text string
		want      cty.Value
	}{
		"a text, without the line break":   {"string", `printf 'hunter2\n\n'`, cty.StringVal("hunter2")},
		"nothing":                          {"string", `true`, cty.StringVal("")},
		"a number":                         {"number", `echo 5`, cty.NumberIntVal(5)},
		"a list, as for -var":              {"list(string)", `echo '["a", "b"]'`, cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")})},
		"arguments as they are":            {"string", `printf %s "$1"`, cty.StringVal("a b; $(id) *")},
		"the directory and an environment": {"string", `test -f main.mf.hcl && printf %s "$GIVEN"`, cty.StringVal("x")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", "variable \"a\" {\n  type = "+tt.typ+"\n  command = [\"./secret.sh\", \"a b; $(id) *\"]\n}\n")
			script(t, dir, "secret.sh", "echo ran >>ran\n"+tt.text)
			opts := Options{AllowCommands: true, Environ: append(os.Environ(), "GIVEN=x")}
			m, diags := Load(dir)
			for range 3 { // as plan and apply do
				cfg, more := m.Evaluate(opts, nil)
				if diags = append(diags, more...); diags.HasErrors() {
					t.Fatal(diags)
				}
				v := cfg.evaluator.vars["a"]
				if !v.HasMark(Sensitive) || !m.SensitiveVariable("a") {
					t.Errorf("%#v is not sensitive", v)
				}
				if v, _ = v.Unmark(); !v.RawEquals(tt.want) {
					t.Errorf("got %#v, want %#v", v, tt.want)
				}
			}
			if ran, err := os.ReadFile(filepath.Join(dir, "ran")); err != nil || string(ran) != "ran\n" {
				t.Errorf("it ran so often: %q, %v", ran, err)
			}
		})
	}
}

// A command only runs where that is asked for and needed.
func TestCommandsThatDoNotRun(t *testing.T) {
	for name, tt := range map[string]struct {
		opts Options
		want string // in the error; "-" for none
	}{
		"not allowed":                   {Options{}, "commands run only where -allow-commands or MF_ALLOW_COMMANDS=1 says so"},
		"allowed by a strange word":     {Options{Environ: []string{"MF_ALLOW_COMMANDS=maybe"}}, "commands run only where"},
		"forbidden by the environment":  {Options{Environ: []string{"MF_ALLOW_COMMANDS=0"}}, "commands run only where"},
		"in validation":                 {Options{AllowUnset: true, AllowCommands: true}, "-"},
		"where a value is set":          {Options{AllowCommands: true, Vars: []VarArg{{Name: "a", Value: "b"}}}, "-"},
		"where the environment sets it": {Options{AllowCommands: true, Environ: []string{"MF_VAR_a=b"}}, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", "variable \"a\" {\n  command = [\"./secret.sh\"]\n}\n")
			script(t, dir, "secret.sh", "echo ran >>ran")
			vars, m, diags := variablesOf(t, dir, tt.opts)
			if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
				t.Error("it ran")
			}
			switch {
			case tt.want == "-" && diags.HasErrors():
				t.Error(diags)
			case tt.want != "-" && (len(diags) != 1 || !strings.Contains(diags[0].Detail, tt.want)):
				t.Errorf("%v, want one with %q", diags, tt.want)
			}
			if !vars["a"].HasMark(Sensitive) || !m.SensitiveVariable("a") {
				t.Errorf("%#v is not sensitive", vars["a"])
			}
		})
	}
	dir := write(t, "main.mf.hcl", "variable \"a\" {\n  command = [\"./secret.sh\"]\n}\n")
	script(t, dir, "secret.sh", "echo ran >>ran")
	if _, _, diags := variablesOf(t, dir, Options{Environ: append(os.Environ(), "MF_ALLOW_COMMANDS=1")}); diags.HasErrors() {
		t.Errorf("allowed by the environment: %v", diags)
	}
}

// What a command prints is never in what is said about it.
func TestCommandsThatFail(t *testing.T) {
	for name, tt := range map[string]struct{ typ, command, text, want string }{
		"a status":             {"string", `["./secret.sh"]`, `echo hunter2; echo hunter2 >&2; exit 3`, "The command ./secret.sh, which gives the value of the variable \"a\", ended with status 3."},
		"a signal":             {"string", `["./secret.sh"]`, `echo hunter2; kill -TERM $$`, "was ended: signal: terminated"},
		"no such program":      {"string", `["no-such-program-hunter"]`, ``, "could not be run: exec: \"no-such-program-hunter\": executable file not found in $PATH"},
		"no such path":         {"string", `["./other.sh"]`, ``, "could not be run: no such file or directory"},
		"a directory":          {"string", `["./"]`, ``, "could not be run"},
		"no text":              {"string", `["./secret.sh"]`, `printf 'hunter2\377'`, "printed something else than UTF-8 text"},
		"too much":             {"string", `["./secret.sh"]`, `exec yes hunter2`, "printed more than 1 MiB"},
		"a wrong type":         {"number", `["./secret.sh"]`, `echo hunter2`, "does not fit its type: a number is required"},
		"no expression":        {"list(string)", `["./secret.sh"]`, `echo '[hunter2'`, "it is not shown, because it is sensitive"},
		"a strange expression": {"list(string)", `["./secret.sh"]`, `echo 'hunter2("x")'`, "it is not shown, because it is sensitive"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", "variable \"a\" {\n  type = "+tt.typ+"\n  command = "+tt.command+"\n}\n")
			script(t, dir, "secret.sh", tt.text)
			text, errs := told(t, dir, Options{AllowCommands: true, Environ: os.Environ()})
			if errs != 1 || !strings.Contains(text, tt.want) {
				t.Errorf("%d errors, want one with %q:\n%s", errs, tt.want, text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("the message shows a secret:\n%s", text)
			}
		})
	}
}

func TestCommandsThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct{ command, want string }{
		"a text":      {`"pass show mail"`, "has to be a list of a program and its arguments"},
		"empty":       {`[]`, "has to be a list of a program"},
		"no program":  {`["", "x"]`, "has an empty text where the program is named"},
		"a null":      {`["x", null]`, "has a null in its list"},
		"a list":      {`["x", []]`, "has to be a list of a program"},
		"a reference": {`["x", var.b]`, "is read before anything is evaluated"},
		"a NUL":       {`["x\u0000"]`, "holds a NUL byte"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.mf.hcl", "variable \"b\" {\n  default = \"\"\n}\nvariable \"a\" {\n  command = "+tt.command+"\n}\n")
			_, _, diags := variablesOf(t, dir, Options{AllowUnset: true})
			if len(diags) != 1 || diags[0].Severity != hcl.DiagError || !strings.Contains(diags[0].Detail, tt.want) {
				t.Errorf("%v, want one with %q", diags, tt.want)
			}
		})
	}
}
