package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config/internal/nesting"
	"github.com/zclconf/go-cty/cty"
)

// EnvPrefix begins the names of environment variables that set variables.
const EnvPrefix = "MF_VAR_"

// A varFile is a file with values of variables.
type varFile struct {
	name   string
	values map[string]given
	sealed *sealedFile // nil: the file is not encrypted
}

// A given is a value that somebody has set.
type given struct {
	value cty.Value
	// raw is set instead of value for text from the command line or the
	// environment: what it means hangs on the variable's type.
	raw    string
	isRaw  bool
	source string // as in "The value … of": "given with -var"
	rng    *hcl.Range
	secret secrecy
}

// parseVarFile reads a file of values. It returns nil where nothing of it is usable.
func (m *Module) parseVarFile(path, name string) (f *varFile, diags hcl.Diagnostics) {
	defer func() { m.unread = m.unread || diags.HasErrors() }()
	if f, diags := m.sealedVarFile(path, name); f != nil || diags.HasErrors() {
		return f, diags
	}
	p := parseFile(path, name)
	m.keep(p.text)
	diags = p.diags
	if p.file == nil {
		return nil, diags
	}
	attrs, more := p.file.Body.JustAttributes()
	for _, d := range more {
		if strings.HasPrefix(d.Summary, "Unexpected ") {
			d.Summary = "Block in a file of values"
			d.Detail = "A file of values sets variables, each with an equals sign: name = { … }."
		}
	}
	diags = append(diags, more...)
	f = &varFile{name: name, values: make(map[string]given, len(attrs))}
	for key, a := range attrs {
		if v := m.variables[key]; v != nil && v.sensitive {
			if e, diags := native(a.Expr); !diags.HasErrors() {
				m.blank(e)
			}
		}
		val, more := constantValue(a.Expr, "a file of values")
		diags = append(diags, more...)
		if !more.HasErrors() {
			f.values[key] = given{value: val, source: "in " + name, rng: a.Expr.Range().Ptr()}
		}
	}
	return f, diags
}

// variableValues finds the value of each variable: the last of its default, the
// environment, mailform.mfvars, *.auto.mfvars, and the command line.
func (m *Module) variableValues(opts Options) (map[string]cty.Value, hcl.Diagnostics) {
	all := map[string]given{}
	for _, kv := range opts.Environ {
		key, value, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(key, EnvPrefix); ok && m.variables[name] != nil {
			all[name] = given{raw: value, isRaw: true, source: "in the environment as " + key}
		}
	}
	var diags hcl.Diagnostics
	closed := false // an encrypted file could not be opened
	for _, f := range m.varFiles {
		diags = append(diags, f.open(opts)...)
		diags = append(diags, m.take(all, f)...)
		closed = closed || f.values == nil
	}
	for _, arg := range opts.Vars {
		if arg.File == "" {
			if m.variables[arg.Name] == nil {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError,
					Summary:  "Value for undeclared variable",
					Detail:   fmt.Sprintf("A value for the variable %q was given with -var, and the configuration does not declare it.%s", arg.Name, suggestion(arg.Name, keys(m.variables))),
				})
				continue
			}
			all[arg.Name] = given{raw: arg.Value, isRaw: true, source: "given with -var"}
			continue
		}
		path := arg.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(m.dir, path)
		}
		f, more := m.parseVarFile(path, arg.File)
		diags = append(diags, more...)
		if f != nil {
			diags = append(diags, f.open(opts)...)
			diags = append(diags, m.take(all, f)...)
		}
		closed = closed || f != nil && f.values == nil
	}
	diags = append(diags, m.takeSettings(all, opts.Settings)...)
	values := make(map[string]cty.Value, len(m.variables))
	for _, name := range keys(m.variables) {
		v := m.variables[name]
		if _, set := all[name]; !set && v.command != nil && !opts.AllowUnset {
			g, more := m.fromCommand(v, opts)
			diags = append(diags, more...)
			if !more.HasErrors() {
				all[name] = g
			}
		}
		val, more := v.value(all, opts.AllowUnset || m.unread || closed || v.command != nil)
		diags = append(diags, more...)
		secret := all[name].secret
		if v.sensitive || v.command != nil {
			secret = secretWhole
		}
		val = secret.mark(val)
		if v.ephemeral {
			val = val.Mark(Ephemeral)
		}
		values[name] = val
	}
	m.given = all
	return values, append(diags, m.deprecations(all)...)
}

// deprecations warns of values for variables that are no longer to be set.
func (m *Module) deprecations(all map[string]given) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range keys(all) {
		v, g := m.variables[name], all[name]
		if v.deprecated == "" {
			continue
		}
		subject := g.rng
		if subject == nil {
			subject = v.header.Ptr()
		}
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "Value for deprecated variable",
			Detail:   fmt.Sprintf("The variable %q, whose value %s is used, is deprecated: %s", name, g.source, v.deprecated),
			Subject:  subject,
		})
	}
	return diags
}

