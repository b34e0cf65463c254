// Package planjson writes plans, states and events as JSON in the form of
// Terraform, which policy tools and pipelines read.
package planjson

import (
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
)

// Plan writes the plan document of show -json: one line.
func Plan(w io.Writer, p *plan.Plan, version string) error { return nil }

// State writes the state document of show -json without a plan: one line.
func State(w io.Writer, s *state.State, version string) error { return nil }

// Stream writes events, a JSON object a line, as plan -json and apply -json
// do. It is an apply.Observer.
type Stream struct{}

// NewStream makes a Stream; now is the clock of its time stamps.
func NewStream(w io.Writer, now func() time.Time) *Stream { return &Stream{} }

// Version is the first event.
func (s *Stream) Version(version string) {}

// Plan writes resource_drift, planned_change, change_summary and outputs events.
func (s *Stream) Plan(p *plan.Plan) {}

// Diagnostics writes a diagnostic event for each.
func (s *Stream) Diagnostics(d hcl.Diagnostics) {}

// Applied writes the change_summary of an apply (operation "apply" or "destroy").
func (s *Stream) Applied(operation string, sum plan.Summary) {}

// Outputs writes the outputs event of a state.
func (s *Stream) Outputs(o map[string]state.Output) {}

func (s *Stream) Started(c *plan.Change, a providers.Action)             {}
func (s *Stream) Completed(c *plan.Change, a providers.Action)           {}
func (s *Stream) Failed(c *plan.Change, a providers.Action, err error)   {}
func (s *Stream) Skipped(c *plan.Change, a providers.Action, why string) {}

// Err is the first error of writing.
func (s *Stream) Err() error { return nil }
