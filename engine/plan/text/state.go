package text

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
)

// State writes a state as show without a plan does: the resources by address,
// then the outputs.
func State(w io.Writer, st *state.State, s Style) error {
	o := newWriter(w, s)
	if len(st.Resources) == 0 && len(st.Outputs) == 0 {
		o.linef("The state is empty. No resources are represented.")
		return o.w.Flush()
	}
	for i, r := range st.Sorted() {
		if i > 0 {
			o.blank()
		}
		o.resource(r)
	}
	o.stagesToCome(st)
	if len(st.Outputs) > 0 {
		o.blank()
		o.linef("Outputs:")
		o.blank()
		if err := o.stateOutputs(st.Outputs); err != nil {
			return err
		}
	}
	return o.w.Flush()
}

// stagesToCome tells what the last apply has left to be done later.
func (w *writer) stagesToCome(st *state.State) {
	first := true
	for _, r := range st.Sorted() {
		if r.Staging == nil || r.Staging.Next == nil {
			continue
		}
		if first {
			w.blank()
			w.linef("Stages to come:")
			w.blank()
			first = false
		}
		next := r.Staging.Next
		w.linef("%s: %s, not before %s", r.Address, comes(next), Time(next.NotBefore))
	}
}

// comes says what a stage leads to.
func comes(s *state.Stage) string {
	values, ttl := printable(strings.Join(s.Values, ", ")), plan.Duration(s.TTL)
	switch s.Step {
	case state.StepSwitch:
		return "switch to " + values
	case state.StepRetire:
		return "take away what is kept beside " + values + ", with a time to live of " + ttl
	}
	return s.Step + " to a time to live of " + ttl
}

// Resource writes one resource of a state as state show does.
func Resource(w io.Writer, r *state.Resource, s Style) error {
	o := newWriter(w, s)
	o.resource(r)
	return o.w.Flush()
}

func (w *writer) resource(r *state.Resource) {
	w.linef("# %s:", w.bold(r.Address))
	w.linef("resource %s %s {", strconv.Quote(r.ID.Kind), strconv.Quote(plan.ParseAddress(r.Address).Name))
	attrs := attributes(r.ID.Kind, r.Attrs, r.Attrs)
	width := 0
	for i := range attrs {
		if attrs[i].sym != "" {
			width = max(width, len(attrs[i].name))
		}
	}
	for i := range attrs {
		a := &attrs[i]
		switch {
		case a.sym == "":
		case a.sensitive:
			w.linef("    %-*s = %s", width, a.name, sensitiveValue)
		case isList(a.after):
			w.linef("    %-*s = [", width, a.name)
			for _, e := range elements(a.after) {
				w.linef("        %s,", scalar(e, a.unit))
			}
			w.linef("    ]")
		default:
			w.linef("    %-*s = %s", width, a.name, scalar(a.after, a.unit))
		}
	}
	w.linef("}")
}

// Outputs writes outputs as output without a name does.
func Outputs(w io.Writer, outputs map[string]state.Output, s Style) error {
	o := newWriter(w, s)
	if err := o.stateOutputs(outputs); err != nil {
		return err
	}
	return o.w.Flush()
}

func (w *writer) stateOutputs(outputs map[string]state.Output) error {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		v, err := outputs[name].Decode()
		if err != nil {
			return fmt.Errorf("output %s: %w", name, err)
		}
		shown := sensitiveValue
		if !outputs[name].Sensitive {
			shown = Value(v)
		}
		w.linef("%s = %s", name, shown)
	}
	return nil
}
