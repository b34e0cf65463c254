// Package config turns the files of a directory into evaluated blocks: it loads
// them, with every error at once, and evaluates variables, locals, functions,
// for_each and references.
//
// [Load] is the first half, [Module.Evaluate] the second. The package reads
// files, and runs the commands of variables where that is allowed; it does
// nothing else in the world.
package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/source"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Config is a fully evaluated configuration.
type Config struct {
	// Dir is the absolute path of the directory.
	Dir string
	// Providers as declared, in order of their names. A provider that is used
	// and not declared has no entry here.
	Providers []Provider
	// Instances of all blocks that describe something (server, nameserver,
	// domain, user, alias, zone, record): those of a module before those of the
	// modules that it calls, ordered by type, name, key (numbers by value).
	Instances []Instance

	// Moved, Removed and Imports in the order of the modules and their files.
	Moved   []Moved
	Removed []Removed
	Imports []Import

	// Brakes is nil where the files say nothing of them.
	Brakes *Brakes

	evaluator *evaluator    // for Outputs
	checked   []CheckResult // for Checks
}

// A Moved says that something had another address before. From is not declared.
// There are no circles, and no two have the same From; one may lead to another.
type Moved struct {
	From, To schema.Ref
	Range    hcl.Range
}

// A Removed says what becomes of what had an address that is no longer
// declared. Unless Destroy is set it stays, and is forgotten.
type Removed struct {
	From    schema.Ref
	Destroy bool
	Range   hcl.Range
}

// An Import says that something is there and is to be taken over. To is an
// instance that is declared, unless Undeclared says otherwise.
type Import struct {
	To    schema.Ref
	ID    string // its key, as schema.Resource has it, or another form of it
	Range hcl.Range
	// Undeclared: a block To is to be written; see Options.DraftImports.
	Undeclared bool
}

// A Provider is one provider block, or one instance of it.
type Provider struct {
	Name, Alias string
	Key         cty.Value // of a block with for_each; else cty.NilVal
	Value       cty.Value // object by the block type's schema
	Range       hcl.Range
}

// Target is what resources call the provider instance.
func (p *Provider) Target() string {
	target := providerID{p.Name, p.Alias}.String()
	if p.Key != cty.NilVal {
		target += schema.IndexString(p.Key)
	}
	return target
}

// An Instance is one instance of a block.
type Instance struct {
	Ref  schema.Ref
	Body Body
	// DependsOn as written, here and at the modules around, sorted. A reference
	// without a key to a block with for_each or count means all its instances, and
	// one to a module all that is in it.
	DependsOn      []schema.Ref
	PreventDestroy bool
	// IgnoreChanges are attributes of kinds ("mailbox.quota") that stay as they
	// are at the target once the thing is there. IgnoreAll: all that can.
	IgnoreChanges []string
	IgnoreAll     bool
	// Range is the block's header.
	Range hcl.Range
	// Source finds where an attribute was written, for errors about its value.
	Source Source
}

// Source finds the source range of an attribute of a block by its path, such as
// "mx[0].preference" or "quota". It falls back to the nearest thing around it.
type Source interface {
	AttrRange(path string) hcl.Range
}

// An Output is an evaluated output block.
type Output struct {
	Name        string
	Value       cty.Value
	Description string
	Sensitive   bool
	Range       hcl.Range
}

// SensitiveMark marks sensitive values.
type sensitiveMark struct{}

// Sensitive is the mark of sensitive values.
var Sensitive = sensitiveMark{}

type ephemeralMark struct{}

// Ephemeral is the mark of what must not be remembered in any form. Evaluated
// instances and outputs never have it.
var Ephemeral = ephemeralMark{}

// GoString keeps test failures readable.
func (ephemeralMark) GoString() string { return "config.Ephemeral" }

// GoString keeps test failures readable.
func (sensitiveMark) GoString() string { return "config.Sensitive" }

// Options are what a command line gives to evaluation.
type Options struct {
	// Vars holds -var arguments and -var-file contents in the order given; the
	// later wins. Variables from MF_VAR_ and *.auto.mfvars come before them.
	Vars []VarArg
	// Settings are values from elsewhere, such as the file of a test. They come
	// after all others.
	Settings []Setting
	// Environ is the environment, as os.Environ.
	Environ []string
	// Version of mailform, which required_version is held against; empty: it is
	// not checked.
	Version string
	// Data answers the questions of data blocks, in their order. nil: the answers
	// are unknown.
	Data func([]DataQuery) []DataAnswer
	// DraftImports takes an import block for a block that is not there as a wish
	// to have it written, instead of refusing it.
	DraftImports bool
	// Narrow reports whether a user or an alias is to be looked at, by the address
	// of its block; nil: all are. One that is not has no instances, unless what is
	// looked at names it, and what is wrong in it is not found.
	Narrow func(address string) bool
	// AllowUnset takes a variable that is not set as unknown instead of refusing
	// it. A block whose for_each or count hangs on one then has no instances, and
	// references to them are unknown.
	AllowUnset bool
	// Install sees to it that a module's package lies where its Install method
	// says, and is called for each that lies elsewhere. Nil: it has to be there
	// and be what the lock file says.
	Install func(source.Repository) error
	// PlanTime is what plantimestamp is; zero: there is none, and it is an error,
	// or with AllowUnset not known.
	PlanTime time.Time
	// AllowCommands lets the commands run that variables take their values from.
	// MF_ALLOW_COMMANDS=1 in Environ does so too. With AllowUnset none runs.
	AllowCommands bool
}

// A DataQuery is what one instance of a data block asks for.
type DataQuery struct {
	Address string // data.dns.mx
	Source  string // "dns"
	// Args is an object of the block's arguments, wholly known and without marks.
	Args cty.Value
	// Providers are those that Args names, as they are configured. One that has no
	// block has only its name.
	Providers []Provider
}

// A DataAnswer is an object of the computed attributes of the data block, or an
// error. With neither the answer stays unknown.
type DataAnswer struct {
	Value cty.Value
	Err   error
}

// A VarArg is one -var or -var-file argument.
type VarArg struct {
	File  string // path, for -var-file
	Name  string // for -var
	Value string
}

// A Setting is a value for a variable that is one already.
type Setting struct {
	Name  string
	Value cty.Value
	Range hcl.Range // where it was written
}

// Failed is the Extra of a diagnostic about a condition of the files that is not
// met: of a validation, a check, a pre- or a postcondition.
type Failed struct {
	// Address is what the condition belongs to: "var.stage", "check.policy",
	// user.staff["bob"].
	Address string
}

// Computed holds values born in apply that are already known, by the address
// of the block they belong to ("domain.example"): an object of the block's
// computed attributes. A block that is not in it has unknown ones.
type Computed map[string]cty.Value
