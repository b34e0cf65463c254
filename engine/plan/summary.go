package plan

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
)

// Summary counts what a plan does, in the words of its last line.
type Summary struct {
	Import, Add, Change, Destroy, Forget int
}

// Summary counts the changes. A replaced resource counts as added and as
// destroyed, an adopted one that is changed too as imported and as changed. One
// that only moves counts as nothing.
func (p *Plan) Summary() Summary {
	var s Summary
	for i := range p.Changes {
		c := &p.Changes[i]
		switch c.Action {
		case Create:
			s.Add++
		case Update:
			s.Change++
		case Delete:
			s.Destroy++
		case Replace:
			s.Add++
			s.Destroy++
		case Adopt:
			s.Import++
			if c.Differs() {
				s.Change++
			}
		case Forget:
			s.Forget++
		}
	}
	return s
}

// String is the line that pipelines read the numbers from, without colours.
func (s Summary) String() string { return "Plan: " + s.Counts() }

// Counts is that line without its first word.
func (s Summary) Counts() string {
	var b strings.Builder
	if s.Import > 0 {
		fmt.Fprintf(&b, "%d to import, ", s.Import)
	}
	fmt.Fprintf(&b, "%d to add, %d to change, %d to destroy", s.Add, s.Change, s.Destroy)
	if s.Forget > 0 {
		fmt.Fprintf(&b, ", %d to forget", s.Forget)
	}
	b.WriteString(".")
	return b.String()
}

// Differs reports whether the change alters anything of the thing itself.
func (c *Change) Differs() bool { return !c.Before.RawEquals(c.After) }

// Reaches reports whether the change is one for the provider: others only
// concern the state.
func (c *Change) Reaches() bool {
	switch c.Action {
	case Create, Update, Delete, Replace:
		return true
	case Adopt:
		return c.Differs()
	case Forget: // where it bears our mark, that has to go
		return c.Observed != nil && c.Observed.Owner != ""
	}
	return false
}

// Empty reports whether applying the plan would do nothing that a reader
// needs to know of: no change, no output, and for refresh-only no drift.
func (p *Plan) Empty() bool {
	for i := range p.Changes {
		if p.Changes[i].Action != NoOp {
			return false
		}
	}
	for i := range p.Outputs {
		if p.Outputs[i].Action != NoOp {
			return false
		}
	}
	if p.Begins() {
		return false
	}
	return p.Mode != RefreshOnly || len(p.Drift) == 0
}

// Forces reports whether an attribute is a reason for which a Replace cannot be
// an Update.
func (c *Change) Forces(attribute string) bool {
	k := schema.KindByName(c.ID.Kind)
	if c.Action != Replace || k == nil || c.Before.IsNull() || c.After.IsNull() {
		return false
	}
	a := k.Attribute(attribute)
	return a != nil && a.Immutable && !c.Before.GetAttr(attribute).RawEquals(c.After.GetAttr(attribute))
}

// Requested reports whether a Replace was asked for by -replace, and not forced
// by an attribute that cannot be changed or by another identity.
func (c *Change) Requested() bool {
	k := schema.KindByName(c.ID.Kind)
	if c.Action != Replace || c.ID != c.PrevID || k == nil {
		return false
	}
	for _, a := range k.Attributes {
		if c.Forces(a.Name) {
			return false
		}
	}
	return true
}
