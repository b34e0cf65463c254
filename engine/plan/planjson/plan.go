package planjson

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Plan writes the plan document of show -json: one line. version is mailform's.
func Plan(w io.Writer, p *plan.Plan, version string) error {
	doc, err := newPlanDocument(p, version)
	if err != nil {
		return err
	}
	return write(w, doc)
}

func newPlanDocument(p *plan.Plan, version string) (*planDocument, error) {
	doc := planDocument{
		FormatVersion: planFormat, TerraformVersion: terraformVersion, MailformVersion: version,
		ResourceChanges: []resourceChange{},
		PriorState:      newStateDocument(version),
		Applyable:       !p.Empty(),
		Complete:        len(p.Targets) == 0 && len(p.Excludes) == 0 && len(p.Unread) == 0,
		Errored:         len(p.Unread) > 0,
		Mailform:        extra(p),
	}
	if !p.Time.IsZero() {
		doc.Timestamp = &p.Time
	}
	var err error
	if doc.Configuration, err = newConfiguration(p.Outline); err != nil {
		return nil, err
	}
	if err := addVariables(&doc, p.Variables); err != nil {
		return nil, err
	}
	addChecks(&doc, p.Checks)
	declared := declaredBlocks(p)
	for i := range p.Changes {
		c := &p.Changes[i]
		rc, err := newResourceChange(c)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", c.Address, err)
		}
		if c.Action == plan.Delete && p.Mode == plan.Normal {
			rc.ActionReason = deleteReason(c.Address, declared)
		}
		doc.ResourceChanges = append(doc.ResourceChanges, rc)
		if err := addValues(&doc, c); err != nil {
			return nil, fmt.Errorf("write %s: %w", c.Address, err)
		}
	}
	for i := range p.Drift {
		d := &p.Drift[i]
		rc, err := newResourceChange(&plan.Change{
			Action: d.Action, Address: d.Address, ID: d.ID, PrevID: d.ID, Before: d.Before, After: d.After,
		})
		if err != nil {
			return nil, fmt.Errorf("write drift of %s: %w", d.Address, err)
		}
		doc.ResourceDrift = append(doc.ResourceDrift, rc)
	}
	if err := addOutputs(&doc, p.Outputs); err != nil {
		return nil, err
	}
	return &doc, nil
}

