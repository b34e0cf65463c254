package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// output prints the outputs of the last apply.
func (a *app) output(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("output", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "print JSON")
	raw := fs.Bool("raw", false, "print a string, number or bool as it is, without quotes and line end")
	var vars []config.VarArg
	varFlags(fs, &vars)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if *raw && len(rest) == 0 {
		return a.fail(fmt.Errorf("-raw needs the name of one output"))
	}
	st, _, err := a.readState(ctx, vars)
	if err != nil {
		return a.failed(err)
	}
	form := formText
	if *asJSON {
		form = formJSON
	}
	switch {
	case len(rest) == 1:
		err = a.printOutput(st.Outputs, rest[0], form, *raw)
	case len(st.Outputs) == 0 && !*asJSON:
		fmt.Fprintln(a.stderr, "Warning: No outputs found\n\nThe state has no outputs. Either no output is declared, or nothing has been\napplied since it was.")
	default:
		err = a.printOutputs(st.Outputs, form)
	}
	if err != nil {
		return a.fail(err)
	}
	return exitOK
}

// outputForm is how outputs are printed.
type outputForm int

const (
	formText outputForm = iota // HCL, sensitive ones hidden
	formJSON                   // Terraform's JSON
)

func (a *app) printOutputs(outputs map[string]state.Output, form outputForm) error {
	if form == formJSON {
		type jsonOutput struct {
			Sensitive bool            `json:"sensitive"`
			Type      json.RawMessage `json:"type,omitempty"`
			Value     json.RawMessage `json:"value"`
		}
		all := make(map[string]jsonOutput, len(outputs))
		for name, o := range outputs {
			all[name] = jsonOutput(struct {
				Sensitive bool            `json:"sensitive"`
				Type      json.RawMessage `json:"type,omitempty"`
				Value     json.RawMessage `json:"value"`
			}{o.Sensitive, o.Type, o.Value})
		}
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, string(out))
		return nil
	}
	return text.Outputs(a.stdout, outputs, a.style(a.stdout))
}

// printOutput prints one output. A sensitive one has no value in the state.
func (a *app) printOutput(outputs map[string]state.Output, name string, form outputForm, raw bool) error {
	o, ok := outputs[name]
	if !ok {
		hint := ""
		if s := suggest(name, slices.Sorted(maps.Keys(outputs))); s != "" {
			hint = fmt.Sprintf(" Did you mean %s?", s)
		}
		return fmt.Errorf("there is no output %q in the state.%s If it is new in the files, apply first", name, hint)
	}
	if o.Sensitive {
		return fmt.Errorf("output %q is sensitive: mailform keeps no value of it", name)
	}
	v, err := o.Decode()
	if err != nil {
		return fmt.Errorf("output %s: %w", name, err)
	}
	switch {
	case raw:
		s, err := convert.Convert(v, cty.String)
		if err != nil || s.IsNull() {
			return fmt.Errorf("output %q is no string, number or bool; -raw prints only those. Use -json", name)
		}
		fmt.Fprint(a.stdout, s.AsString())
	case form == formJSON:
		fmt.Fprintln(a.stdout, string(o.Value))
	default:
		fmt.Fprintln(a.stdout, text.Value(v))
	}
	return nil
}
