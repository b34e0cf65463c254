package check

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// A Check is one thing that can be wrong between records.
type Check struct {
	// ID is what switches it off: "mx-target-cname".
	ID string
	// Summary of its diagnostics.
	Summary string
	// Doc says what is wrong and why that matters, in a sentence or two.
	Doc string
	// RFC is where it is said: "RFC 2181 §10.3".
	RFC string
	// Warning: it does not stop a plan.
	Warning bool
	// Fixed checks cannot be switched off: no name server serves such data, or none
	// serves it as it is meant.
	Fixed bool
}

// A Failed is what the diagnostic of a check has as its Extra.
type Failed struct{ *Check }

// Of finds what check a diagnostic is from; nil for other diagnostics.
func Of(d *hcl.Diagnostic) *Check {
	if f, ok := d.Extra.(Failed); ok {
		return f.Check
	}
	return nil
}

// Severity of its diagnostics.
func (c *Check) Severity() hcl.DiagnosticSeverity {
	if c.Warning {
		return hcl.DiagWarning
	}
	return hcl.DiagError
}

// All are the checks, in the order in which they are documented.
func All() []*Check { return all }

// IDs are the names of those that can be switched off, sorted.
func IDs() []string {
	var ids []string
	for _, c := range all {
		if !c.Fixed {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Fixed says of an ID that it is that of a check which cannot be switched off.
func Fixed(id string) bool {
	return slices.ContainsFunc(all, func(c *Check) bool { return c.Fixed && c.ID == id })
}

// ByID finds a check; nil for an ID that none has.
func ByID(id string) *Check {
	for _, c := range all {
		if c.ID == id {
			return c
		}
	}
	return nil
}
