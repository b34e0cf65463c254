package planfile

import (
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type planFile struct {
	Mode    plan.Mode           `json:"mode"`
	Targets []string            `json:"targets,omitempty"`
	Exclude []string            `json:"excludes,omitempty"`
	Replace []string            `json:"replaces,omitempty"`
	Lineage string              `json:"lineage"`
	Serial  uint64              `json:"serial"`
	Changes []change            `json:"changes,omitempty"`
	Drift   []drift             `json:"drift,omitempty"`
	Foreign []foreign           `json:"foreign,omitempty"`
	Outputs []output            `json:"outputs,omitempty"`
	Phases  [][]batch           `json:"phases,omitempty"`
	Records map[string][]string `json:"records,omitempty"`
	Staged  []staged            `json:"staged,omitempty"`
	Brakes  []brake             `json:"brakes,omitempty"`
	Waived  []brake             `json:"waived,omitempty"`

	Unseen bool `json:"unseen,omitempty"`
	// Unread is there to be shown: such a plan is not for applying later.
	Unread    map[string]string `json:"unread,omitempty"`
	Back      *back             `json:"back,omitempty"`
	Time      time.Time         `json:"time,omitzero"`
	Variables []variable        `json:"variables,omitempty"`
	Checks    []check           `json:"checks,omitempty"`
	Outline   *config.Outline   `json:"outline,omitempty"`
}

// A back names the apply that a rollback undoes.
type back struct {
	Operation  string    `json:"operation"`
	Who        string    `json:"who,omitempty"`
	At         time.Time `json:"at"`
	Unfinished bool      `json:"unfinished,omitempty"`
}

type brake struct {
	ID        string    `json:"id"`
	Rule      plan.Rule `json:"rule"`
	Target    string    `json:"target"`
	Removed   int       `json:"removed"`
	Total     int       `json:"total"`
	Detail    string    `json:"detail"`
	Confirmed bool      `json:"confirmed,omitempty"`
	Setting   string    `json:"setting,omitempty"`
}

type staged struct {
	Address string       `json:"address"`
	ID      identity     `json:"id"`
	TTL     int64        `json:"ttl"`
	From    []string     `json:"from"`
	To      []string     `json:"to"`
	Was     []string     `json:"was,omitempty"`
	Steps   []stagedStep `json:"steps"`
	Kept    []string     `json:"kept,omitempty"`
	Begins  bool         `json:"begins,omitempty"`
}

type stagedStep struct {
	Name      string    `json:"name"`
	Due       bool      `json:"due,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	TTL       int64     `json:"ttl"`
	Values    []string  `json:"values"`
}

type identity struct {
	Target string `json:"target"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
}

type foreign struct {
	identity
	Values  []string `json:"values,omitempty"`
	Ignored string   `json:"ignored,omitempty"`
}

type change struct {
	Action      plan.Action `json:"action"`
	Address     string      `json:"address"`
	PrevAddress string      `json:"previous_address,omitempty"`
	ID          identity    `json:"id"`
	// PrevID is left out where it is the same.
	PrevID *identity `json:"previous_id,omitempty"`
	Before *value    `json:"before,omitempty"`
	// After is left out where it is the same as Before.
	After          *value    `json:"after,omitempty"`
	Observed       *observed `json:"observed,omitempty"`
	DependsOn      []string  `json:"depends_on,omitempty"`
	PreventDestroy bool      `json:"prevent_destroy,omitempty"`
	Notes          []string  `json:"notes,omitempty"`
}

type observed struct {
	Owner    string `json:"owner,omitempty"`
	Revision string `json:"revision,omitempty"`
	Retained bool   `json:"retained,omitempty"`
}

type drift struct {
	Action  plan.Action `json:"action"`
	Address string      `json:"address"`
	ID      identity    `json:"id"`
	Before  *value      `json:"before,omitempty"`
	After   *value      `json:"after,omitempty"`
}

type output struct {
	Name      string      `json:"name"`
	Action    plan.Action `json:"action"`
	Before    *value      `json:"before,omitempty"`
	After     *value      `json:"after,omitempty"`
	Sensitive bool        `json:"sensitive,omitempty"`
}

type batch struct {
	Target  string `json:"target"`
	Deletes bool   `json:"deletes,omitempty"`
	Changes []int  `json:"changes"`
}

func encodePlan(p *plan.Plan) (*planFile, error) {
	f := &planFile{Mode: p.Mode, Targets: p.Targets, Exclude: p.Excludes, Replace: p.Replaces, Lineage: p.Lineage, Serial: p.Serial, Records: p.Records}
	f.Unseen, f.Unread = p.Unseen, p.Unread
	if p.Back != nil {
		b := back(*p.Back)
		f.Back = &b
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		out, err := encodeChange(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Address, err)
		}
		f.Changes = append(f.Changes, out)
	}
	for _, d := range p.Drift {
		before, err := encodeValue(d.ID.Kind, d.Before)
		after, aerr := encodeValue(d.ID.Kind, d.After)
		if err = errors.Join(err, aerr); err != nil {
			return nil, fmt.Errorf("drift of %s: %w", d.Address, err)
		}
		f.Drift = append(f.Drift, drift{d.Action, d.Address, identity(d.ID), before, after})
	}
	for _, x := range p.Foreign {
		f.Foreign = append(f.Foreign, foreign{identity(x.ID), x.Values, x.Ignored})
	}
	for _, o := range p.Outputs {
		before, err := encodeValue("", o.Before)
		after, aerr := encodeValue("", o.After)
		if err = errors.Join(err, aerr); err != nil {
			return nil, fmt.Errorf("output %s: %w", o.Name, err)
		}
		f.Outputs = append(f.Outputs, output{o.Name, o.Action, before, after, o.Sensitive})
	}
	for _, ph := range p.Phases {
		var batches []batch
		for _, b := range ph.Batches {
			batches = append(batches, batch(b))
		}
		f.Phases = append(f.Phases, batches)
	}
	for _, m := range p.Staged {
		out := staged{Address: m.Address, TTL: m.TTL, ID: identity(m.ID), From: m.From, To: m.To, Was: m.Was, Kept: m.Kept, Begins: m.Begins}
		for _, s := range m.Steps {
			out.Steps = append(out.Steps, stagedStep(s))
		}
		f.Staged = append(f.Staged, out)
	}
	for _, b := range p.Brakes {
		f.Brakes = append(f.Brakes, brake(b))
	}
	for _, b := range p.Waived {
		f.Waived = append(f.Waived, brake(b))
	}
	if err := f.encodeInputs(p); err != nil {
		return nil, err
	}
	return f, nil
}

