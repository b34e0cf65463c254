package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A lifecycle is what a block says about how it is dealt with.
type lifecycle struct {
	preventDestroy bool
	// enabled is nil where the block does not say.
	enabled   *expression
	ignoreAll bool
	ignore    []string // attributes of kinds, as schema.Attribute.Sets has them
	// pre and post are held against each instance; post may read self.
	pre, post []rule
}

// usual is the lifecycle of a block that says nothing of it.
var usual = &lifecycle{}

var (
	lifecycleSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "prevent_destroy"}, {Name: "ignore_changes"}, {Name: "enabled"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}, {Type: "postcondition"}},
	}
	ruleSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true}, {Name: "error_message", Required: true},
	}}
)

// decodeLifecycle takes in the lifecycle block of a block.
func (b *block) decodeLifecycle(hb *hcl.Block) hcl.Diagnostics {
	b.lifecycle = &lifecycle{}
	content, diags := contentOf(hb.Body, lifecycleSchema)
	if a := content.Attributes["prevent_destroy"]; a != nil {
		diags = append(diags, staticValue(a, cty.Bool, &b.lifecycle.preventDestroy)...)
	}
	if a := content.Attributes["ignore_changes"]; a != nil {
		diags = append(diags, b.decodeIgnore(a)...)
	}
	if a := content.Attributes["enabled"]; a != nil {
		diags = append(diags, b.decodeIsEnabled(a)...)
	}
	for _, rb := range content.Blocks {
		r, more := decodeRule(rb)
		diags = append(diags, more...)
		switch {
		case r == nil:
		case rb.Type == "precondition":
			b.lifecycle.pre = append(b.lifecycle.pre, *r)
		default:
			b.lifecycle.post = append(b.lifecycle.post, *r)
		}
	}
	return diags
}

// decodeIsEnabled takes in the argument enabled.
func (b *block) decodeIsEnabled(a *hcl.Attribute) hcl.Diagnostics {
	expr, diags := normalize(a.Expr)
	if b.multiple() {
		return append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Both enabled and keys",
			Detail:   fmt.Sprintf("%s has for_each or count, which say how many instances there are. Use enabled in a block without them.", b.address()),
			Subject:  a.NameRange.Ptr(),
		})
	}
	b.lifecycle.enabled = expr
	return diags
}

// decodeRule takes in a block with a condition; nil where it is not complete.
func decodeRule(hb *hcl.Block) (*rule, hcl.Diagnostics) {
	content, diags := contentOf(hb.Body, ruleSchema)
	condition, message := content.Attributes["condition"], content.Attributes["error_message"]
	if condition == nil || message == nil {
		return nil, diags
	}
	var r rule
	var more hcl.Diagnostics
	r.condition, more = normalize(condition.Expr)
	diags = append(diags, more...)
	r.message, more = normalize(message.Expr)
	return &r, append(diags, more...)
}

// decodeIgnore reads ignore_changes: names of attributes, or the word all.
func (b *block) decodeIgnore(a *hcl.Attribute) hcl.Diagnostics {
	expr, diags := normalize(a.Expr)
	if diags.HasErrors() {
		return diags
	}
	if names := attrNames(staticTraversal(expr)); len(names) == 1 && names[0] == "all" {
		b.lifecycle.ignoreAll = true
		return diags
	}
	invalid := func(at hcl.Range, format string, args ...any) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid ignore_changes",
			Detail:   fmt.Sprintf(format, args...),
			Subject:  &at,
		})
	}
	if _, ok := bare(expr).(*hclsyntax.TupleConsExpr); !ok {
		invalid(expr.Range(), "The argument ignore_changes is a list of argument names, such as [quota], or the word all.")
		return diags
	}
	var known []string
	for i := range b.typ.Attributes {
		if s := &b.typ.Attributes[i]; len(s.Sets) > 0 {
			known = append(known, s.Name)
		}
	}
	for _, item := range elements(expr) {
		names := attrNames(staticTraversal(item))
		if len(names) != 1 {
			invalid(item.Range(), "Each element of ignore_changes is the name of an argument, such as quota.")
			continue
		}
		switch s := b.typ.Attribute(names[0]); {
		case s != nil && len(s.Sets) > 0:
			b.lifecycle.ignore = append(b.lifecycle.ignore, s.Sets...)
		case s != nil || b.typ.Block(names[0]) != nil:
			invalid(item.Range(), "Changes of %q cannot be ignored: it says which things there are, not only what they are like. Of a %s, these can: %s.", names[0], b.typ.Type, schema.Or(known))
		default:
			invalid(item.Range(), "A %s has no argument %q.%s", b.typ.Type, names[0], suggestion(names[0], known))
		}
	}
	return diags
}

// resolveLifecycle finds what the conditions of a block read.
func (m *Module) resolveLifecycle(b *block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if b.lifecycle.enabled != nil {
		diags = append(diags, m.find(b.lifecycle.enabled, inKeys, b.eachAttrs)...)
	}
	conditions := func(rules []rule, self *block) {
		for _, r := range rules {
			for _, x := range []*expression{r.condition, r.message} {
				diags = append(diags, m.findSelf(x, self)...)
				for name := range x.uses.eachAttrs {
					note(&b.eachAttrs, name)
				}
				if d := checkMeta(b, x); d != nil {
					diags = append(diags, d)
				}
			}
		}
	}
	conditions(b.lifecycle.pre, nil)
	conditions(b.lifecycle.post, b)
	return diags
}

