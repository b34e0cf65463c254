package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Uses are what an expression reads, found without evaluating it.
//
// A block that is named bare stands for its identity, and only reading an
// attribute makes it necessary to evaluate that attribute first. Where a block
// is named bare and the same expression reads attributes of something that may
// be it ([for u in user.staff : u.quota]), every attribute name that is read
// anywhere counts. So dependencies are between attributes, not between blocks:
// a domain may name its postmaster, and the postmaster his domain.
type uses struct {
	roots  []rootUse // var.x, local.x
	blocks []*reads  // one for each block, in the order in which they are named
	// modules are what is read of called modules, by their names; nil for nothing.
	modules map[string]*moduleReads
	each    bool // each.key, each.value
	count   bool // count.index
	// eachAttrs are attributes read of each.value.
	eachAttrs map[string]bool
	// iteratorAttrs are attributes read of an element of a dynamic block.
	iteratorAttrs map[string]bool
	// self are attributes that a postcondition reads of its own instance.
	self map[string]bool
}

// reads reports whether something that is no block is read: var.x, local.x.
func (u *uses) reads(root, name string) bool {
	for _, r := range u.roots {
		if r.root == root && r.name == name {
			return true
		}
	}
	return false
}

// A rootUse is a traversal that starts from something that is not a block.
type rootUse struct {
	root, name string // "var", "alice_password_hash"
	rng        hcl.Range
}

// noUses are those of a literal. Most expressions of a large configuration are
// literals, so that these are shared.
var noUses = &uses{}

// of finds what is read of a block; nil for nothing.
func (u *uses) of(id blockID) *reads {
	for _, r := range u.blocks {
		if r.id == id {
			return r
		}
	}
	return nil
}

// Reads are what an expression reads of one block.
type reads struct {
	id    blockID
	attrs map[string]bool // empty: nothing but the identity
	keys  []keyUse        // keys that are written out
	rng   hcl.Range
}

type keyUse struct {
	key cty.Value
	rng hcl.Range
}

// A scan walks one expression.
type scan struct {
	m     *Module
	uses  *uses
	diags hcl.Diagnostics
	// loose are attribute names read of what is not known to be a block or not.
	loose map[string]bool
	// bare are the blocks that are named bare.
	bare []*reads
	// scope counts the names that for expressions around define.
	scope map[string]int
	// iterator is what the content of a dynamic block calls its element.
	iterator string
	// selfBlock is the block that self stands for an instance of; nil for none.
	selfBlock *block
	// functions are those that a Scope has; nil: those that files can call.
	functions map[string]function.Function
	// outside are the words that stand for what a Scope has beyond the files.
	outside map[string]cty.Value
	// output is what the expression is the value of; nil for none.
	output *output
	again  bool // the output is looked at because of what others read of it
	// later are the outputs of modules that are read, and wholeEach is set where
	// each.value is: what is read of them hangs on the rest of the expression.
	later     []laterRead
	wholeEach bool
	broken    bool // it refers to what is not there
	// where tells what kind of expression it is.
	where place
}

// place is where an expression stands: what it may refer to hangs on it.
type place int

const (
	inBlock  place = iota // an argument of a block: each, count, everything
	inKeys                // for_each, count: no each
	inLocal               // locals, provider blocks
	inOutput              // outputs: computed attributes too
	inCheck               // validation: variables and locals
)

// find finds what an expression reads, and reports references to nothing. extra
// are attribute names that are read of the result elsewhere.
func (m *Module) find(e *expression, where place, extra map[string]bool) hcl.Diagnostics {
	return m.newScan(where).find(e, extra)
}

// findWith does the same within the content of a dynamic block; iterator is
// empty for none.
func (m *Module) findWith(e *expression, where place, iterator string) hcl.Diagnostics {
	s := m.newScan(where)
	s.iterator = iterator
	return s.find(e, nil)
}

// findSelf does the same in a condition of a block; of is nil where there is no
// self.
func (m *Module) findSelf(e *expression, of *block) hcl.Diagnostics {
	s := m.newScan(inBlock)
	s.selfBlock = of
	return s.find(e, nil)
}

