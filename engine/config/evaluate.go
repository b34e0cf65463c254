package config

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	version "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An evaluator evaluates one instance of a module once. What is asked for is
// evaluated when it is asked for and kept, so that order comes from the
// references themselves, across the borders of modules too.
//
// A block is evaluated by columns: its for_each once into keys, then each
// argument for all instances in one go. So the cost is linear in the number of
// instances, and a reference from one argument to another of the same block, or
// between two blocks in both directions, is no cycle.
type evaluator struct {
	*run
	m      *Module
	path   *schema.ModuleInstance
	places cty.Value // what the word path stands for; cty.NilVal: not asked yet
	vars   map[string]cty.Value
	locals map[string]*local
	blocks map[blockID]*evaluated
	calls  map[string]*evaluatedCall
	// seen holds what references to a block or a module evaluate to.
	seen map[string]cty.Value
	// contexts are those of expressions that only name a block bare.
	contexts map[blockID]*hcl.EvalContext
	outs     map[string]*outcome // the outputs, as callers see them

	// What follows is empty for the root module.
	parent     *evaluator
	call       *evaluatedCall // that it is an instance of
	index      int            // which one
	handedOver map[string]handedProvider
	inherited  []schema.Ref // what everything in it depends on
	// unknown is set where it is not known which instances there are: then it only
	// serves to find errors.
	unknown bool
}

// A local value as declared, and in an evaluator as evaluated.
type local struct {
	name      string
	expr      *expression
	nameRange hcl.Range

	state state
	value cty.Value
}

// state tells how far the evaluation of something is.
type state int

const (
	untouched state = iota
	running
	done
)

// An evaluated block.
type evaluated struct {
	*block
	state     state
	instances []instance // one with key cty.NilVal for a block without keys
	// unknown is set where for_each or count is not known or failed: the block's
	// one instance then only serves to check its arguments.
	unknown bool
	answers []cty.Value    // of a data block, by instance; nil: not asked yet
	index   map[string]int // position of an instance by its key; nil for a block without keys
	columns []column       // see the method column
}

// column finds the column of an argument, a nested block type or an attribute
// that follows from them. They are in the order of the schema.
func (b *evaluated) column(name string) *column {
	if b.columns == nil {
		b.columns = make([]column, len(b.typ.Attributes)+len(b.typ.Blocks)+len(b.typ.Computed))
	}
	for i := range b.typ.Attributes {
		if b.typ.Attributes[i].Name == name {
			return &b.columns[i]
		}
	}
	for i := range b.typ.Blocks {
		if b.typ.Blocks[i].Type == name {
			return &b.columns[len(b.typ.Attributes)+i]
		}
	}
	for i := range b.typ.Computed {
		if b.typ.Computed[i].Name == name {
			return &b.columns[len(b.typ.Attributes)+len(b.typ.Blocks)+i]
		}
	}
	return nil
}

// find is the position of an instance by its key.
func (b *evaluated) find(key cty.Value) (int, bool) {
	if b.index == nil {
		return 0, key == cty.NilVal && len(b.instances) == 1
	}
	i, ok := b.index[keyString(key)]
	return i, ok
}

type instance struct {
	key cty.Value
	// own is what each or count stands for; NilVal where there is neither, and
	// once all arguments are evaluated.
	own cty.Value
}

// A column holds the values of one argument or nested block type: one for each
// instance, or a single one that is the same for all.
type column struct {
	state  state
	values []cty.Value
}

func (c *column) at(i int) cty.Value {
	if len(c.values) == 1 {
		return c.values[0]
	}
	return c.values[i]
}

