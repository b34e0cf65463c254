package text

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/mailform/mailform/engine/lines"
	"github.com/mailform/mailform/engine/plan"
	"github.com/zclconf/go-cty/cty"
)

// foreignShown is how many foreign objects are listed by name.
const foreignShown = 10

// Plan writes the whole plan: what has drifted, what is to be done, the line
// that counts it, the outputs, and what is for the reader to do or to know.
func Plan(w io.Writer, p *plan.Plan, s Style) error {
	o := newWriter(w, s)
	o.back(p)
	o.drift(p)
	changes := o.legend(p)
	if changes {
		o.linef("%s will perform the following actions:", s.product())
		o.blank()
		o.changes(p.Changes)
	}
	switch {
	case p.Mode == plan.RefreshOnly && len(p.Drift) > 0:
		o.linef("This is a refresh-only plan, so %s will not take any actions to undo these. If you were", s.product())
		o.linef("expecting them, apply this plan to record them in the state without changing anything else.")
	case p.Empty():
		o.nothing(p)
	case p.Mode != plan.RefreshOnly && changes:
		o.linef("%s %s", o.bold("Plan:"), p.Summary().Counts())
	}
	o.stages(p)
	o.unlooked(p)
	o.brakes(p)
	o.outputs(p)
	if !changes && outputsChange(p) && p.Mode != plan.RefreshOnly {
		o.blank()
		o.linef("You can apply this plan to save these outputs in the state. Nothing else is changed.")
	}
	o.records(p.Records)
	o.foreign(p.Foreign)
	return o.w.Flush()
}

// Change writes one change as Plan does.
func Change(w io.Writer, c *plan.Change, s Style) error {
	o := newWriter(w, s)
	o.change(c)
	return o.w.Flush()
}

// Drift writes one difference between what was last applied and what is there,
// as Plan does.
func Drift(w io.Writer, d *plan.Drift, s Style) error {
	o := newWriter(w, s)
	o.drifted(d)
	return o.w.Flush()
}

func (w *writer) nothing(p *plan.Plan) {
	switch p.Mode {
	case plan.Destroy:
		w.linef("%s", w.bold("No changes.")+" No objects need to be destroyed.")
	case plan.RefreshOnly:
		w.linef("%s", w.bold("No changes.")+" Your infrastructure still matches the state.")
	case plan.Rollback:
		w.linef("%s", w.bold("No changes.")+" All is as it was described before the last apply.")
	default:
		if next := p.NextStage(); !next.IsZero() {
			w.linef("%s", w.bold("No changes.")+" What is due of the configuration is there; the next stage is due at "+Time(next)+".")
			return
		}
		w.linef("%s", w.bold("No changes.")+" Your infrastructure matches the configuration.")
	}
}

func (w *writer) drift(p *plan.Plan) {
	if len(p.Drift) == 0 {
		return
	}
	w.linef("%s", w.bold(w.tint(w.s.Palette.Cyan, "Note:")+" Objects have changed outside of "+w.s.product()))
	w.blank()
	w.linef("%s found these differences from what was last applied:", w.s.product())
	w.blank()
	for i := range p.Drift {
		w.drifted(&p.Drift[i])
	}
	if p.Mode == plan.RefreshOnly {
		return
	}
	// Pipelines read up to the beginning of this sentence, and fail without it.
	w.linef("Unless you have made equivalent changes to your configuration, or ignore these attributes with")
	w.linef("ignore_changes, the following plan undoes them.")
	w.blank()
	w.linef("%s", Rule)
	w.blank()
}

// Rule is the line between parts of the output, which pipelines look for too.
const Rule = "─────────────────────────────────────────────────────────────────────────────"

func (w *writer) drifted(d *plan.Drift) {
	sym, what := "~", "has changed"
	if d.Action == plan.Delete {
		sym, what = "-", "has been deleted"
	}
	w.linef("  # %s %s", w.bold(d.Address), what)
	w.block(sym, d.ID.Kind, d.Address, attributes(d.ID.Kind, d.Before, d.After))
}

// legend explains the symbols that occur. It reports whether there is anything
// to show at all.
func (w *writer) legend(p *plan.Plan) bool {
	seen, any := map[string]bool{}, false
	for i := range p.Changes {
		if a := p.Changes[i].Action; a != plan.NoOp {
			any = true
			seen[symbolOf(&p.Changes[i])] = true
		}
	}
	if !any {
		return false
	}
	explained := []struct{ sym, what string }{
		{"+", "create"}, {"~", "update in-place"}, {"-", "destroy"},
		{"-/+", "destroy and then create replacement"}, {"+/-", "create replacement and then destroy"},
	}
	first := true
	for _, e := range explained {
		if !seen[e.sym] {
			continue
		}
		if first {
			w.linef("Resource actions are indicated with the following symbols:")
			first = false
		}
		w.linef("%s%s %s", strings.Repeat(" ", 3-len(e.sym)), w.symbol(e.sym), e.what)
	}
	if !first {
		w.blank()
	}
	return true
}

func symbolOf(c *plan.Change) string {
	switch c.Action {
	case plan.Create:
		return "+"
	case plan.Update:
		return "~"
	case plan.Delete:
		return "-"
	case plan.Replace:
		if c.PrevID == c.ID {
			return "-/+"
		}
		return "+/-"
	case plan.Adopt:
		if c.Differs() {
			return "~"
		}
	}
	return " "
}

