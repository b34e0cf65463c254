// Package plan compares what the files say, what is there, and what was last
// applied, and makes of it a plan: a value that is shown, saved and carried out
// exactly.
//
// [Make] computes a plan. The renderers beside it write one as text, as JSON in
// Terraform's form, and as a stream of events.
package plan

import (
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/stage"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An Action is what a plan does with a resource.
type Action string

// The actions of a plan.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Replace Action = "replace" // one address, another identity: made new, then the old one deleted
	Adopt   Action = "adopt"   // is there, not yet ours: taken over, changed where it differs
	Forget  Action = "forget"  // was ours, and is gone, or stays as it is
	Move    Action = "move"    // the same thing under another address
)

// A Change is what a plan does with one resource.
type Change struct {
	Action  Action
	Address string
	// PrevAddress is the former address of something moved.
	PrevAddress string
	ID          schema.ID
	// PrevID is the identity that a Replace deletes; else equal to ID.
	PrevID schema.ID
	// Before is what is there (null for create), After what will be (null for
	// delete). Objects of the kind's type; sensitive values are fingerprints, so
	// that the plan can be stored and shown; values born in apply are unknown.
	Before, After cty.Value
	// Observed is what the plan saw, for compare and set; its Attrs are not
	// stored. nil where there was nothing.
	Observed *providers.Observed
	// Wanted is the desired resource with its real values; nil for Delete and Forget.
	Wanted         *schema.Resource
	DependsOn      []string
	PreventDestroy bool
	// Release is set for an Update that leaves in a record set what is somebody
	// else's: it is not ours any more, and the state forgets it. Not saved.
	Release bool
	// Stage says what is to be remembered of a record set that moves in stages; it is
	// not stored. nil: nothing.
	Stage *stage.Note
	// HandedOver is set for a listener or a service that goes because another server
	// takes its place. Not saved.
	HandedOver bool
	// Notes are sentences for the reader: what becomes of stored mail.
	Notes []string
	// AsRemembered is set where After is what the state remembers. It is not
	// stored.
	AsRemembered bool
}

// A Drift is a difference between what was last applied and what is there.
type Drift struct {
	Address string
	ID      schema.ID
	// Action is Update (changed) or Delete (gone).
	Action        Action
	Before, After cty.Value // as in Change
	// Stage is as in Change.
	Stage *stage.Note
}

// A Foreign is something at a target that is neither declared nor ours, or that
// stands in a declared record set and is ignored there.
type Foreign struct {
	ID schema.ID
	// Values are those of a declared record set that are somebody else's; none: it
	// is the whole thing.
	Values []string
	// Ignored is the place of the ignore block, "main.mf.hcl:3"; empty for none.
	Ignored string
}

// An OutputChange is what becomes of an output.
type OutputChange struct {
	Name          string
	Action        Action // NoOp, Create, Update, Delete
	Before, After cty.Value
	Sensitive     bool
}

// Back names the apply that a rollback undoes.
type Back struct {
	// Operation is one of the state's: undoing a rollback goes forward again.
	Operation string
	Who       string
	At        time.Time
	// Unfinished is set where that apply did not come to its end.
	Unfinished bool
}

// A Phase is a set of changes that run before the next one begins: a batch for
// each target. Where a target has two, the first takes away what makes room for
// the second, and the provider gets both at once.
type Phase struct {
	Batches []Batch
}

// A Batch is what one provider gets in one phase: indexes into Plan.Changes.
type Batch struct {
	Target string
	// Deletes marks a batch that takes away; of a Replace the old half.
	Deletes bool
	Changes []int
}

// Mode is what sort of plan was asked for.
type Mode string

// The modes.
const (
	Normal      Mode = "normal"
	Destroy     Mode = "destroy"
	RefreshOnly Mode = "refresh-only"
	Rollback    Mode = "rollback" // to what was described before the last apply
)

// A Plan is ready to be shown, saved and carried out.
type Plan struct {
	Mode Mode
	// Arguments -target, -exclude and -replace.
	Targets, Excludes, Replaces []string
	// Lineage and Serial of the state that the plan was made from.
	Lineage string
	Serial  uint64
	// Changes by order of address, NoOp ones included.
	Changes []Change
	Drift   []Drift
	Foreign []Foreign
	Outputs []OutputChange
	Phases  []Phase
	// Staged are the changes in stages that are under way or begin, with what is still
	// to come of them.
	Staged []Staged
	// Brakes are what has to be confirmed before the plan may be applied.
	Brakes []Brake
	// Waived are brakes that the settings of the files let through, and the
	// defaults would not. They are to be seen, and need no confirmation.
	Waived []Brake
	// Unseen is set where nothing was looked at: what is there is what the state
	// says. Such a plan is held against what is there before it is carried out.
	Unseen bool
	// Unread says of targets that could not be read why. What is planned there is
	// by the state, and not tried.
	Unread map[string]string
	// Back says what a rollback undoes; nil for other plans.
	Back *Back
	// Latest is the last apply that the state knows of when the plan is made; nil
	// in a plan read from a file.
	Latest *Back
	// Records are what the one who runs the zone must enter, for domains
	// without a nameserver: lines of a zone file, by domain name.
	Records map[string][]string
	// Time that the plan was made for, where one was given; else zero, so that
	// equal plans are equal whenever they are made.
	Time time.Time
	// Variables are what the files were evaluated with, and Checks what their
	// check blocks came to.
	Variables []config.VariableValue
	Checks    []config.CheckResult
	// Outline is what the files declare. Whoever saves the plan sets it; else nil.
	Outline *config.Outline
	// Config is what the plan was made from; nil in a plan read from a file.
	Config *config.Config
}