// findOutput does the same for the value of an output.
func (m *Module) findOutput(o *output, extra map[string]bool) hcl.Diagnostics {
	s := m.newScan(inOutput)
	s.output, s.again = o, extra != nil
	diags := s.find(o.value, extra)
	o.bare = nil
	for _, r := range s.bare {
		o.bare = append(o.bare, s.m.blocks[r.id].typ)
	}
	return diags
}

// validationReads says what a validation can refer to.
const validationReads = "A validation can refer to variables and to local values, and not to blocks, which are looked at once the variables are right."

func (m *Module) newScan(where place) *scan {
	return &scan{m: m, where: where}
}

func (s *scan) find(e *expression, extra map[string]bool) hcl.Diagnostics {
	if isLiteral(e.Expression) {
		e.uses, e.broken = noUses, e.broken || s.m.damaged(e.Range())
		return nil
	}
	e.uses = &uses{}
	s.uses = e.uses
	for name := range extra {
		note(&s.loose, name)
	}
	s.walk(e.Expression)
	for _, r := range s.bare {
		readable := s.m.blocks[r.id].typ
		for name := range s.loose {
			if isReadable(readable, name) {
				s.diags = append(s.diags, s.read(r, name, r.rng)...)
			}
		}
	}
	s.handOn()
	e.broken = e.broken || s.broken || s.diags.HasErrors() || s.m.damaged(e.Range())
	return s.diags
}

// note puts a name into a set, which is made for the first one: there are as
// many sets as expressions, and nearly all stay empty.
func note(set *map[string]bool, name string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[name] = true
}

// handOn notes for what has a name elsewhere that attributes may be read of it.
func (s *scan) handOn() {
	if len(s.loose) == 0 {
		return
	}
	if len(s.uses.roots) > 0 || len(s.later) > 0 || s.wholeEach {
		names := keys(s.loose)
		for _, r := range s.uses.roots {
			s.m.wants(r.root, r.name, names...)
		}
		for _, l := range s.later {
			for _, name := range names {
				note(&l.read.attrs, name)
			}
			l.of.wants("output", l.o.name, names...)
		}
		for _, name := range names {
			if s.wholeEach {
				note(&s.uses.eachAttrs, name)
			}
		}
	}
}

func isReadable(b *schema.BlockType, name string) bool {
	return b.Attribute(name) != nil || b.Block(name) != nil || b.HasPart(name) || b.ComputedAttribute(name) != nil
}

// readableNames are the names that can stand behind a reference to a block.
func readableNames(b *schema.BlockType) []string {
	var names []string
	for i := range b.Attributes {
		names = append(names, b.Attributes[i].Name)
	}
	for i := range b.Blocks {
		names = append(names, b.Blocks[i].Type)
	}
	for _, p := range b.Parts {
		names = append(names, p.Name)
	}
	for i := range b.Computed {
		names = append(names, b.Computed[i].Name)
	}
	return names
}

