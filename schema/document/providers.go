package document

import (
	"encoding/json"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Versions of the documents in Terraform's forms.
const (
	providersFormat = "1.0"
	functionsFormat = "1.0"
)

// ProviderName is what plans in JSON call a provider.
func ProviderName(name string) string { return "mailform/" + name }

type providersDocument struct {
	FormatVersion   string                     `json:"format_version"`
	ProviderSchemas map[string]*providerSchema `json:"provider_schemas"`
	Mailform        languageSchema             `json:"mailform"`
}

// A languageSchema is what Terraform's form has no place for.
type languageSchema struct {
	BlockTypes map[string]*schemaVersion `json:"block_types"`
}

type providerSchema struct {
	Provider          *schemaVersion            `json:"provider,omitempty"`
	ResourceSchemas   map[string]*schemaVersion `json:"resource_schemas,omitempty"`
	DataSourceSchemas map[string]*schemaVersion `json:"data_source_schemas,omitempty"`
}

type schemaVersion struct {
	Version int         `json:"version"`
	Block   schemaBlock `json:"block"`
}

type schemaBlock struct {
	Attributes      map[string]*schemaAttribute `json:"attributes,omitempty"`
	BlockTypes      map[string]*schemaNested    `json:"block_types,omitempty"`
	Description     string                      `json:"description,omitempty"`
	DescriptionKind string                      `json:"description_kind"`
}

type schemaNested struct {
	NestingMode string      `json:"nesting_mode"`
	Block       schemaBlock `json:"block"`
	MaxItems    int         `json:"max_items,omitempty"`
}

type schemaAttribute struct {
	Type            json.RawMessage `json:"type"`
	Description     string          `json:"description,omitempty"`
	DescriptionKind string          `json:"description_kind"`
	Required        bool            `json:"required,omitempty"`
	Optional        bool            `json:"optional,omitempty"`
	Computed        bool            `json:"computed,omitempty"`
	Sensitive       bool            `json:"sensitive,omitempty"`
}

const markdown = "markdown"

// Providers is the document of providers schema -json, indented: each provider
// with the kinds of resources that a plan speaks of, and under "mailform" the
// blocks that people write. names are the providers to describe; nil: all.
func Providers(names []string) ([]byte, error) {
	if names == nil {
		names = schema.Providers()
	}
	doc := providersDocument{FormatVersion: providersFormat, ProviderSchemas: map[string]*providerSchema{}}
	resources := map[string]*schemaVersion{}
	for _, k := range schema.Kinds() {
		resources[k.Name] = kind(k)
	}
	for _, name := range names {
		doc.ProviderSchemas[ProviderName(name)] = &providerSchema{
			Provider: version(schema.ProviderByName(name)), ResourceSchemas: resources,
		}
	}
	// Data blocks belong to no provider.
	data := map[string]*schemaVersion{}
	for _, d := range schema.DataSources() {
		data[d.Label] = version(d)
	}
	doc.ProviderSchemas[ProviderName("mailform")] = &providerSchema{DataSourceSchemas: data}
	doc.Mailform.BlockTypes = map[string]*schemaVersion{}
	for _, b := range schema.Blocks() {
		doc.Mailform.BlockTypes[b.Type] = version(b)
	}
	return indented(doc)
}

func version(b *schema.BlockType) *schemaVersion {
	out := schemaBlock{Description: b.Doc, DescriptionKind: markdown, Attributes: attributes(b.Attributes)}
	for _, c := range b.Computed {
		out.Attributes[c.Name] = &schemaAttribute{Type: typeOf(c.Type), Description: c.Doc, DescriptionKind: markdown, Computed: true}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		if out.BlockTypes == nil {
			out.BlockTypes = map[string]*schemaNested{}
		}
		one := &schemaNested{NestingMode: "single", MaxItems: 1}
		if n.Repeatable {
			one = &schemaNested{NestingMode: "list"}
		}
		one.Block = schemaBlock{Description: n.Doc, DescriptionKind: markdown, Attributes: attributes(n.Attributes)}
		out.BlockTypes[n.Type] = one
	}
	return &schemaVersion{Block: out}
}

func attributes(attrs []schema.Attribute) map[string]*schemaAttribute {
	out := make(map[string]*schemaAttribute, len(attrs))
	for i := range attrs {
		a := &attrs[i]
		out[a.Name] = &schemaAttribute{
			Type: typeOf(a.Type), Description: a.Doc, DescriptionKind: markdown,
			Required: a.Required, Optional: !a.Required, Sensitive: a.Sensitive,
		}
	}
	return out
}

func kind(k *schema.Kind) *schemaVersion {
	out := schemaBlock{Description: k.Doc, DescriptionKind: markdown, Attributes: map[string]*schemaAttribute{}}
	for _, a := range k.Attributes {
		out.Attributes[a.Name] = &schemaAttribute{
			Type: typeOf(a.Type), Description: a.Doc, DescriptionKind: markdown,
			Required: !a.Computed, Computed: a.Computed, Sensitive: a.Sensitive,
		}
	}
	return &schemaVersion{Block: out}
}

// typeOf writes a type in Terraform's form. A reference is a text there.
func typeOf(t cty.Type) json.RawMessage {
	switch {
	case t.Equals(schema.RefType):
		t = cty.String
	case t.IsListType() && t.ElementType().Equals(schema.RefType):
		t = cty.List(cty.String)
	}
	out, err := ctyjson.MarshalType(t)
	if err != nil { // a capsule, which only references are
		return json.RawMessage(`"dynamic"`)
	}
	return out
}
