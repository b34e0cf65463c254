package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
)

// Input is what a plan is made from.
type Input struct {
	// Desired is what the configuration expands to, in any order.
	Desired []schema.Resource
	// Observed is what is there, by target, in any order.
	Observed map[string][]providers.Observed
	// Prior is what was last applied; nil is an empty state.
	Prior *state.State
	Mode  Mode // empty: Normal
	// Targets are -target arguments: addresses of resources or of blocks.
	Targets []string
	Outputs []config.Output
	// Records and Config are handed through to the plan.
	Records map[string][]string
	Config  *config.Config
}

// Make compares and plans. The plan is nil if and only if the diagnostics have
// errors. Equal inputs make equal plans, whatever their order.
func Make(in Input) (*Plan, hcl.Diagnostics) { return nil, nil }

// Summary counts what a plan does, in the words of its last line.
type Summary struct {
	Import, Add, Change, Destroy, Forget int
}

// Summary counts the changes. A replaced resource counts as added and as
// destroyed, an adopted one that is changed too as imported and as changed.
func (p *Plan) Summary() Summary { return Summary{} }

// Empty reports whether applying the plan would do nothing that a reader
// needs to know of: no change, no output, and for refresh-only no drift.
func (p *Plan) Empty() bool { return false }

// Same reports whether two plans would do the same to the same world; if not,
// diff says in a few lines where they differ first. Notes and message counts
// do not matter: mail that arrives makes no plan stale.
func Same(a, b *Plan) (diff string, ok bool) { return "", false }
