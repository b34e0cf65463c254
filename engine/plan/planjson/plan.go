package planjson

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type planDocument struct {
	FormatVersion    string                   `json:"format_version"`
	TerraformVersion string                   `json:"terraform_version"`
	MailformVersion  string                   `json:"mailform_version"`
	Variables        map[string]variableValue `json:"variables,omitempty"`
	PlannedValues    values                   `json:"planned_values"`
	ResourceDrift    []resourceChange         `json:"resource_drift,omitempty"`
	ResourceChanges  []resourceChange         `json:"resource_changes"`
	OutputChanges    map[string]outputChange  `json:"output_changes,omitempty"`
	PriorState       stateDocument            `json:"prior_state"`
	Configuration    *configuration           `json:"configuration,omitempty"`
	Checks           []checkResult            `json:"checks,omitempty"`
	Timestamp        *time.Time               `json:"timestamp,omitempty"`
	Applyable        bool                     `json:"applyable"`
	Complete         bool                     `json:"complete"`
	Errored          bool                     `json:"errored"`
	Mailform         planExtra                `json:"mailform"`
}

type planExtra struct {
	Mode    plan.Mode           `json:"mode"`
	Targets []string            `json:"targets,omitempty"`
	Exclude []string            `json:"excludes,omitempty"`
	Replace []string            `json:"replaces,omitempty"`
	Foreign []foreign           `json:"foreign,omitempty"`
	Notes   map[string][]string `json:"notes,omitempty"`
	Phases  [][]batch           `json:"phases,omitempty"`
	Records map[string][]string `json:"records,omitempty"`
	Brakes  []brake             `json:"brakes,omitempty"`
	Waived  []brake             `json:"waived,omitempty"`
	// Staged are changes in stages, with what is still to come of them.
	Staged []staged `json:"staged,omitempty"`
	// Unseen is true where nothing was looked at (-refresh=false); Unread says of
	// targets that could not be read why.
	Unseen bool              `json:"unseen,omitempty"`
	Unread map[string]string `json:"unread,omitempty"`
	// Undoes is the apply that a rollback undoes.
	Undoes *undoes `json:"undoes,omitempty"`
	// ChangesOnly is true where what does not change is left out.
	ChangesOnly bool `json:"changes_only,omitempty"`
}

type undoes struct {
	Operation  string    `json:"operation"`
	Who        string    `json:"who,omitempty"`
	At         time.Time `json:"at"`
	Unfinished bool      `json:"unfinished"`
}

type brake struct {
	ID        string    `json:"id"`
	Rule      plan.Rule `json:"rule"`
	Target    string    `json:"target"`
	Removed   int       `json:"removed"`
	Total     int       `json:"total"`
	Detail    string    `json:"detail"`
	Confirmed bool      `json:"confirmed"`
	Setting   string    `json:"setting,omitempty"`
}

type foreign struct {
	identity
	Values  []string `json:"values,omitempty"`
	Ignored string   `json:"ignored,omitempty"`
}

// A staged is a record set that goes to what is declared in stages.
type staged struct {
	Address string   `json:"address"`
	TTL     int64    `json:"ttl"`
	From    []string `json:"from"`
	To      []string `json:"to"`
	// Was are values that it was on its way to before.
	Was    []string `json:"was,omitempty"`
	Stages []step   `json:"stages"`
	// Kept are the addresses of what stays until the last stage.
	Kept []string `json:"kept,omitempty"`
	// Begins is true where the wait begins only when the plan is applied.
	Begins bool `json:"begins,omitempty"`
}

type step struct {
	Step string `json:"step"`
	// Due is true where the plan makes the step; else it is not made before that time.
	Due       bool      `json:"due"`
	NotBefore time.Time `json:"not_before,omitzero"`
	TTL       int64     `json:"ttl"`
	Values    []string  `json:"values"`
}

func stagedOf(p *plan.Plan) []staged {
	var list []staged
	for _, m := range p.Staged {
		out := staged{Address: m.Address, TTL: m.TTL, From: m.From, To: m.To, Was: m.Was, Kept: m.Kept, Begins: m.Begins}
		for _, s := range m.Steps {
			out.Stages = append(out.Stages, step{s.Name, s.Due, s.NotBefore, s.TTL, s.Values})
		}
		list = append(list, out)
	}
	return list
}

type identity struct {
	Target string `json:"target"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
}

type batch struct {
	Target    string   `json:"target"`
	Deletes   bool     `json:"deletes,omitempty"`
	Addresses []string `json:"addresses"`
}

// A place is how a resource is named.
type place struct {
	Address      string          `json:"address"`
	Module       string          `json:"module_address,omitempty"`
	Mode         string          `json:"mode"`
	Type         string          `json:"type"`
	Name         string          `json:"name"`
	Index        json.RawMessage `json:"index,omitempty"`
	ProviderName string          `json:"provider_name"`
}

type resourceChange struct {
	place
	PreviousAddress string `json:"previous_address,omitempty"`
	Change          change `json:"change"`
	ActionReason    string `json:"action_reason,omitempty"`
}

type change struct {
	Actions         []string        `json:"actions"`
	Before          json.RawMessage `json:"before"`
	After           json.RawMessage `json:"after"`
	AfterUnknown    json.RawMessage `json:"after_unknown"`
	BeforeSensitive json.RawMessage `json:"before_sensitive"`
	AfterSensitive  json.RawMessage `json:"after_sensitive"`
	ReplacePaths    [][]string      `json:"replace_paths,omitempty"`
	Importing       *importing      `json:"importing,omitempty"`
}

type importing struct {
	ID string `json:"id"`
}

type outputChange struct {
	Actions         []string        `json:"actions"`
	Before          json.RawMessage `json:"before"`
	After           json.RawMessage `json:"after,omitempty"`
	AfterUnknown    bool            `json:"after_unknown"`
	BeforeSensitive bool            `json:"before_sensitive"`
	AfterSensitive  bool            `json:"after_sensitive"`
}

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
