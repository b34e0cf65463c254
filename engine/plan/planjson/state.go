package planjson

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type stateDocument struct {
	FormatVersion    string      `json:"format_version"`
	TerraformVersion string      `json:"terraform_version"`
	MailformVersion  string      `json:"mailform_version"`
	Values           values      `json:"values"`
	Mailform         *stateExtra `json:"mailform,omitempty"`
}

type stateExtra struct {
	Lineage string `json:"lineage"`
	Serial  uint64 `json:"serial"`
	// Stages are those that the last apply has left to be made later.
	Stages []stageToCome `json:"stages,omitempty"`
}

type stageToCome struct {
	Address   string    `json:"address"`
	Step      string    `json:"step"`
	NotBefore time.Time `json:"not_before"`
	TTL       int64     `json:"ttl"`
	Values    []string  `json:"values"`
}

type values struct {
	Outputs    map[string]output `json:"outputs,omitempty"`
	RootModule module            `json:"root_module"`

	modules map[string]*module // the others, by address
}

type module struct {
	Address   string     `json:"address,omitempty"`
	Resources []resource `json:"resources,omitempty"`
	Children  []*module  `json:"child_modules,omitempty"`
}

type output struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

type resource struct {
	place
	SchemaVersion   int             `json:"schema_version"`
	Values          json.RawMessage `json:"values"`
	SensitiveValues json.RawMessage `json:"sensitive_values"`
	DependsOn       []string        `json:"depends_on,omitempty"`
}

// add puts a resource into its module. Within a module its address speaks for
// itself.
func (v *values) add(r resource) {
	m := v.module(r.Module)
	r.Module = ""
	m.Resources = append(m.Resources, r)
}

// module finds the module with an address, and makes it and those around it
// where they are not there yet.
func (v *values) module(address string) *module {
	if address == "" {
		return &v.RootModule
	}
	if m := v.modules[address]; m != nil {
		return m
	}
	if v.modules == nil {
		v.modules = map[string]*module{}
	}
	m := &module{Address: address}
	v.modules[address] = m
	around := v.module(plan.ModuleOf(address))
	around.Children = append(around.Children, m)
	return m
}

func (v *values) addOutput(name string, o output) {
	if v.Outputs == nil {
		v.Outputs = map[string]output{}
	}
	v.Outputs[name] = o
}

func newStateDocument(version string) stateDocument {
	return stateDocument{FormatVersion: stateFormat, TerraformVersion: terraformVersion, MailformVersion: version}
}

func newResource(address string, id schema.ID, attrs cty.Value, dependsOn []string) (resource, error) {
	p, err := newPlace(address, id)
	if err != nil {
		return resource{}, err
	}
	r := resource{place: p, DependsOn: dependsOn}
	r.Values, r.SensitiveValues, err = known(id.Kind, attrs)
	return r, err
}

// State writes the state document of show -json without a plan: one line.
// version is mailform's.
func State(w io.Writer, s *state.State, version string) error {
	doc := newStateDocument(version)
	doc.Mailform = &stateExtra{Lineage: s.Lineage, Serial: s.Serial}
	for _, r := range s.Sorted() {
		if r.Staging != nil && r.Staging.Next != nil {
			n := r.Staging.Next
			doc.Mailform.Stages = append(doc.Mailform.Stages, stageToCome{r.Address, n.Step, n.NotBefore, n.TTL, n.Values})
		}
		out, err := newResource(r.Address, r.ID, r.Attrs, r.DependsOn)
		if err != nil {
			return fmt.Errorf("write %s: %w", r.Address, err)
		}
		doc.Values.add(out)
	}
	for name, o := range s.Outputs {
		doc.Values.addOutput(name, newOutput(o))
	}
	return write(w, doc)
}

func newOutput(o state.Output) output {
	out := output{Sensitive: o.Sensitive, Type: o.Type, Value: o.Value}
	if o.Sensitive {
		out.Value = json.RawMessage("null")
	}
	return out
}