// changes writes all of them. There may be a hundred thousand.
func (w *writer) changes(list []plan.Change) {
	writers := sync.Pool{New: func() any { return newWriter(nil, w.s) }}
	one := func(dst []byte, i int) ([]byte, error) {
		if list[i].Action == plan.NoOp {
			return dst, nil
		}
		part, b := writers.Get().(*writer), &tail{dst}
		defer writers.Put(part)
		part.w.Reset(b)
		part.change(&list[i])
		err := part.w.Flush()
		return b.text, err
	}
	// bufio keeps the first error for Flush to tell.
	_ = lines.Write(len(list), one, func(some []byte) error { _, err := w.w.Write(some); return err })
}

// change writes one change: what happens, why, and the attributes.
func (w *writer) change(c *plan.Change) {
	if c.Action == plan.NoOp {
		return
	}
	head := func(format string, args ...any) {
		if len(args) > 0 {
			format = fmt.Sprintf(format, args...)
		}
		w.line("  # ", w.bold(c.Address), " ", format)
	}
	attrs := attributes(c.ID.Kind, c.Before, c.After)
	switch c.Action {
	case plan.Create:
		head("will be created")
	case plan.Update:
		head("will be updated in-place")
	case plan.Delete:
		head("will be %s", w.tint(w.s.Palette.Red, "destroyed"))
	case plan.Replace:
		replaced := w.tint(w.s.Palette.Red, "replaced")
		if c.Requested() {
			head("will be %s, as requested", replaced)
		} else {
			head("must be %s", replaced)
		}
		markForced(c, attrs)
	case plan.Adopt:
		if c.Differs() {
			head("will be updated in-place")
			w.linef("  # (imported from %s)", strconv.Quote(c.ID.Key))
			w.linef("  # (the %s is there already and was not made by mailform)", c.ID.Kind)
		} else {
			head("will be imported")
		}
	case plan.Forget:
		head("will be forgotten")
	case plan.Move:
		w.linef("  # %s has moved to %s", w.bold(c.PrevAddress), w.bold(c.Address))
	}
	if c.PrevAddress != "" && c.Action != plan.Move {
		w.linef("  # (moved from %s)", c.PrevAddress)
	}
	for _, n := range c.Notes {
		w.linef("  # (%s)", n)
	}
	if c.Action == plan.Forget {
		w.blank()
		return
	}
	w.block(symbolOf(c), c.ID.Kind, c.Address, attrs)
}

// markForced marks the attributes because of which a resource is replaced:
// those that are part of its identity.
func markForced(c *plan.Change, attrs []attr) {
	for i := range attrs {
		attrs[i].forces = c.Forces(attrs[i].name)
	}
}

func (w *writer) block(sym, kind, address string, attrs []attr) {
	ref := plan.ParseAddress(address)
	w.line(strings.Repeat(" ", 3-len(sym)), w.symbol(sym), " resource ", strconv.Quote(kind), " ", strconv.Quote(ref.Name), " {")
	w.body(attrs)
	w.line("    }")
	w.blank()
}

func outputsChange(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Outputs, func(o plan.OutputChange) bool { return o.Action != plan.NoOp })
}

func (w *writer) outputs(p *plan.Plan) {
	if !outputsChange(p) {
		return
	}
	width := 0
	for _, o := range p.Outputs {
		if o.Action != plan.NoOp {
			width = max(width, len(o.Name))
		}
	}
	w.blank()
	w.linef("Changes to Outputs:")
	for _, o := range p.Outputs {
		before, after := outputValue(o.Before, o.Sensitive), outputValue(o.After, o.Sensitive)
		lead := func(sym string) string { return fmt.Sprintf("  %s %-*s = ", w.symbol(sym), width, o.Name) }
		switch o.Action {
		case plan.Create:
			w.linef("%s%s", lead("+"), after)
		case plan.Update:
			if o.Sensitive {
				w.linef("%s%s", lead("~"), after)
			} else {
				w.linef("%s%s -> %s", lead("~"), before, after)
			}
		case plan.Delete:
			w.linef("%s%s -> null", lead("-"), before)
		}
	}
}

func outputValue(v cty.Value, sensitive bool) string {
	if sensitive {
		return sensitiveValue
	}
	return scalar(v, plainNumber)
}

// records hands over what has to be entered by hand.
func (w *writer) records(records map[string][]string) {
	domains := make([]string, 0, len(records))
	for d := range records {
		domains = append(domains, d)
	}
	sort.Strings(domains)
	for _, d := range domains {
		w.blank()
		w.linef("No name server of %s is managed here. Whoever runs its zone has to enter:", d)
		w.blank()
		for _, line := range records[d] {
			w.linef("    %s", line)
		}
	}
}

func (w *writer) foreign(foreign []plan.Foreign) {
	if len(foreign) == 0 {
		return
	}
	w.blank()
	w.linef("Not made by mailform, not declared, and left alone (%d):", len(foreign))
	for i, f := range foreign {
		if i == foreignShown {
			w.linef("    and %d more", len(foreign)-i)
			break
		}
		what := fmt.Sprintf("%s %s at %s", f.ID.Kind, printable(f.ID.Key), f.ID.Target)
		for i, v := range f.Values {
			what += []string{": ", ", "}[min(i, 1)] + strconv.Quote(v)
		}
		if f.Ignored != "" {
			what += " (ignored, by " + f.Ignored + ")"
		}
		w.linef("    %s", what)
	}
}