func write(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

func newPlace(address string, id schema.ID) (place, error) {
	ref := plan.ParseAddress(address)
	p := place{Address: address, Module: plan.ModuleOf(address), Mode: "managed", Type: id.Kind, Name: ref.Name, ProviderName: providerName(id.Target)}
	if ref.Key != cty.NilVal {
		index, err := marshal(ref.Key)
		if err != nil {
			return p, err
		}
		p.Index = index
	}
	return p, nil
}

func newResourceChange(c *plan.Change) (resourceChange, error) {
	p, err := newPlace(c.Address, c.ID)
	if err != nil {
		return resourceChange{}, err
	}
	rc := resourceChange{place: p, PreviousAddress: c.PrevAddress, ActionReason: reason(c)}
	ch := &rc.Change
	ch.Actions = actions(c)
	if ch.Before, ch.BeforeSensitive, err = known(c.ID.Kind, c.Before); err != nil {
		return rc, err
	}
	if ch.After, ch.AfterSensitive, err = known(c.ID.Kind, c.After); err != nil {
		return rc, err
	}
	if ch.AfterUnknown, err = unknowns(c.After); err != nil {
		return rc, err
	}
	if c.Action == plan.Adopt {
		ch.Importing = &importing{ID: c.ID.Key}
	}
	if k := schema.KindByName(c.ID.Kind); k != nil {
		for _, a := range k.Attributes {
			if c.Forces(a.Name) {
				ch.ReplacePaths = append(ch.ReplacePaths, []string{a.Name})
			}
		}
	}
	return rc, nil
}

func actions(c *plan.Change) []string {
	switch c.Action {
	case plan.Create, plan.Update, plan.Delete, plan.Forget:
		return []string{string(c.Action)}
	case plan.Replace:
		if c.ID == c.PrevID {
			return []string{"delete", "create"}
		}
		return []string{"create", "delete"}
	case plan.Adopt:
		if c.Differs() {
			return []string{"update"}
		}
	}
	return []string{"no-op"}
}

func reason(c *plan.Change) string {
	switch c.Action {
	case plan.Replace:
		if c.Requested() {
			return "replace_by_request"
		}
		return "replace_because_cannot_update"
	}
	return ""
}

// addValues puts what a change finds and what it leaves into the documents of
// the values before and after.
func addValues(doc *planDocument, c *plan.Change) error {
	switch c.Action {
	case plan.Create, plan.Adopt: // not ours before
	default:
		address := c.Address
		if c.PrevAddress != "" {
			address = c.PrevAddress
		}
		r, err := newResource(address, c.PrevID, c.Before, c.DependsOn)
		if err != nil {
			return err
		}
		doc.PriorState.Values.add(r)
	}
	if c.After.IsNull() {
		return nil
	}
	r, err := newResource(c.Address, c.ID, c.After, c.DependsOn)
	if err != nil {
		return err
	}
	doc.PlannedValues.add(r)
	return nil
}

func addOutputs(doc *planDocument, outputs []plan.OutputChange) error {
	if len(outputs) > 0 {
		doc.OutputChanges = make(map[string]outputChange, len(outputs))
	}
	for _, o := range outputs {
		oc := outputChange{
			Actions:         []string{string(o.Action)},
			BeforeSensitive: o.Sensitive && o.Action != plan.Create, AfterSensitive: o.Sensitive && o.Action != plan.Delete,
			AfterUnknown: !o.After.IsWhollyKnown(),
		}
		var err error
		if oc.Before, err = marshal(hide(o.Before, o.Sensitive)); err != nil {
			return fmt.Errorf("write output %s: %w", o.Name, err)
		}
		if o.Action != plan.Create {
			prior := output{Sensitive: o.Sensitive, Value: oc.Before}
			if prior.Type, err = marshalType(o.Before); err != nil {
				return fmt.Errorf("write output %s: %w", o.Name, err)
			}
			doc.PriorState.Values.addOutput(o.Name, prior)
		}
		planned := output{Sensitive: o.Sensitive}
		if !oc.AfterUnknown {
			if oc.After, err = marshal(hide(o.After, o.Sensitive)); err != nil {
				return fmt.Errorf("write output %s: %w", o.Name, err)
			}
			planned.Value = oc.After
			if planned.Type, err = marshalType(o.After); err != nil {
				return fmt.Errorf("write output %s: %w", o.Name, err)
			}
		}
		doc.OutputChanges[o.Name] = oc
		if o.Action != plan.Delete {
			doc.PlannedValues.addOutput(o.Name, planned)
		}
	}
	return nil
}

func hide(v cty.Value, sensitive bool) cty.Value {
	if sensitive {
		return cty.NullVal(v.Type())
	}
	return v
}

func extra(p *plan.Plan) planExtra {
	x := planExtra{Staged: stagedOf(p), Mode: p.Mode, Targets: p.Targets, Exclude: p.Excludes, Replace: p.Replaces, Records: p.Records, Unseen: p.Unseen, Unread: p.Unread}
	if b := p.Back; b != nil {
		x.Undoes = &undoes{b.Operation, b.Who, b.At, b.Unfinished}
	}
	for _, f := range p.Foreign {
		x.Foreign = append(x.Foreign, foreign{identity(f.ID), f.Values, f.Ignored})
	}
	for _, b := range p.Brakes {
		x.Brakes = append(x.Brakes, brake(b))
	}
	for _, b := range p.Waived {
		x.Waived = append(x.Waived, brake(b))
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if len(c.Notes) == 0 {
			continue
		}
		if x.Notes == nil {
			x.Notes = map[string][]string{}
		}
		x.Notes[c.Address] = append(x.Notes[c.Address], c.Notes...)
	}
	for _, ph := range p.Phases {
		var batches []batch
		for _, b := range ph.Batches {
			out := batch{Target: b.Target, Deletes: b.Deletes}
			for _, i := range b.Changes {
				out.Addresses = append(out.Addresses, p.Changes[i].Address)
			}
			batches = append(batches, out)
		}
		x.Phases = append(x.Phases, batches)
	}
	return x
}
