package text

import (
	"io"
	"strings"

	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
)

// Progress writes a line for each event of an apply; it is an apply.Observer.
// Errors of writing are kept for Err.
type Progress struct {
	w   *writer
	err error
}

// NewProgress makes a Progress that writes to w.
func NewProgress(w io.Writer, s Style) *Progress { return &Progress{w: newWriter(w, s)} }

// Err is the first error of writing.
func (p *Progress) Err() error { return p.err }

func (p *Progress) linef(format string, args ...any) {
	p.w.linef(format, args...)
	if err := p.w.w.Flush(); p.err == nil {
		p.err = err
	}
}

// Started implements apply.Observer.
func (p *Progress) Started(c *plan.Change, a providers.Action) {
	switch a {
	case providers.Create:
		p.linef("%s: Creating...", p.w.bold(c.Address))
	case providers.Update:
		p.linef("%s: Modifying... [id=%s]", p.w.bold(c.Address), printable(c.ID.Key))
	case providers.Delete:
		p.linef("%s: Destroying... [id=%s]", p.w.bold(c.Address), printable(c.PrevID.Key))
	}
}

// Completed implements apply.Observer.
func (p *Progress) Completed(c *plan.Change, a providers.Action) {
	switch a {
	case providers.Create:
		p.linef("%s: Creation complete [id=%s]", p.w.bold(c.Address), printable(c.ID.Key))
	case providers.Update:
		p.linef("%s: Modifications complete [id=%s]", p.w.bold(c.Address), printable(c.ID.Key))
	case providers.Delete:
		p.linef("%s: Destruction complete", p.w.bold(c.Address))
	}
}

// Failed implements apply.Observer. The error itself comes as a diagnostic.
func (p *Progress) Failed(c *plan.Change, a providers.Action, _ error) {
	what := map[providers.Action]string{
		providers.Create: "Creation", providers.Update: "Modification", providers.Delete: "Destruction",
	}[a]
	p.linef("%s: %s failed", p.w.bold(c.Address), what)
}

// Skipped implements apply.Observer.
func (p *Progress) Skipped(c *plan.Change, _ providers.Action, why string) {
	p.linef("%s: Skipped: %s", p.w.bold(c.Address), why)
}

// Applied writes the last line of an apply: what was done, and after a failure
// what was not.
func Applied(w io.Writer, p *plan.Plan, sum apply.Summary, s Style) error {
	o := newWriter(w, s)
	var parts []string
	if sum.Imported > 0 {
		parts = append(parts, itoa(sum.Imported)+" imported")
	}
	switch {
	case p.Mode == plan.Destroy:
		parts = append(parts, itoa(sum.Destroyed)+" destroyed")
	default:
		parts = append(parts, itoa(sum.Added)+" added", itoa(sum.Changed)+" changed", itoa(sum.Destroyed)+" destroyed")
	}
	if sum.Forgotten > 0 {
		parts = append(parts, itoa(sum.Forgotten)+" forgotten")
	}
	head := "Apply complete!"
	if p.Mode == plan.Destroy {
		head = "Destroy complete!"
	}
	colour := o.s.Palette.Green
	if !sum.Complete() {
		head = strings.Fields(head)[0] + " incomplete."
		colour = o.s.Palette.Red
		if sum.Failed > 0 {
			parts = append(parts, itoa(sum.Failed)+" failed")
		}
		if sum.Skipped > 0 {
			parts = append(parts, itoa(sum.Skipped)+" not tried")
		}
	}
	o.linef("%s Resources: %s.", o.tint(colour, o.bold(head)), strings.Join(parts, ", "))
	if sum.Complete() && !sum.NextStage.IsZero() {
		o.blank()
		o.linef("The next stage is due at %s. An apply from then on makes it.", Time(sum.NextStage))
	}
	return o.w.Flush()
}