// isEnabled evaluates enabled. A block that is not has no instance, and a
// reference to it is null.
func (e *evaluator) isEnabled(b *evaluated) {
	b.instances = []instance{{key: cty.NilVal}}
	x := b.lifecycle.enabled
	if x == nil {
		return
	}
	v, diags := e.value(x, e.context(x))
	if diags.HasErrors() {
		e.report(diags...)
		b.unknownKeys()
		return
	}
	problem := ""
	on, err := convert.Convert(v, cty.Bool)
	switch {
	case v.HasMark(Ephemeral):
		problem = "The value is ephemeral, and would have to be remembered."
	case v.IsMarked():
		problem = "The value is sensitive, and whether there is a block is shown. Where that is no secret, nonsensitive() says so."
	case err != nil:
		problem = fmt.Sprintf("It has to be true or false: %s.", err)
	case on.IsNull():
		problem = "It has to be true or false, and is null."
	case !on.IsKnown() && e.mayBeUnknown():
		b.unknownKeys()
		return
	case !on.IsKnown():
		problem = "It is not known before apply. It has to be known when the plan is made."
	case on.False():
		b.instances = nil
		return
	default:
		return
	}
	b.unknownKeys()
	e.report(&hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid enabled",
		Detail:   fmt.Sprintf("The argument enabled of %s cannot be used. %s", b.address(), problem),
		Subject:  x.Range().Ptr(),
	})
}

// conditions holds the instances of a block to its pre- and postconditions.
func (e *evaluator) conditions(b *evaluated) {
	for _, r := range b.lifecycle.pre {
		e.condition(b, r, "Precondition failed")
	}
	for _, r := range b.lifecycle.post {
		e.condition(b, r, "Postcondition failed")
	}
}

func (e *evaluator) condition(b *evaluated, r rule, summary string) {
	condition, message := e.context(r.condition), e.context(r.message)
	failed := 0
	for i := range b.instances {
		ref := schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}
		var diags hcl.Diagnostics
		ok, diags := e.holds(r.condition, e.instanceContext(b, r.condition, condition, i))
		switch {
		case diags.HasErrors():
		case ok:
			if !r.condition.ownKeys() && len(r.condition.uses.self) == 0 {
				return // the same for all
			}
			continue
		default:
			text := e.message(r.message, e.instanceContext(b, r.message, message, i))
			diags = hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  summary,
				Detail:   fmt.Sprintf("%s\n\nThis is a condition of %s.", text, ref),
				Subject:  r.condition.Range().Ptr(),
				Extra:    Failed{ref.String()},
			}}
		}
		e.report(diags...)
		if failed++; failed == maxErrors || !r.condition.ownKeys() && len(r.condition.uses.self) == 0 {
			return
		}
	}
}

// instanceContext is what an expression of a block sees for one instance.
func (e *evaluator) instanceContext(b *evaluated, x *expression, ctx *hcl.EvalContext, i int) *hcl.EvalContext {
	own := ctx.NewChild()
	own.Variables = map[string]cty.Value{}
	if v := b.instances[i].own; v != cty.NilVal {
		own.Variables[b.ownName()] = v
	}
	if len(x.uses.self) > 0 {
		ref := schema.Ref{Module: e.path, Type: b.typ.Type, Name: b.name, Key: b.instances[i].key}
		values := make(map[string]cty.Value, len(x.uses.self))
		for name := range x.uses.self {
			values[name] = e.readAttribute(b, i, ref, name)
		}
		own.Variables["self"] = cty.ObjectVal(values)
	}
	return own
}

// holds reports whether a condition is met, or not known yet.
func (e *evaluator) holds(x *expression, ctx *hcl.EvalContext) (bool, hcl.Diagnostics) {
	ok, _, diags := e.verdict(x, ctx)
	return ok, diags
}

// verdict is holds, which tells apart what is not known yet.
func (e *evaluator) verdict(x *expression, ctx *hcl.EvalContext) (ok, known bool, diags hcl.Diagnostics) {
	v, diags := e.value(x, ctx)
	if diags.HasErrors() {
		return false, false, diags
	}
	v, _ = v.UnmarkDeep()
	ok, err := toBool(v)
	if err != nil {
		return false, false, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid condition",
			Detail:   fmt.Sprintf("A condition has to be true or false: %s.", err),
			Subject:  x.Range().Ptr(),
		}}
	}
	return ok, v.IsKnown(), diags
}

// message evaluates the text about a condition that is not met.
func (e *evaluator) message(x *expression, ctx *hcl.EvalContext) string {
	v, diags := e.value(x, ctx)
	if diags.HasErrors() {
		e.report(diags...)
		return "The error message cannot be shown, because there is an error in it."
	}
	if s, ok := plainString(v); ok {
		return s
	}
	return "The error message cannot be shown, because it is made of a sensitive or unknown value."
}
