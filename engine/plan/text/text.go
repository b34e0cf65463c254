// Package text writes plans and the progress of an apply for people, in the
// line forms of Terraform that pipelines look for.
package text

import (
	"io"

	"github.com/mailform/mailform/engine/apply"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
)

// Style says how text looks. The zero value is plain text.
type Style struct {
	// Product is the name in headings; empty: "mailform". Tools that only know
	// Terraform's headings get them with "Terraform".
	Product string
	Palette Palette
}

// A Palette is what is written before and after coloured parts. The zero value
// has no colours.
type Palette struct {
	Bold, Green, Yellow, Red, Cyan, Reset string
}

// ANSI is the palette of a terminal.
var ANSI = Palette{Bold: "\x1b[1m", Green: "\x1b[32m", Yellow: "\x1b[33m", Red: "\x1b[31m", Cyan: "\x1b[36m", Reset: "\x1b[0m"}

// Plan writes the whole plan. It ends with a newline.
func Plan(w io.Writer, p *plan.Plan, s Style) error { return nil }

// State writes a state as show without a plan does.
func State(w io.Writer, st *state.State, s Style) error { return nil }

// Resource writes one resource of a state as state show does.
func Resource(w io.Writer, r *state.Resource, s Style) error { return nil }

// Applied writes the last line of an apply.
func Applied(w io.Writer, sum apply.Summary, s Style) error { return nil }

// Progress is an apply.Observer that writes a line for each event.
type Progress struct{}

// NewProgress makes a Progress that writes to w.
func NewProgress(w io.Writer, s Style) *Progress { return &Progress{} }

func (p *Progress) Started(c *plan.Change, a providers.Action)             {}
func (p *Progress) Completed(c *plan.Change, a providers.Action)           {}
func (p *Progress) Failed(c *plan.Change, a providers.Action, err error)   {}
func (p *Progress) Skipped(c *plan.Change, a providers.Action, why string) {}
