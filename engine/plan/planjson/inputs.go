package planjson

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/zclconf/go-cty/cty"
)

type variableValue struct {
	Value     json.RawMessage `json:"value"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// addVariables writes what the files were evaluated with. Of a sensitive
// variable only the name is known.
func addVariables(doc *planDocument, vars []config.VariableValue) error {
	if len(vars) > 0 {
		doc.Variables = make(map[string]variableValue, len(vars))
	}
	for _, v := range vars {
		raw, err := marshal(hide(v.Value, v.Sensitive))
		if err != nil {
			return fmt.Errorf("write variable %s: %w", v.Name, err)
		}
		doc.Variables[v.Name] = variableValue{raw, v.Sensitive}
	}
	return nil
}

type checkResult struct {
	Address   checkAddress       `json:"address"`
	Status    config.CheckStatus `json:"status"`
	Instances []checkInstance    `json:"instances"`
}

type checkAddress struct {
	Display string `json:"to_display"`
	Module  string `json:"module,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Name    string `json:"name,omitempty"`
}

type checkInstance struct {
	Address  checkAddress       `json:"address"`
	Status   config.CheckStatus `json:"status"`
	Problems []checkProblem     `json:"problems,omitempty"`
}

type checkProblem struct {
	Message string `json:"message"`
}

func addChecks(doc *planDocument, checks []config.CheckResult) {
	known := map[string]int{} // where a check is in the document
	for _, c := range checks {
		instance := checkInstance{Address: checkAddress{Display: below(c.Module, "check."+c.Name), Module: c.Module}, Status: c.Status}
		for _, p := range c.Problems {
			instance.Problems = append(instance.Problems, checkProblem{p})
		}
		module := plan.ParseAddress(c.Module).Module.Declared()
		address := checkAddress{Display: below(module, "check."+c.Name), Module: module, Kind: "check", Name: c.Name}
		i, ok := known[address.Display]
		if !ok {
			i = len(doc.Checks)
			known[address.Display] = i
			doc.Checks = append(doc.Checks, checkResult{Address: address, Status: c.Status})
		}
		doc.Checks[i].Status = doc.Checks[i].Status.Worse(c.Status)
		doc.Checks[i].Instances = append(doc.Checks[i].Instances, instance)
	}
}

// below is the address of something in a module.
func below(module, name string) string {
	if module == "" {
		return name
	}
	return module + "." + name
}

// A configuration is what the files declare. Its resources are the blocks that
// people write: those of the plan have addresses below theirs.
type configuration struct {
	ProviderConfig map[string]providerConfig `json:"provider_config,omitempty"`
	RootModule     configModule              `json:"root_module"`
}

type providerConfig struct {
	Name        string      `json:"name"`
	FullName    string      `json:"full_name"`
	Alias       string      `json:"alias,omitempty"`
	Expressions expressions `json:"expressions,omitempty"`
}

type configModule struct {
	Outputs   map[string]configOutput   `json:"outputs,omitempty"`
	Resources []configResource          `json:"resources,omitempty"`
	Calls     map[string]configCall     `json:"module_calls,omitempty"`
	Variables map[string]configVariable `json:"variables,omitempty"`
}

type configCall struct {
	Source            string        `json:"source"`
	Expressions       expressions   `json:"expressions,omitempty"`
	CountExpression   *expression   `json:"count_expression,omitempty"`
	ForEachExpression *expression   `json:"for_each_expression,omitempty"`
	Module            *configModule `json:"module,omitempty"`
	DependsOn         []string      `json:"depends_on,omitempty"`
}

type configResource struct {
	Address           string      `json:"address"`
	Mode              string      `json:"mode"`
	Type              string      `json:"type"`
	Name              string      `json:"name"`
	ProviderConfigKey string      `json:"provider_config_key,omitempty"`
	Expressions       expressions `json:"expressions,omitempty"`
	SchemaVersion     int         `json:"schema_version"`
	CountExpression   *expression `json:"count_expression,omitempty"`
	ForEachExpression *expression `json:"for_each_expression,omitempty"`
	DependsOn         []string    `json:"depends_on,omitempty"`
}

type configOutput struct {
	Sensitive   bool       `json:"sensitive,omitempty"`
	Expression  expression `json:"expression"`
	Description string     `json:"description,omitempty"`
}

type configVariable struct {
	Default     json.RawMessage `json:"default,omitempty"`
	Description string          `json:"description,omitempty"`
	Sensitive   bool            `json:"sensitive,omitempty"`
}

type expression struct {
	ConstantValue json.RawMessage `json:"constant_value,omitempty"`
	References    []string        `json:"references,omitempty"`
}

// expressions are arguments by their names, each an expression, and nested
// blocks by their types, each a list of expressions.
type expressions map[string]json.RawMessage

