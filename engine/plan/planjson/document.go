package planjson

import (
	"encoding/json"
	"time"

	"github.com/mailform/mailform/engine/plan"
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
