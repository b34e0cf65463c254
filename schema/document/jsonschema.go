package document

import (
	"encoding/json"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// SchemaID is what the JSON Schema of configuration files is called.
const SchemaID = "https://github.com/mailform/mailform/docs/schema/mailform.schema.json"

// A node is a part of a JSON Schema.
type node map[string]any

// Names of definitions that many others are made of.
const (
	expression = "expression" // a text that is a template with something in it
	reference  = "reference"
)

func ref(name string) node { return node{"$ref": "#/$defs/" + name} }

// JSONSchema is a JSON Schema (draft 2020-12) of files in JSON syntax,
// *.mf.hcl.json, as indented text.
func JSONSchema() ([]byte, error) {
	defs := node{
		expression: node{
			"description": "An expression in a text: \"${var.name}\".",
			"type":        "string", "pattern": `[$%]\{`,
		},
		reference: node{
			"description": "A reference to a block: \"${user.alice}\".",
			"type":        "string", "pattern": `\$\{`,
		},
		"condition": node{"type": "object", "required": []string{"condition", "error_message"}, "additionalProperties": false, "properties": node{
			"condition": orExpression(node{"type": "boolean"}), "error_message": node{"type": "string"}, "//": node{},
		}},
	}
	defs["lifecycle"] = lifecycle()
	properties := node{"//": node{"description": "A comment."}}
	for _, b := range schema.Blocks() {
		properties[b.Type] = topBlock(defs, b)
	}
	return indented(node{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"$id":                  SchemaID,
		"title":                "A file of a mailform configuration in JSON syntax (*.mf.hcl.json)",
		"description":          "Made from the package schema; make generate writes it anew.",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
		"$defs":                defs,
	})
}

func indented(v any) ([]byte, error) {
	out, err := json.MarshalIndent(v, "", "  ")
	return append(out, '\n'), err
}

// topBlock is what stands behind the type of a block at the top of a file. It
// defines the block itself.
func topBlock(defs node, b *schema.BlockType) node {
	switch b.Type {
	case "provider":
		return labelled(variants(defs, "provider", schema.Providers(), schema.ProviderByName))
	case "data":
		var names []string
		for _, d := range schema.DataSources() {
			names = append(names, d.Label)
		}
		named := node{}
		for _, name := range names {
			d := schema.DataSourceByName(name)
			defs["data_"+name] = block(defs, d)
			named[name] = labelled(anyName("data_" + name))
		}
		return labelled(node{"type": "object", "properties": named, "additionalProperties": false})
	}
	defs[b.Type] = block(defs, b)
	if b.Label == "" {
		return list(ref(b.Type))
	}
	return labelled(anyName(b.Type))
}

// list is a block, or several of them.
func list(one node) node {
	return node{"anyOf": []node{one, {"type": "array", "items": one}}}
}

// labelled is an object with a property for each label, or several of them.
func labelled(one node) node { return list(one) }

// anyName is an object whose properties are labels that people choose.
func anyName(def string) node {
	return node{
		"type":                 "object",
		"propertyNames":        node{"pattern": `^([A-Za-z_][A-Za-z0-9_-]*|//)$`},
		"additionalProperties": list(ref(def)),
	}
}

// variants is an object whose properties are labels out of a few.
func variants(defs node, prefix string, names []string, find func(string) *schema.BlockType) node {
	properties := node{}
	for _, name := range names {
		def := prefix + "_" + name
		defs[def] = block(defs, find(name))
		properties[name] = list(ref(def))
	}
	return node{"type": "object", "properties": properties, "additionalProperties": false}
}

// block is what stands between the braces of a block.
func block(defs node, b *schema.BlockType) node {
	properties := node{"//": node{}}
	required := arguments(properties, b.Attributes)
	out := node{"description": b.Doc, "type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	dynamic := node{}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		def := strings.ReplaceAll(b.Type, ".", "_") + "_block_" + n.Type
		if b.Type == "provider" { // each has blocks of its own
			def = "provider_" + b.Label + "_block_" + n.Type
		}
		defs[def] = nested(n)
		one := ref(def)
		properties[n.Type] = list(one)
		if !n.Repeatable {
			properties[n.Type] = node{"anyOf": []node{one, {"type": "array", "items": one, "maxItems": 1}}}
		}
		dynamic[n.Type] = list(node{"type": "object", "required": []string{"for_each", "content"}, "additionalProperties": false, "properties": node{
			"for_each": node{}, "iterator": node{"type": "string"}, "content": one, "//": node{},
		}})
	}
	if b.Instances {
		meta(properties)
		if len(dynamic) > 0 {
			properties["dynamic"] = list(node{"type": "object", "properties": dynamic, "additionalProperties": false})
		}
	}
	switch b.Type {
	case "locals", "module": // arguments of any name
		out["additionalProperties"] = true
	case "provider":
		properties["for_each"] = node{"description": "A map, an object or a set of strings: one provider for each element, named by the alias and the key."}
	case "mailform":
		var names []string
		for _, b := range schema.Backends() {
			names = append(names, b.Label)
		}
		properties["backend"] = list(variants(defs, "backend", names, schema.BackendByName))
		defs["encryption"] = block(defs, schema.Encryption())
		properties["encryption"] = list(ref("encryption"))
	}
	return out
}

func nested(n *schema.NestedBlock) node {
	properties := node{"//": node{}}
	out := node{"description": n.Doc, "type": "object", "properties": properties, "additionalProperties": false}
	if required := arguments(properties, n.Attributes); len(required) > 0 {
		out["required"] = required
	}
	return out
}

// meta are the arguments that every block with instances takes.
func meta(properties node) {
	properties["for_each"] = node{"description": "A map, an object or a set of strings: one instance for each element."}
	properties["count"] = orExpression(node{"type": "integer", "minimum": 0})
	properties["depends_on"] = node{"type": "array", "items": node{"type": "string"}}
	properties["lifecycle"] = list(ref("lifecycle"))
}

// lifecycle is how any block with instances is dealt with.
func lifecycle() node {
	return node{"type": "object", "additionalProperties": false, "properties": node{
		"prevent_destroy": node{"type": "boolean"},
		"enabled":         orExpression(node{"type": "boolean"}),
		"ignore_changes":  node{"anyOf": []node{{"enum": []string{"all", "${all}"}}, {"type": "array", "items": node{"type": "string"}}}},
		"precondition":    list(ref("condition")),
		"postcondition":   list(ref("condition")),
		"//":              node{},
	}}
}

// arguments adds the properties of attributes, and returns the names of those
// that have to be there.
func arguments(properties node, attrs []schema.Attribute) []string {
	var required []string
	for i := range attrs {
		a := &attrs[i]
		if a.Required {
			required = append(required, a.Name)
		}
		v := argument(a)
		if a.Doc != "" {
			v["description"] = a.Doc
		}
		if a.Default != cty.NilVal && !a.Default.IsNull() && a.Default.Type().IsPrimitiveType() {
			v["default"] = primitive(a.Default)
		}
		properties[a.Name] = v
	}
	return required
}

func primitive(v cty.Value) any {
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Bool:
		return v.True()
	default:
		return json.Number(v.AsBigFloat().Text('f', -1))
	}
}

