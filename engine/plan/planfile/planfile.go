// Package planfile keeps a plan in a file, so that what was reviewed can be
// applied later. The file holds no secrets; the caller makes it with mode 0600
// all the same.
package planfile

import (
	"errors"
	"io"

	"github.com/mailform/mailform/engine/plan"
)

// Meta says what a plan was made by and from. The lineage, serial, mode and
// targets are the plan's own.
type Meta struct {
	Mailform string // version of mailform
	// Vars are the values of -var arguments that are not sensitive, by name.
	Vars map[string]string
	// SensitiveVars are the names of the others.
	SensitiveVars []string
	// VarFiles are the -var-file arguments.
	VarFiles []string
	// Files holds a digest of each configuration file, by its path below the
	// configuration's directory.
	Files map[string]string
}

// ErrDamaged is the error for what is no plan file, or no longer one.
var ErrDamaged = errors.New("not a plan file, or damaged")

// ErrVersion is the error for a plan file of a later format.
var ErrVersion = errors.New("made by a later version of mailform")

// Save writes a plan. Equal plans make equal bytes.
func Save(w io.Writer, p *plan.Plan, m Meta) error { return nil }

// Read reads a plan that Save wrote. The changes have no Wanted resources, and
// what they Observed has no attributes: such a plan can be shown and compared,
// not applied.
func Read(r io.Reader) (*plan.Plan, Meta, error) { return nil, Meta{}, ErrDamaged }
