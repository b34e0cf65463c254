package schema

import (
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A Function is one that expressions can call. What it does is written down in
// engine/config; a test holds the two together.
type Function struct {
	Name  string
	Group string // one of FunctionGroups
	Doc   string
	// Params as called; Variadic is what may follow any number of times, nil for
	// nothing.
	Params   []Parameter
	Variadic *Parameter
	// Returns is the type of the result, cty.DynamicPseudoType where it hangs on
	// the arguments.
	Returns cty.Type
	// Example is a call, and Result an expression that its result is equal to. Both
	// are empty where a result would say nothing out of its context.
	Example, Result string
	// Fields are the attributes of the object that is the only argument; nil for a
	// function that takes others.
	Fields []Attribute
	// ConsoleOnly functions are for looking at values, and not in files.
	ConsoleOnly bool

	signature string
}

// A Parameter of a function.
type Parameter struct {
	Name string
	Type cty.Type
}

// Signature is how the function is called: "cidrhost(prefix, hostnum)".
func (f *Function) Signature() string {
	var names []string
	for _, p := range f.Params {
		names = append(names, p.Name)
	}
	if f.Variadic != nil {
		names = append(names, f.Variadic.Name+"...")
	}
	return f.Name + "(" + strings.Join(names, ", ") + ")"
}

// The groups of functions, in the order of the documentation.
const (
	GroupMail       = "Mail"
	GroupText       = "Text"
	GroupNumber     = "Numbers"
	GroupCollection = "Collections"
	GroupEncoding   = "Encoding"
	GroupFile       = "Files"
	GroupDate       = "Dates and times"
	GroupHash       = "Hashes"
	GroupNetwork    = "Networks"
	GroupType       = "Types and errors"
)

// FunctionGroups returns the groups in the order of the documentation.
func FunctionGroups() []string {
	return []string{GroupMail, GroupText, GroupNumber, GroupCollection, GroupEncoding, GroupFile, GroupDate, GroupHash, GroupNetwork, GroupType}
}

// Functions returns all functions, by group and name.
func Functions() []*Function { return functions() }

// FunctionByName finds a function. It returns nil for a name that is none.
func FunctionByName(name string) *Function { return functionIndex()[name] }

var functions = sync.OnceValue(func() []*Function {
	var all []*Function
	for _, group := range FunctionGroups() {
		for _, f := range functionTable {
			if f.Group == group {
				all = append(all, f.parsed())
			}
		}
	}
	return all
})

var functionIndex = sync.OnceValue(func() map[string]*Function {
	index := map[string]*Function{}
	for _, f := range functions() {
		index[f.Name] = f
	}
	return index
})

// fn describes a function. The signature is "name(param type, others type...) type".
func fn(group, signature, doc, example, result string) *Function {
	return &Function{Group: group, signature: signature, Doc: doc, Example: example, Result: result}
}

// parsed is the function with what its signature says. A signature that cannot
// be read is a mistake in the table, which every test would meet.
func (f *Function) parsed() *Function {
	parsed := *f
	name, rest, _ := strings.Cut(f.signature, "(")
	end := strings.LastIndex(rest, ") ")
	if end < 0 {
		panic("schema: signature " + f.signature)
	}
	parsed.Name, parsed.Returns = name, parseTypeWord(rest[end+2:])
	for _, p := range splitParams(rest[:end]) {
		pname, ptype, _ := strings.Cut(p, " ")
		ptype, variadic := strings.CutSuffix(ptype, "...")
		param := Parameter{Name: pname, Type: parseTypeWord(ptype)}
		if variadic {
			parsed.Variadic = &param
			continue
		}
		parsed.Params = append(parsed.Params, param)
	}
	return &parsed
}

// splitParams cuts at commas that are not within the brackets of a type.
func splitParams(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	if last := strings.TrimSpace(s[start:]); last != "" {
		out = append(out, last)
	}
	return out
}

func parseTypeWord(s string) cty.Type {
	expr, diags := hclsyntax.ParseExpression([]byte(s), "", hcl.InitialPos)
	if diags.HasErrors() {
		panic(fmt.Sprintf("schema: type %s: %s", s, diags))
	}
	t, diags := typeexpr.TypeConstraint(expr)
	if diags.HasErrors() {
		panic(fmt.Sprintf("schema: type %s: %s", s, diags))
	}
	return t
}