func newExpression(e *config.OutlineExpression) *expression {
	if e == nil {
		return nil
	}
	return &expression{e.Constant, e.References}
}

func newExpressions(b *config.OutlineBody) (expressions, error) {
	out := expressions{}
	nested := map[string][]expressions{}
	for _, n := range b.Blocks {
		inner, err := newExpressions(&n.Body)
		if err != nil {
			return nil, err
		}
		nested[n.Type] = append(nested[n.Type], inner)
	}
	var err error
	for name, blocks := range nested {
		if out[name], err = json.Marshal(blocks); err != nil {
			return nil, err
		}
	}
	for i := range b.Arguments {
		a := &b.Arguments[i]
		if out[a.Name], err = json.Marshal(newExpression(&a.OutlineExpression)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func newConfiguration(o *config.Outline) (*configuration, error) {
	if o == nil {
		return nil, nil
	}
	c := &configuration{}
	for i := range o.Providers {
		p := &o.Providers[i]
		ex, err := newExpressions(&p.Body)
		if err != nil {
			return nil, fmt.Errorf("write provider %s: %w", p.Name, err)
		}
		if c.ProviderConfig == nil {
			c.ProviderConfig = map[string]providerConfig{}
		}
		key := strings.TrimSuffix(p.Name+"."+p.Alias, ".")
		c.ProviderConfig[key] = providerConfig{p.Name, providerName(p.Name), p.Alias, ex}
	}
	return c, c.RootModule.declare(o)
}

// declare takes in what the files of one module declare, and of those that it
// calls.
func (m *configModule) declare(o *config.Outline) error {
	for i := range o.Calls {
		call := &o.Calls[i]
		ex, err := newExpressions(&config.OutlineBody{Arguments: call.Arguments})
		if err != nil {
			return fmt.Errorf("write module.%s: %w", call.Name, err)
		}
		out := configCall{
			Source: call.Source, Expressions: ex, DependsOn: call.DependsOn,
			CountExpression: newExpression(call.Count), ForEachExpression: newExpression(call.ForEach),
		}
		if call.Module != nil {
			out.Module = &configModule{}
			if err := out.Module.declare(call.Module); err != nil {
				return err
			}
		}
		if m.Calls == nil {
			m.Calls = map[string]configCall{}
		}
		m.Calls[call.Name] = out
	}
	for i := range o.Blocks {
		b := &o.Blocks[i]
		ex, err := newExpressions(&b.Body)
		if err != nil {
			return fmt.Errorf("write %s.%s: %w", b.Type, b.Name, err)
		}
		m.Resources = append(m.Resources, configResource{
			Address: b.Type + "." + b.Name, Mode: "managed", Type: b.Type, Name: b.Name,
			ProviderConfigKey: strings.Join(b.Targets, ","), Expressions: ex,
			CountExpression: newExpression(b.Count), ForEachExpression: newExpression(b.ForEach), DependsOn: b.DependsOn,
		})
	}
	for _, v := range o.Variables {
		if m.Variables == nil {
			m.Variables = map[string]configVariable{}
		}
		m.Variables[v.Name] = configVariable{v.Default, v.Description, v.Sensitive}
	}
	for i := range o.Outputs {
		out := &o.Outputs[i]
		if m.Outputs == nil {
			m.Outputs = map[string]configOutput{}
		}
		m.Outputs[out.Name] = configOutput{out.Sensitive, *newExpression(&out.Value), out.Description}
	}
	return nil
}

// deleteReason says why something is no longer declared: its module or its block
// is gone, or only this instance of it. declared holds what is still there.
func deleteReason(address string, declared map[string]bool) string {
	block, key := blockOf(address)
	switch module := plan.ModuleOf(address); {
	case module != "" && !declared[module]:
		return "delete_because_no_module"
	case !declared[block]:
		return "delete_because_no_resource_config"
	case key == cty.NilVal:
		return "delete_because_no_resource_config"
	case key.Type() == cty.Number:
		return "delete_because_count_index"
	}
	return "delete_because_each_key"
}

// blockOf splits the address of a resource into the block that it comes from,
// without the key of its instance, and that key; cty.NilVal where it has none.
func blockOf(address string) (block string, key cty.Value) {
	ref := plan.ParseAddress(address).Block()
	key, ref.Key = ref.Key, cty.NilVal
	return ref.String(), key
}

// declaredBlocks are the blocks and modules that a plan leaves something of.
func declaredBlocks(p *plan.Plan) map[string]bool {
	declared := map[string]bool{}
	for i := range p.Changes {
		if c := &p.Changes[i]; !c.After.IsNull() {
			block, _ := blockOf(c.Address)
			declared[block] = true
			for m := plan.ModuleOf(c.Address); m != "" && !declared[m]; m = plan.ModuleOf(m) {
				declared[m] = true
			}
		}
	}
	return declared
}
