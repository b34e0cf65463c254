package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// What a plan takes for a large part, unless the files say otherwise.
const (
	BrakePercent = 30
	BrakeMinimum = 10
)

// Brakes are what the block brakes says of plans that take much away.
type Brakes struct {
	// A brake falls where more than Percent of Minimum or more things go.
	Percent, Minimum int
	// Records and Mailboxes say of what the share is looked at.
	Records, Mailboxes bool
	// Range of the block.
	Range hcl.Range
}

// mostMinimum bounds the argument minimum: who has more than that has to hear of
// it if a large part goes.
const mostMinimum = 1000

// decodeBrakes takes in what a block mailform says of brakes. It is for the whole
// of a plan, so that called modules do not say it.
func (m *Module) decodeBrakes(hb *hcl.Block) hcl.Diagnostics {
	if m.root != m {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Brakes in a called module",
			Detail:   "The brakes hold for a plan as a whole, so the files of the directory that is planned say what they are. Move the block there.",
			Subject:  hb.DefRange.Ptr(),
		}}
	}
	if m.brakes != nil {
		return hcl.Diagnostics{duplicate("A block brakes", m.brakes.Range, hb.DefRange)}
	}
	typ := schema.BlockByType("mailform").Block("brakes")
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, nil, false))
	b := &Brakes{Percent: BrakePercent, Minimum: BrakeMinimum, Records: true, Mailboxes: true, Range: hb.DefRange}
	m.brakes = b
	for _, n := range []struct {
		name        string
		target      *int
		least, most int
	}{{"percent", &b.Percent, 1, 100}, {"minimum", &b.Minimum, 1, mostMinimum}} {
		a := content.Attributes[n.name]
		if a == nil {
			continue
		}
		more := staticValue(a, cty.Number, n.target)
		if !more.HasErrors() && (*n.target < n.least || *n.target > n.most) {
			more = append(more, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid threshold of a brake",
				Detail:   fmt.Sprintf("The argument %q is a whole number from %d to %d.", n.name, n.least, n.most),
				Subject:  a.Expr.Range().Ptr(),
			})
		}
		diags = append(diags, more...)
	}
	for name, target := range map[string]*bool{"records": &b.Records, "mailboxes": &b.Mailboxes} {
		if a := content.Attributes[name]; a != nil {
			diags = append(diags, staticValue(a, cty.Bool, target)...)
		}
	}
	return diags
}