// Evaluate evaluates all blocks. computed holds what was born in apply and is
// known already; it may be nil. With errors, here or in loading, the
// configuration is only good for finding more of them: what is wrong in it is
// unknown.
func (m *Module) Evaluate(opts Options, computed Computed) (*Config, hcl.Diagnostics) {
	e := newRun(m, opts, computed)
	for _, one := range m.all {
		e.report(one.checkVersion(opts.Version)...)
	}
	vars, diags := m.variableValues(opts)
	e.vars = vars
	e.report(diags...)
	e.validate() // a value with an error is not known
	e.lookUp()
	if opts.Narrow == nil {
		for _, name := range keys(e.locals) {
			e.local(name)
		}
	}
	cfg := &Config{Dir: m.dir, evaluator: e}
	cfg.Providers = e.providers(hcl.Range{})
	e.expandAll(cfg)
	cfg.Moved, cfg.Removed, cfg.Imports = e.moved(), e.removed(), e.imports()
	cfg.Brakes = e.m.root.brakes
	e.diags = sortDiagnostics(e.diags)
	return cfg, e.diags
}

// expandAll evaluates everything that describes something, in this module and
// those that it calls, and holds it to its conditions.
func (e *evaluator) expandAll(cfg *Config) {
	ids := e.narrowed(sortedBlocks(e.blocks))
	cfg.Instances = slices.Grow(cfg.Instances, len(ids))
	for _, id := range ids {
		if b := e.blocks[id]; isData(b.typ) {
			e.expand(nil, b) // checks it; it describes nothing
		} else {
			cfg.Instances = e.expand(cfg.Instances, b)
		}
	}
	for _, name := range keys(e.calls) {
		e.expandCall(cfg, e.calls[name])
	}
	cfg.checked = append(cfg.checked, e.checks()...)
}

func sortedBlocks(blocks map[blockID]*evaluated) []blockID {
	ids := make([]blockID, 0, len(blocks))
	for id := range blocks {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool {
		if ids[i].typ != ids[j].typ {
			return ids[i].typ < ids[j].typ
		}
		return ids[i].name < ids[j].name
	})
	return ids
}

// checkVersion holds the version of mailform to required_version. A build
// between two versions counts as the later one.
func (m *Module) checkVersion(running string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range m.required {
		constraints, err := version.NewConstraint(r.constraint)
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid version constraint",
				Detail:   fmt.Sprintf("%q is not a version constraint. One is written as \">= 0.1\" or \">= 0.1, < 2.0\".", r.constraint),
				Subject:  r.rng.Ptr(),
			})
			continue
		}
		v, err := version.NewVersion(running)
		if err != nil { // no version to hold against it
			continue
		}
		if !constraints.Check(v.Core()) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unsupported version",
				Detail:   fmt.Sprintf("This directory requires mailform %s, and this is mailform %s.", r.constraint, running),
				Subject:  r.rng.Ptr(),
			})
		}
	}
	return diags
}

// enter begins the evaluation of something, and reports whether it is to be
// carried out. It is not where it has been, or where it waits for itself.
func (e *evaluator) enter(s *state, address string, at hcl.Range) bool {
	switch *s {
	case done:
		return false
	case running:
		e.cycle(e.path.Prefix()+address, at)
		return false
	}
	*s = running
	e.stack = append(e.stack, e.path.Prefix()+address)
	return true
}

func (e *evaluator) leave(s *state) {
	*s = done
	e.stack = e.stack[:len(e.stack)-1]
}

// cycle explains how something hangs on itself.
func (e *evaluator) cycle(address string, at hcl.Range) {
	from := 0
	for i, a := range e.stack {
		if a == address {
			from = i
		}
	}
	way := append(append([]string{}, e.stack[from:]...), address)
	detail := fmt.Sprintf("The value of %s cannot be found, because it is made of itself: %s.", address, strings.Join(way, " → "))
	if len(way) == 2 {
		detail = fmt.Sprintf("The value of %s cannot be found, because it is made of itself.", address)
	}
	e.report(&hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Cycle",
		Detail:   detail,
		Subject:  &at,
	})
}