// argument is what stands behind the name of an attribute. Whatever may be left
// out may be null.
func argument(a *schema.Attribute) node {
	var options []node
	switch {
	case a.Providers:
		name := node{"type": "string"}
		options = []node{name, {"type": "array", "items": name, "minItems": 1}}
	case a.Target == schema.TargetList:
		options = []node{ref(expression), {"type": "array", "items": node{"type": "string"}}}
		if a.OrOne {
			options[0] = node{"type": "string"}
		}
	case a.Target == schema.OneTarget:
		options = []node{{"type": "string"}}
	case a.Type.IsListType() && len(a.Refs) > 0:
		options = []node{ref(expression), {"type": "array", "items": ref(reference)}}
	case len(a.Refs) > 0:
		options = []node{ref(reference)}
	case a.Type == cty.DynamicPseudoType:
		return node{}
	default:
		options = typed(a)
	}
	if !a.Required {
		options = append(options, node{"type": "null"})
	}
	if len(options) == 1 {
		return options[0]
	}
	return node{"anyOf": options}
}

func orExpression(one node) node { return node{"anyOf": []node{one, ref(expression)}} }

// typed is a value of a type, in the form of an attribute.
func typed(a *schema.Attribute) []node {
	element := a.Type
	if a.Type.IsListType() {
		element = a.Type.ElementType()
	}
	one := single(element)
	if a.Form != nil && len(a.Form.Words) > 0 {
		one = node{"enum": a.Form.Words}
	}
	if !a.Type.IsListType() {
		if a.Static || element == cty.String && (a.Form == nil || len(a.Form.Words) == 0) {
			return []node{one}
		}
		return []node{one, ref(expression)}
	}
	items := one
	if element != cty.String || a.Form != nil && len(a.Form.Words) > 0 {
		items = orExpression(one)
	}
	all := node{"type": "array", "items": items}
	if a.NonEmpty {
		all["minItems"] = 1
	}
	out := []node{all, ref(expression)}
	if a.OrOne {
		out = append(out, one)
	}
	return out
}

// single is a value of a primitive type, or of another one that is not looked
// into.
func single(t cty.Type) node {
	switch t {
	case cty.String:
		// What is no text becomes one.
		return node{"type": []string{"string", "number", "boolean"}}
	case cty.Number:
		return node{"anyOf": []node{{"type": "number"}, {"type": "string", "pattern": `^-?[0-9]+(\.[0-9]+)?$`}}}
	case cty.Bool:
		return node{"enum": []any{true, false, "true", "false"}}
	}
	if t.IsMapType() || t.IsObjectType() {
		return node{"type": []string{"object", "string"}}
	}
	return node{}
}