func encodeChange(c *plan.Change) (change, error) {
	out := change{
		Action: c.Action, Address: c.Address, PrevAddress: c.PrevAddress, ID: identity(c.ID),
		DependsOn: c.DependsOn, PreventDestroy: c.PreventDestroy, Notes: c.Notes,
	}
	if c.PrevID != c.ID {
		prev := identity(c.PrevID)
		out.PrevID = &prev
	}
	if o := c.Observed; o != nil {
		out.Observed = &observed{o.Owner, o.Revision, o.Retained}
	}
	var err error
	if out.Before, err = encodeValue(c.ID.Kind, c.Before); err != nil {
		return out, err
	}
	if c.Differs() {
		out.After, err = encodeValue(c.ID.Kind, c.After)
	}
	return out, err
}

func (f *planFile) decode() (*plan.Plan, error) {
	p := &plan.Plan{Mode: f.Mode, Targets: f.Targets, Excludes: f.Exclude, Replaces: f.Replace, Lineage: f.Lineage, Serial: f.Serial, Records: f.Records}
	p.Unseen, p.Unread = f.Unseen, f.Unread
	if f.Back != nil {
		b := plan.Back(*f.Back)
		p.Back = &b
	}
	for i := range f.Changes {
		c, err := f.Changes[i].decode()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", f.Changes[i].Address, err)
		}
		p.Changes = append(p.Changes, c)
	}
	for _, d := range f.Drift {
		before, err := d.Before.decode(d.ID.Kind)
		after, aerr := d.After.decode(d.ID.Kind)
		if err = errors.Join(err, aerr); err != nil {
			return nil, fmt.Errorf("drift of %q: %w", d.Address, err)
		}
		p.Drift = append(p.Drift, plan.Drift{Address: d.Address, ID: schema.ID(d.ID), Action: d.Action, Before: before, After: after})
	}
	for _, x := range f.Foreign {
		p.Foreign = append(p.Foreign, plan.Foreign{ID: schema.ID(x.identity), Values: x.Values, Ignored: x.Ignored})
	}
	for _, o := range f.Outputs {
		before, err := o.Before.decode("")
		after, aerr := o.After.decode("")
		if err = errors.Join(err, aerr); err != nil {
			return nil, fmt.Errorf("output %q: %w", o.Name, err)
		}
		p.Outputs = append(p.Outputs, plan.OutputChange{Name: o.Name, Action: o.Action, Before: before, After: after, Sensitive: o.Sensitive})
	}
	for _, ph := range f.Phases {
		var out plan.Phase
		for _, b := range ph {
			for _, i := range b.Changes {
				if i < 0 || i >= len(p.Changes) {
					return nil, fmt.Errorf("a phase has change %d of %d", i, len(p.Changes))
				}
			}
			out.Batches = append(out.Batches, plan.Batch(b))
		}
		p.Phases = append(p.Phases, out)
	}
	for _, m := range f.Staged {
		if len(m.Steps) == 0 {
			return nil, fmt.Errorf("%q: it has no stages", m.Address)
		}
		out := plan.Staged{Address: m.Address, TTL: m.TTL, ID: schema.ID(m.ID), From: m.From, To: m.To, Was: m.Was, Kept: m.Kept, Begins: m.Begins}
		for _, s := range m.Steps {
			out.Steps = append(out.Steps, plan.Step(s))
		}
		p.Staged = append(p.Staged, out)
	}
	for _, b := range f.Brakes {
		p.Brakes = append(p.Brakes, plan.Brake(b))
	}
	for _, b := range f.Waived {
		p.Waived = append(p.Waived, plan.Brake(b))
	}
	if err := f.decodeInputs(p); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *change) decode() (plan.Change, error) {
	out := plan.Change{
		Action: c.Action, Address: c.Address, PrevAddress: c.PrevAddress,
		ID: schema.ID(c.ID), PrevID: schema.ID(c.ID),
		DependsOn: c.DependsOn, PreventDestroy: c.PreventDestroy, Notes: c.Notes,
	}
	switch c.Action {
	case plan.NoOp, plan.Create, plan.Update, plan.Delete, plan.Replace, plan.Adopt, plan.Forget, plan.Move:
	default:
		return out, fmt.Errorf("unknown action %q", c.Action)
	}
	if c.PrevID != nil {
		out.PrevID = schema.ID(*c.PrevID)
	}
	if c.Observed != nil {
		out.Observed = &providers.Observed{
			Kind: out.PrevID.Kind, Key: out.PrevID.Key, Attrs: cty.NullVal(cty.DynamicPseudoType),
			Owner: c.Observed.Owner, Revision: c.Observed.Revision, Retained: c.Observed.Retained,
		}
	}
	var err error
	if out.Before, err = c.Before.decode(c.ID.Kind); err != nil {
		return out, fmt.Errorf("before: %w", err)
	}
	out.After = out.Before
	if c.After != nil {
		if out.After, err = c.After.decode(c.ID.Kind); err != nil {
			return out, fmt.Errorf("after: %w", err)
		}
	}
	return out, nil
}
