package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A run is what all evaluators of a configuration share.
type run struct {
	opts      Options
	computed  Computed
	functions map[string]function.Function
	root      *evaluator
	// modules are the evaluators of called modules.
	modules map[*schema.ModuleInstance]*evaluator
	// declared are the provider blocks with their keys, as far as these were asked for.
	declared     map[providerID]*evaluated
	configured   state // of the provider blocks
	providerList []Provider
	asked        []*question // open questions of data blocks
	// left and leftBlocks are the columns of what blocks left out.
	left       map[*schema.Attribute][]cty.Value
	leftBlocks map[*schema.NestedBlock][]cty.Value
	looked     map[sight]bool  // under Options.Narrow; nil: not found out yet
	stack      []string        // addresses of what is being evaluated, for cycles
	selected   cty.Value       // what the word mailform stands for; cty.NilVal: not asked yet
	told       map[string]bool // what was reported of the text of modules
	diags      hcl.Diagnostics
}

// newRun makes the evaluator of a root module.
func newRun(m *Module, opts Options, computed Computed) *evaluator {
	e := (&run{
		opts: opts, computed: computed, functions: functions(m.dir, opts),
		modules: map[*schema.ModuleInstance]*evaluator{}, declared: map[providerID]*evaluated{},
		left: map[*schema.Attribute][]cty.Value{}, leftBlocks: map[*schema.NestedBlock][]cty.Value{},
		told: map[string]bool{},
	}).evaluator(m, nil)
	e.root = e
	return e
}

// evaluator makes one for an instance of a module.
func (r *run) evaluator(m *Module, path *schema.ModuleInstance) *evaluator {
	e := &evaluator{
		run: r, m: m, path: path,
		locals:   make(map[string]*local, len(m.locals)),
		blocks:   make(map[blockID]*evaluated, len(m.blocks)),
		calls:    make(map[string]*evaluatedCall, len(m.calls)),
		seen:     map[string]cty.Value{},
		contexts: map[blockID]*hcl.EvalContext{},
		outs:     map[string]*outcome{},
	}
	for name, l := range m.locals {
		fresh := *l
		e.locals[name] = &fresh
	}
	for id, b := range m.blocks {
		e.blocks[id] = &evaluated{block: b}
	}
	for name, c := range m.calls {
		e.calls[name] = &evaluatedCall{evaluated: evaluated{block: c.block}, call: c, arguments: map[string]*column{}}
	}
	return e
}

// report takes diagnostics in. What is wrong in the text of a module is told
// once, with the first instance that it was found in.
func (e *evaluator) report(diags ...*hcl.Diagnostic) {
	if e.path == nil {
		e.diags = append(e.diags, diags...)
		return
	}
	for _, d := range diags {
		key := d.Summary + "\n" + d.Detail
		if d.Subject != nil {
			key += "\n" + d.Subject.String()
		}
		if e.told[key] {
			continue
		}
		e.told[key] = true
		if address := e.path.String(); !strings.Contains(d.Detail, address) {
			d.Detail += fmt.Sprintf("\n\nThis is in %s.", address)
		}
		e.diags = append(e.diags, d)
	}
}
