package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema/document"
)

func providersCommands() []command {
	return []command{
		{"schema", "", "Describe the providers, what they keep, and the blocks of the language, in JSON", (*app).providersSchema},
	}
}

// providers tells which targets the files and the state have, and what they have
// there.
func (a *app) providers(ctx context.Context, args []string) int {
	if len(args) > 0 && args[0] == "schema" {
		return a.providersSchema(ctx, args[1:])
	}
	var o operation
	fs := flag.NewFlagSet("providers", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	asJSON := fs.Bool("json", false, "print JSON")
	rest, err := a.parse(fs, args, 1)
	switch {
	case err != nil:
		return usageExit(err)
	case len(rest) > 0:
		return a.fail(fmt.Errorf("there is no command %q under mailform providers. It has schema", rest[0]))
	}
	found, err := a.targets(ctx, &o)
	if err != nil {
		return a.failed(err)
	}
	if *asJSON {
		out, err := json.MarshalIndent(struct {
			FormatVersion string   `json:"format_version"`
			Targets       []target `json:"targets"`
		}{"1.0", found}, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
		return exitOK
	}
	if len(found) == 0 {
		fmt.Fprintln(a.stdout, "No providers are used.")
		return exitOK
	}
	fmt.Fprint(a.stdout, "Providers used by the files:\n\n")
	for i, t := range found {
		branch := "├── "
		if i == len(found)-1 {
			branch = "└── "
		}
		fmt.Fprintf(a.stdout, "%s%s%s\n", branch, t.Name, t.uses())
	}
	return exitOK
}

// A target is a provider instance.
type target struct {
	Name string `json:"target"`
	// Declared: there is a block for it.
	Declared bool `json:"declared"`
	// Wanted are the resources that the files describe there, Known those that the
	// state knows.
	Wanted int      `json:"resources"`
	Known  int      `json:"state_resources"`
	Kinds  []string `json:"kinds"`
}

func (t target) uses() string {
	var parts []string
	if t.Wanted > 0 {
		parts = append(parts, plan.Count(int64(t.Wanted), "resource")+": "+strings.Join(t.Kinds, ", "))
	}
	if t.Known > 0 {
		parts = append(parts, fmt.Sprintf("%d in the state", t.Known))
	}
	if len(parts) == 0 {
		return " (declared, and not used)"
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func (a *app) targets(ctx context.Context, o *operation) ([]target, error) {
	s, _, d, err := a.described(ctx, o, "providers")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	byName := map[string]*target{}
	at := func(name string) *target {
		if byName[name] == nil {
			byName[name] = &target{Name: name, Kinds: []string{}}
		}
		return byName[name]
	}
	for i := range d.Config.Providers {
		at(d.Config.Providers[i].Target()).Declared = true
	}
	for i := range d.Resources {
		t := at(d.Resources[i].Target)
		t.Wanted++
		t.Kinds = append(t.Kinds, d.Resources[i].Kind)
	}
	countKnown(s.Prior(), at)
	var out []target
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		t := byName[name]
		slices.Sort(t.Kinds)
		t.Kinds = slices.Compact(t.Kinds)
		out = append(out, *t)
	}
	return out, nil
}

func countKnown(st *state.State, at func(string) *target) {
	for id := range st.Resources {
		at(id.Target).Known++
	}
}

// providersSchema describes the providers in Terraform's form.
func (a *app) providersSchema(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("providers schema", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON, in the form of Terraform's; it has to be given")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if !*asJSON {
		return a.fail(errors.New("mailform providers schema needs -json: there is no other form. docs/reference has it for people"))
	}
	return a.document(document.Providers(nil))
}

func metadataCommands() []command {
	return []command{
		{"functions", "", "Describe the functions of the language, in JSON", (*app).metadataFunctions},
		{"json-schema", "", "Print a JSON Schema of files in JSON syntax, *.mf.hcl.json", (*app).metadataJSONSchema},
	}
}

// metadata describes the language to programs.
func (a *app) metadata(ctx context.Context, args []string) int {
	return a.group(ctx, "metadata", args)
}

func (a *app) metadataFunctions(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("metadata functions", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON, in the form of Terraform's; it has to be given")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if !*asJSON {
		return a.fail(errors.New("mailform metadata functions needs -json: there is no other form. docs/reference/functions.md has it for people"))
	}
	return a.document(document.Functions())
}

func (a *app) metadataJSONSchema(_ context.Context, args []string) int {
	fs := flag.NewFlagSet("metadata json-schema", flag.ContinueOnError)
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	return a.document(document.JSONSchema())
}

func (a *app) document(text []byte, err error) int {
	if err == nil {
		_, err = a.stdout.Write(text)
	}
	if err != nil {
		return a.fail(err)
	}
	return exitOK
}
