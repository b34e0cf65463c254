package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A variable as declared.
type variable struct {
	name        string
	description string
	typ         cty.Type // DynamicPseudoType: any
	typed       bool     // a type was written
	defaults    *typeexpr.Defaults
	def         cty.Value // NilVal: none
	sensitive   bool
	hidden      bool // see hide
	ephemeral   bool
	nullable    bool
	rules       []rule
	deprecated  string // what to do instead of setting it; empty: it is not
	header      hcl.Range
	// command is a program and its arguments that print the value where none is
	// set; nil: there is none.
	command      []string
	commandRange hcl.Range
}

// A rule is a validation block.
type rule struct {
	condition, message *expression
}

func (m *Module) decodeVariable(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("variable")
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, typ.Blocks, false))
	v := &variable{name: hb.Labels[0], typ: cty.DynamicPseudoType, nullable: true, header: hb.DefRange}
	if other := m.variables[v.name]; other != nil {
		return append(diags, duplicate(fmt.Sprintf("A variable named %q", v.name), other.header, v.header))
	}
	m.variables[v.name] = v
	if a := content.Attributes["type"]; a != nil {
		t, defaults, more := typeexpr.TypeConstraintWithDefaults(a.Expr)
		diags = append(diags, typeErrors(more)...)
		if !more.HasErrors() {
			v.typ, v.defaults, v.typed = t, defaults, true
		}
	}
	for name, target := range map[string]*bool{"sensitive": &v.sensitive, "ephemeral": &v.ephemeral, "nullable": &v.nullable} {
		if a := content.Attributes[name]; a != nil {
			diags = append(diags, staticValue(a, cty.Bool, target)...)
		}
	}
	if a := content.Attributes["description"]; a != nil {
		diags = append(diags, staticValue(a, cty.String, &v.description)...)
	}
	if a := content.Attributes["deprecated"]; a != nil {
		diags = append(diags, staticValue(a, cty.String, &v.deprecated)...)
	}
	if a := content.Attributes["default"]; a != nil {
		diags = append(diags, m.decodeDefault(v, a)...)
	}
	if a := content.Attributes["command"]; a != nil {
		diags = append(diags, v.decodeCommand(a)...)
		if m.root != m {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Command in a module that is called",
				Detail:   fmt.Sprintf("The variable %q has a command, and a module that is called takes the values of its variables from its caller. A variable of the root module can have the command.", v.name),
				Subject:  a.NameRange.Ptr(),
			})
		}
		if d := content.Attributes["default"]; d != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Both default and command",
				Detail:   fmt.Sprintf("The variable %q has a default and a command. Both say what its value is where none is set, and a variable can have one of them.", v.name),
				Subject:  d.NameRange.Ptr(),
			})
		}
	}
	for _, vb := range content.Blocks.OfType("validation") {
		inner, more := contentOf(vb.Body, bodySchema(typ.Block("validation").Attributes, nil, false))
		diags = append(diags, more...)
		condition, message := inner.Attributes["condition"], inner.Attributes["error_message"]
		if condition == nil || message == nil {
			continue
		}
		var r rule
		r.condition, more = normalize(condition.Expr)
		diags = append(diags, more...)
		r.message, more = normalize(message.Expr)
		diags = append(diags, more...)
		v.rules = append(v.rules, r)
	}
	return diags
}

func (m *Module) decodeDefault(v *variable, a *hcl.Attribute) hcl.Diagnostics {
	if v.sensitive {
		if e, diags := native(a.Expr); !diags.HasErrors() {
			m.blank(e)
		}
	}
	v.def = cty.UnknownVal(v.typ) // there is one, if a wrong one
	val, diags := constantValue(a.Expr, "the default of a variable")
	if diags.HasErrors() {
		return diags
	}
	val, err := v.convert(val)
	if err != nil {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid default value",
			Detail:   fmt.Sprintf("The default of the variable %q does not fit its type: %s.", v.name, conversionError(err)),
			Subject:  a.Expr.Range().Ptr(),
		}}
	}
	if val.IsNull() && !v.nullable {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid default value",
			Detail:   fmt.Sprintf("The default of the variable %q is null, which nullable = false refuses.", v.name),
			Subject:  a.Expr.Range().Ptr(),
		}}
	}
	v.def = val
	return nil
}

// convert makes a value fit the variable's type, with the defaults of optional
// attributes.
func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	return convert.Convert(val, v.typ)
}

// conversionError words an error of a conversion with the place within the
// value. It never holds the value itself.
func conversionError(err error) string {
	pe, ok := err.(cty.PathError)
	if !ok || len(pe.Path) == 0 {
		return err.Error()
	}
	where := ""
	for _, step := range pe.Path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			where += "." + s.Name
		case cty.IndexStep:
			if s.Key.IsKnown() && (s.Key.Type() == cty.String || s.Key.Type() == cty.Number) {
				where += schema.IndexString(s.Key)
			} else {
				where += "[…]"
			}
		}
	}
	return fmt.Sprintf("at %s, %s", where, err)
}

// An output as declared.
type output struct {
	name        string
	value       *expression // nil: missing, and reported
	description string
	sensitive   bool
	ephemeral   bool
	header      hcl.Range

	// computed is set where the value is made of what others compute, and only
	// where it is made of what only outputs can be made of.
	computed, only bool
	bare           []*schema.BlockType     // of the blocks that it names bare
	reads          map[*output]*outputRead // outputs of called modules
}

func (m *Module) decodeOutput(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("output")
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, nil, false))
	o := &output{name: hb.Labels[0], header: hb.DefRange}
	if other := m.outputs[o.name]; other != nil {
		return append(diags, duplicate(fmt.Sprintf("An output named %q", o.name), other.header, o.header))
	}
	m.outputs[o.name] = o
	if a := content.Attributes["value"]; a != nil {
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		o.value = expr
	}
	if a := content.Attributes["description"]; a != nil {
		diags = append(diags, staticValue(a, cty.String, &o.description)...)
	}
	if a := content.Attributes["sensitive"]; a != nil {
		diags = append(diags, staticValue(a, cty.Bool, &o.sensitive)...)
	}
	if a := content.Attributes["ephemeral"]; a != nil {
		diags = append(diags, staticValue(a, cty.Bool, &o.ephemeral)...)
	}
	return diags
}