// local is the value of a local value, unknown where it has none.
func (e *evaluator) local(name string) cty.Value {
	l := e.locals[name]
	if l == nil {
		return cty.DynamicVal // reported
	}
	if !e.enter(&l.state, "local."+name, l.nameRange) {
		if l.state == running {
			return cty.DynamicVal
		}
		return l.value
	}
	l.value = cty.DynamicVal
	v, diags := e.value(l.expr, e.context(l.expr))
	if diags.HasErrors() {
		e.report(diags...)
	} else {
		l.value = v
	}
	e.leave(&l.state)
	return l.value
}

// value evaluates an expression in a context. The value is unknown on errors.
func (e *evaluator) value(x *expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	if x.broken {
		return cty.DynamicVal, nil
	}
	// A last line: what is read here is anybody's, and an error in a library
	// must not take the whole program with it.
	defer func() {
		if r := recover(); r != nil {
			v = cty.DynamicVal
			diags = hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "Expression cannot be evaluated",
				Detail:   "This expression leads to an internal error. Please report it, with the expression.",
				Subject:  x.Range().Ptr(),
			}}
		}
	}()
	v, diags = x.Expression.Value(ctx)
	if diags.HasErrors() {
		reword(diags)
		return cty.DynamicVal, hideSensitive(x.Expression, diags)
	}
	return v, diags
}

// literals is the context of expressions that read nothing.
var literals = &hcl.EvalContext{}

// context makes what an expression can see, evaluating what it reads. It is
// the same for all instances of a block.
func (e *evaluator) context(x *expression) *hcl.EvalContext {
	if x.uses == noUses {
		return literals
	}
	bare := x.uses.bareBlock()
	if ctx := e.contexts[bare]; ctx != nil {
		return ctx
	}
	if e.places == cty.NilVal {
		e.places = e.m.pathOf()
	}
	variables := map[string]cty.Value{"path": e.places, "mailform": e.workspace()}
	byRoot := map[string]map[string]cty.Value{}
	put := func(root, name string, v cty.Value) {
		if byRoot[root] == nil {
			byRoot[root] = map[string]cty.Value{}
		}
		byRoot[root][name] = v
	}
	for _, r := range x.uses.roots {
		if r.root == "var" {
			put(r.root, r.name, e.variable(r.name))
		} else {
			put(r.root, r.name, e.local(r.name))
		}
	}
	for _, r := range sortedReads(x.uses.blocks) {
		put(r.id.typ, r.id.name, e.reference(r))
	}
	for _, name := range keys(x.uses.modules) {
		put("module", name, e.module(name, x.uses.modules[name]))
	}
	data := map[string]cty.Value{}
	for root, names := range byRoot {
		if source, ok := strings.CutPrefix(root, schema.DataType); ok {
			data[source] = cty.ObjectVal(names)
			continue
		}
		variables[root] = cty.ObjectVal(names)
	}
	if len(data) > 0 {
		variables[blockData] = cty.ObjectVal(data)
	}
	ctx := &hcl.EvalContext{Variables: variables, Functions: e.functions}
	if bare != (blockID{}) && byRoot[bare.typ][bare.name].IsKnown() {
		e.contexts[bare] = ctx
	}
	return ctx
}

// bareBlock is the block that an expression names bare where that is all it
// reads: a hundred thousand users do with their domain. Else it is zero.
func (u *uses) bareBlock() blockID {
	if len(u.blocks) != 1 || len(u.roots) > 0 || len(u.modules) > 0 || len(u.blocks[0].attrs) > 0 || len(u.blocks[0].keys) > 0 {
		return blockID{}
	}
	return u.blocks[0].id
}

// sortedReads orders by the addresses of the blocks.
func sortedReads(blocks []*reads) []*reads {
	if len(blocks) < 2 {
		return blocks
	}
	return slices.SortedFunc(slices.Values(blocks), func(a, b *reads) int {
		return cmp.Or(cmp.Compare(a.id.typ, b.id.typ), cmp.Compare(a.id.name, b.id.name))
	})
}

// defaultOf is the value of an attribute that was left out.
func defaultOf(s *schema.Attribute) cty.Value {
	if s.Default != cty.NilVal {
		return s.Default
	}
	return cty.NullVal(s.Type)
}