func (s *scan) walk(e hclsyntax.Expression) {
	switch t := e.(type) {
	case nil:
	case *expression:
		s.walk(t.Expression)
	case *hclsyntax.ScopeTraversalExpr:
		s.traversal(t.Traversal)
	case *hclsyntax.RelativeTraversalExpr:
		if x, ok := t.Source.(*hclsyntax.IndexExpr); ok { // module.acme[each.key].output
			if of := s.moduleIn(x.Collection); of != nil {
				s.module(of, t.Traversal)
				s.walk(x.Key)
				return
			}
		}
		s.walk(t.Source)
		s.steps(t.Traversal)
	case *hclsyntax.IndexExpr:
		s.walk(t.Collection)
		s.walk(t.Key)
		if lit, ok := bare(t.Key).(*hclsyntax.TemplateExpr); ok && lit.IsStringLiteral() {
			if v, diags := lit.Value(nil); !diags.HasErrors() {
				note(&s.loose, v.AsString())
			}
		}
	case *hclsyntax.SplatExpr:
		if each, ok := t.Each.(*hclsyntax.RelativeTraversalExpr); ok { // module.acme[*].output
			if of := s.moduleIn(t.Source); of != nil {
				s.module(of, each.Traversal)
				return
			}
		}
		s.walk(t.Source)
		s.walk(t.Each)
	case *hclsyntax.ForExpr:
		s.walk(t.CollExpr)
		if s.scope == nil {
			s.scope = map[string]int{}
		}
		for _, name := range []string{t.KeyVar, t.ValVar} {
			s.scope[name]++
		}
		s.walk(t.KeyExpr)
		s.walk(t.ValExpr)
		s.walk(t.CondExpr)
		for _, name := range []string{t.KeyVar, t.ValVar} {
			s.scope[name]--
		}
	case *hclsyntax.ParenthesesExpr:
		s.walk(t.Expression)
	case *hclsyntax.TemplateWrapExpr:
		s.walk(t.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		s.walk(t.Tuple)
	case *hclsyntax.TemplateExpr:
		s.walkAll(t.Parts)
	case *hclsyntax.TupleConsExpr:
		s.walkAll(t.Exprs)
	case *hclsyntax.FunctionCallExpr:
		s.call(t)
		s.walkAll(t.Args)
	case *hclsyntax.ObjectConsExpr:
		for _, item := range t.Items {
			s.walk(item.KeyExpr)
			s.walk(item.ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		if t.ForceNonLiteral || hcl.ExprAsKeyword(t.Wrapped) == "" {
			s.walk(t.Wrapped)
		}
	case *hclsyntax.ConditionalExpr:
		s.walk(t.Condition)
		s.walk(t.TrueResult)
		s.walk(t.FalseResult)
	case *hclsyntax.BinaryOpExpr:
		s.walk(t.LHS)
		s.walk(t.RHS)
	case *hclsyntax.UnaryOpExpr:
		s.walk(t.Val)
	}
}

func (s *scan) walkAll(list []hclsyntax.Expression) {
	for _, e := range list {
		s.walk(e)
	}
}

// moduleIn is the traversal of an expression that names a module; nil for any
// other.
func (s *scan) moduleIn(e hclsyntax.Expression) hcl.Traversal {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || t.Traversal.RootName() != "module" || s.scope["module"] > 0 || s.iterator == "module" {
		return nil
	}
	return t.Traversal
}

// steps takes in the attribute names of a traversal of something unknown.
func (s *scan) steps(t hcl.Traversal) {
	for _, name := range attributesOf(t) {
		note(&s.loose, name)
	}
}

// traversal takes in one that starts from a name.
func (s *scan) traversal(t hcl.Traversal) {
	root := t.RootName()
	if s.scope[root] > 0 {
		s.steps(t[1:])
		return
	}
	if root == s.iterator {
		s.element(t)
		return
	}
	if root == blockData {
		s.data(t)
		return
	}
	if _, ok := s.outside[root]; ok {
		return
	}
	if typ := schema.BlockByType(root); typ != nil && typ.Instances {
		if s.where == inCheck {
			s.refuse(t, validationReads)
			return
		}
		s.reference(typ, t)
		return
	}
	s.root(root, t)
}

// element takes in a traversal that starts from the element of a dynamic block.
func (s *scan) element(t hcl.Traversal) {
	name := ""
	if len(t) > 1 {
		if step, ok := t[1].(hcl.TraverseAttr); ok {
			name = step.Name
		}
	}
	if !s.known(t, name, "key", "value") {
		return
	}
	for _, step := range t[2:] {
		if attr, ok := step.(hcl.TraverseAttr); ok {
			note(&s.uses.iteratorAttrs, attr.Name)
		}
	}
}

// ownKeys reports whether the expression differs between the instances of a block.
func (e *expression) ownKeys() bool { return e.uses.each || e.uses.count }

// refuse reports a reference that cannot stand where it does.
func (s *scan) refuse(t hcl.Traversal, detail string) {
	s.diags = append(s.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid reference",
		Detail:   detail,
		Subject:  t.SourceRange().Ptr(),
	})
}
