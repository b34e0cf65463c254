// Package state remembers what was applied: which resources are ours and how
// they were left. It is a convenience, not a treasure: it holds no secrets, and
// losing it loses no mail.
//
// A state is a snapshot file and an append-only journal beside it. Every change
// that a provider has made durable goes to the journal; the snapshot is written
// anew only when the journal has grown long. kill -9 at any instant leaves a
// state that can be read.
package state

import (
	"encoding/json"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// State is the whole of what is remembered. The zero value is an empty state.
type State struct {
	// Lineage is made with the first write and never changes. Empty: never written.
	Lineage string
	// Serial rises with each write.
	Serial    uint64
	Resources map[schema.ID]*Resource
	Outputs   map[string]Output
	// Last is the last apply that came to its end and changed what is described;
	// nil: there was none. Open is one that did not come to its end, or has not
	// yet. They say what a rollback goes back to.
	Last, Open *Applied
}

// A Resource as it was last applied.
type Resource struct {
	ID      schema.ID
	Address string
	// Attrs is an object of the kind's type without its Info attributes (null),
	// with fingerprints in place of sensitive values.
	Attrs          cty.Value
	DependsOn      []string
	PreventDestroy bool
	// Declared is the place of the block, "main.mf.hcl:12", when it was last
	// written; only kept for what is protected.
	Declared string
	// Adopted is set for what was there before mailform took it over.
	Adopted bool
	// Staging is set for a record set that moves in stages, or has.
	Staging *Staging
}

// An Output as it was last applied. Sensitive outputs have no value.
type Output struct {
	Value     json.RawMessage
	Type      json.RawMessage
	Sensitive bool
}

// LockInfo tells who holds the lock.
type LockInfo struct {
	ID        string    `json:"ID"`
	Operation string    `json:"Operation"`
	Who       string    `json:"Who"`
	PID       int       `json:"PID"`
	Created   time.Time `json:"Created"`
	// Job is the URL of the pipeline's job; empty: none is known.
	Job string `json:"Job,omitempty"`
}