// take takes over the values of a file. One for a variable that is not
// declared is only worth a warning: files are shared between configurations.
func (m *Module) take(all map[string]given, f *varFile) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range keys(f.values) {
		g := f.values[name]
		if m.variables[name] == nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "Value for undeclared variable",
				Detail:   fmt.Sprintf("The configuration does not declare a variable %q, so its value in %s is not used.%s", name, f.name, suggestion(name, keys(m.variables))),
				Subject:  g.rng,
			})
			continue
		}
		all[name] = g
	}
	return diags
}

// value is the value of the variable, unknown of its type where there is none.
func (v *variable) value(all map[string]given, allowUnset bool) (cty.Value, hcl.Diagnostics) {
	g, ok := all[v.name]
	if !ok {
		switch {
		case v.def != cty.NilVal:
			return v.def, nil
		case allowUnset:
			return cty.UnknownVal(v.typ), nil
		}
		return cty.UnknownVal(v.typ), hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "No value for variable",
			Detail:   fmt.Sprintf("The variable %[1]q has no default, so it has to be set: with -var '%[1]s=…', in a file %[2]s, or as %[3]s%[1]s in the environment.", v.name, nameVars, EnvPrefix),
			Subject:  v.header.Ptr(),
		}}
	}
	val := g.value
	if g.isRaw {
		var diags hcl.Diagnostics
		if val, diags = v.parse(g); diags.HasErrors() {
			return cty.UnknownVal(v.typ), diags
		}
	}
	val, err := v.convert(val)
	if err == nil && val.IsNull() && !v.nullable {
		if v.def != cty.NilVal {
			return v.def, nil
		}
		err = fmt.Errorf("null is not allowed")
	}
	if err != nil {
		subject := g.rng
		if subject == nil {
			subject = v.header.Ptr()
		}
		return cty.UnknownVal(v.typ), hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid value for variable",
			Detail:   fmt.Sprintf("The value %s of the variable %q does not fit its type: %s.", g.source, v.name, g.conversionError(err)),
			Subject:  subject,
		}}
	}
	return val, nil
}

// conversionError words an error of a conversion. Where in a value that is secret
// as a whole something does not fit is secret too, and package cty names that.
func (g given) conversionError(err error) string {
	switch {
	case g.secret != secretWhole:
		return conversionError(err)
	case strings.Contains(err.Error(), `"`):
		return "where it does not is secret"
	}
	return err.Error()
}

// parse reads text from the command line or the environment: as it is for a
// variable of a primitive type or of none, as an expression for all others.
func (v *variable) parse(g given) (cty.Value, hcl.Diagnostics) {
	if !v.typed || v.typ.IsPrimitiveType() {
		return cty.StringVal(g.raw), nil
	}
	name := fmt.Sprintf("<value for var.%s>", v.name)
	invalid := func(why string) hcl.Diagnostics {
		if g.secret != notSecret || v.sensitive || v.ephemeral {
			why = "it is not shown, because it is sensitive."
		}
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid value for variable",
			Detail:   fmt.Sprintf("The value %s of the variable %q is not a valid expression for its type, %s: %s", g.source, v.name, typeWord(v.typ), why),
			Subject:  v.header.Ptr(),
		}}
	}
	if diags := nesting.Expression([]byte(g.raw), name, hcl.InitialPos); diags.HasErrors() {
		return cty.NilVal, invalid(diags[0].Detail)
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.raw), name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, invalid(diags[0].Detail)
	}
	val, diags := expr.Value(nil)
	switch {
	case diags.HasErrors() && len(expr.Variables()) > 0:
		return cty.NilVal, invalid("it has a bare word, which would be a reference. A text within it stands in quotation marks.")
	case diags.HasErrors():
		return cty.NilVal, invalid(diags[0].Detail)
	}
	return val, nil
}

// typeWord is a type in the words of its own language, as far as it is one word.
func typeWord(t cty.Type) string {
	if t == cty.DynamicPseudoType {
		return "any"
	}
	return t.FriendlyName()
}

// validate holds the variables to their validation blocks.
func (e *evaluator) validate() {
	for _, name := range keys(e.m.variables) {
		v := e.m.variables[name]
		for _, r := range v.rules {
			e.validateRule(v, r)
		}
	}
}

func (e *evaluator) validateRule(v *variable, r rule) {
	ctx := e.context(r.condition)
	result, diags := e.value(r.condition, ctx)
	if diags.HasErrors() {
		e.report(diags...)
		return
	}
	result, _ = result.UnmarkDeep()
	ok, err := toBool(result)
	if err != nil {
		e.report(&hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid condition",
			Detail:   fmt.Sprintf("The condition of a validation of the variable %q has to be true or false: %s.", v.name, err),
			Subject:  r.condition.Range().Ptr(),
		})
		return
	}
	if ok {
		return
	}
	text := e.message(r.message, e.context(r.message))
	subject := v.header
	if g := e.m.given[v.name]; g.rng != nil { // where it was set
		subject = *g.rng
	}
	if e.call != nil { // who gave it
		if a := e.call.attrs.named(v.name); a != nil {
			subject = a.expr.Range()
		}
	}
	e.report(&hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid value for variable",
		Detail:   fmt.Sprintf("%s\n\nThis was checked by the validation rule at %s.", text, r.condition.Range()),
		Subject:  &subject,
		Extra:    Failed{e.path.Prefix() + "var." + v.name},
	})
}
