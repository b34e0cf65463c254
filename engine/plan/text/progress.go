package text

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
)

// Progress writes a line for each event of an apply; it is an apply.Observer.
// Events that come in quick succession are written together, a moment later and
// beside what the apply goes on with: ten thousand lines are two calls to the
// system, not twenty thousand. Close writes what is left. Errors of writing are
// kept for Err.
type Progress struct {
	mu      sync.Mutex
	waiting []event
	written time.Time
	later   *time.Timer // writes what waits; nil: nothing does

	writing sync.Mutex // before mu
	w       *writer
	err     error
}

// An event is a line that waits to be written: the address of a change, and parts
// of what is said of it.
type event struct {
	change *plan.Change
	parts  []string
}

// together is for how long lines wait for others.
const together = 20 * time.Millisecond

// NewProgress makes a Progress that writes to w.
func NewProgress(w io.Writer, s Style) *Progress { return &Progress{w: newWriter(w, s)} }

// Err is the first error of writing.
func (p *Progress) Err() error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return p.err
}

// Close writes what is left.
func (p *Progress) Close() {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	if p.later != nil {
		p.later.Stop()
		p.later = nil
	}
	events := p.waiting
	p.waiting, p.written = nil, time.Now()
	p.mu.Unlock()
	b := p.w.w
	for _, e := range events {
		b.WriteString(p.w.bold(e.change.Address))
		b.WriteString(": ")
		for _, part := range e.parts {
			b.WriteString(part)
		}
		b.WriteByte('\n')
	}
	if err := b.Flush(); p.err == nil {
		p.err = err
	}
}

// line has a line written soon; at once if none was for a while.
func (p *Progress) line(c *plan.Change, parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, event{change: c, parts: parts})
	if p.later == nil {
		wait := together
		if time.Since(p.written) > together {
			wait = 0
		}
		p.later = time.AfterFunc(wait, p.Close)
	}
}

// Started implements apply.Observer.
func (p *Progress) Started(c *plan.Change, a providers.Action) {
	switch a {
	case providers.Create:
		p.line(c, "Creating...")
	case providers.Update:
		p.line(c, "Modifying... [id=", printable(c.ID.Key), "]")
	case providers.Delete:
		p.line(c, "Destroying... [id=", printable(c.PrevID.Key), "]")
	}
}

// Completed implements apply.Observer.
func (p *Progress) Completed(c *plan.Change, a providers.Action) {
	switch a {
	case providers.Create:
		p.line(c, "Creation complete [id=", printable(c.ID.Key), "]")
	case providers.Update:
		p.line(c, "Modifications complete [id=", printable(c.ID.Key), "]")
	case providers.Delete:
		p.line(c, "Destruction complete")
	}
}

// Failed implements apply.Observer. The error itself comes as a diagnostic.
func (p *Progress) Failed(c *plan.Change, a providers.Action, _ error) {
	what := map[providers.Action]string{
		providers.Create: "Creation", providers.Update: "Modification", providers.Delete: "Destruction",
	}[a]
	p.line(c, what, " failed")
}

// Skipped implements apply.Observer.
func (p *Progress) Skipped(c *plan.Change, _ providers.Action, why string) {
	p.line(c, "Skipped: ", why)
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
