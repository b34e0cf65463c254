package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

type blockID struct{ typ, name string }

// A block is one block of a file as it was written.
type block struct {
	typ    *schema.BlockType
	name   string // its label
	header hcl.Range
	body

	forEach, count *expression
	dependsOn      []dependency
	lifecycle      *lifecycle      // usual where the block says nothing
	eachAttrs      map[string]bool // attributes read of each.value anywhere in the block
}

// address is how the block is called in messages.
func (b *block) address() string {
	if b.name == "" {
		return b.typ.Type
	}
	return b.typ.Type + "." + b.name
}

// multiple reports whether the block has instances with keys.
func (b *block) multiple() bool { return b.forEach != nil || b.count != nil }

// A body is what stands between the braces of a block.
type body struct {
	attrs  attributes
	nested map[string][]*nested
	// each is what the content of a dynamic block calls its element.
	each string
}

// A nested block.
type nested struct {
	body
	header    hcl.Range
	generator *generator // of a dynamic block; else nil
}

// An attribute as it was written.
type attribute struct {
	schema *schema.Attribute
	expr   *expression
	// named are the providers of an attribute that names such.
	named     []providerRef
	nameRange hcl.Range
}

// Attributes are those that were written, in the order of the schema. There are
// few in a block, and very many blocks.
type attributes []attribute

// named finds an attribute; nil for one that was not written.
func (l attributes) named(name string) *attribute {
	for i := range l {
		if l[i].schema.Name == name {
			return &l[i]
		}
	}
	return nil
}

// A dependency is one element of depends_on.
type dependency struct {
	ref schema.Ref
	rng hcl.Range
}

type requirement struct {
	constraint string
	rng        hcl.Range
}

// fileSchema lists the blocks that a file can have.
var fileSchema = func() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, b := range schema.Blocks() {
		h := hcl.BlockHeaderSchema{Type: b.Type}
		if b.Label != "" {
			h.LabelNames = []string{b.Label}
		}
		if b.Type == blockData {
			h.LabelNames = append(h.LabelNames, "name")
		}
		s.Blocks = append(s.Blocks, h)
	}
	return s
}()

// decodeFile takes in what a file declares.
func (m *Module) decodeFile(file *hcl.File) hcl.Diagnostics {
	content, diags := contentOf(file.Body, fileSchema)
	for _, hb := range content.Blocks {
		if i := slices.IndexFunc(hb.Labels, func(l string) bool { return !isIdentifier(l) }); i >= 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid name",
				Detail:   fmt.Sprintf("The label %q of a %s block cannot be used in a reference. A name begins with a letter or an underscore, and holds letters, digits, underscores and hyphens.", hb.Labels[i], hb.Type),
				Subject:  hb.LabelRanges[i].Ptr(),
			})
			continue
		}
		switch hb.Type {
		case "mailform":
			diags = append(diags, m.decodeMailform(hb)...)
		case "variable":
			diags = append(diags, m.decodeVariable(hb)...)
		case "locals":
			diags = append(diags, m.decodeLocals(hb)...)
		case "output":
			diags = append(diags, m.decodeOutput(hb)...)
		case "moved":
			diags = append(diags, m.decodeMoved(hb)...)
		case "removed":
			diags = append(diags, m.decodeRemoved(hb)...)
		case "import":
			diags = append(diags, m.decodeImport(hb)...)
		case "check":
			diags = append(diags, m.decodeCheck(hb)...)
		case "provider":
			diags = append(diags, m.decodeProvider(hb)...)
		case blockData:
			diags = append(diags, m.decodeData(hb)...)
		case "module":
			diags = append(diags, m.decodeCall(hb)...)
		default:
			diags = append(diags, m.decodeBlock(hb, schema.BlockByType(hb.Type), hb.Labels[0])...)
		}
	}
	return diags
}

// isIdentifier is hclsyntax.ValidIdentifier, quick for names without letters of
// other scripts.
func isIdentifier(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c == '-' || c >= '0' && c <= '9'):
		case c < 0x80:
			return false
		default:
			return hclsyntax.ValidIdentifier(name)
		}
	}
	return name != ""
}

// decodeBlock takes in a block that describes something, or asks for it.
func (m *Module) decodeBlock(hb *hcl.Block, typ *schema.BlockType, name string) hcl.Diagnostics {
	b := &block{typ: typ, name: name, header: hb.DefRange, lifecycle: usual}
	content, diags := contentOf(hb.Body, schemas[typ])
	more := b.decode(content, typ.Attributes, typ.Blocks)
	diags = append(diags, more...)
	diags = append(diags, b.decodeMeta(content)...)

	id := blockID{b.typ.Type, b.name}
	if other := m.blocks[id]; other != nil {
		return append(diags, duplicate(fmt.Sprintf("A %s named %q", id.typ, id.name), other.header, hb.DefRange))
	}
	m.blocks[id] = b
	m.redact(b)
	return diags
}

func duplicate(what string, first, second hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Duplicate declaration",
		Detail:   fmt.Sprintf("%s is declared at %s already. Each name can be declared once.", what, first),
		Subject:  second.Ptr(),
	}
}

// Meta-arguments of blocks that describe something.
const (
	metaForEach   = "for_each"
	metaCount     = "count"
	metaDependsOn = "depends_on"
	metaLifecycle = "lifecycle"
)

// schemas holds what files can have in a block of a type. It is filled before
// anything is read, and only read then.
var schemas = func() map[*schema.BlockType]*hcl.BodySchema {
	m := map[*schema.BlockType]*hcl.BodySchema{}
	for _, t := range slices.Concat(schema.Blocks(), schema.DataSources()) {
		m[t] = bodySchema(t.Attributes, t.Blocks, t.Instances)
	}
	return m
}()

func bodySchema(attrs []schema.Attribute, blocks []schema.NestedBlock, meta bool) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for i := range attrs {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: attrs[i].Name, Required: attrs[i].Required})
	}
	for i := range blocks {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: blocks[i].Type})
	}
	if meta && len(blocks) > 0 {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: blockDynamic, LabelNames: []string{"type"}})
	}
	if meta {
		s.Attributes = append(s.Attributes,
			hcl.AttributeSchema{Name: metaForEach}, hcl.AttributeSchema{Name: metaCount}, hcl.AttributeSchema{Name: metaDependsOn})
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: metaLifecycle})
	}
	return s
}

// decode takes in attributes and nested blocks.
func (b *body) decode(content *hcl.BodyContent, attrs []schema.Attribute, blocks []schema.NestedBlock) hcl.Diagnostics {
	var diags hcl.Diagnostics
	b.attrs = make(attributes, 0, len(content.Attributes))
	for i := range attrs {
		s := &attrs[i]
		ha := content.Attributes[s.Name]
		if ha == nil {
			continue
		}
		a := attribute{schema: s, nameRange: ha.NameRange}
		var more hcl.Diagnostics
		a.expr, more = normalize(ha.Expr)
		diags = append(diags, more...)
		if s.Providers {
			a.named, more = namedProviders(a.expr)
			diags = append(diags, more...)
		} else {
			a.expr.shrink()
		}
		b.attrs = append(b.attrs, a)
	}
	for i := range blocks {
		s := &blocks[i]
		var found hcl.Blocks
		for _, hb := range content.Blocks {
			if hb.Type == s.Type || hb.Type == blockDynamic && hb.Labels[0] == s.Type {
				found = append(found, hb)
			}
		}
		if len(found) > 1 && !s.Repeatable {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Duplicate block",
				Detail:   fmt.Sprintf("The block %q can stand here once. There is one at %s already.", s.Type, found[0].DefRange),
				Subject:  found[1].DefRange.Ptr(),
			})
			found = found[:1]
		}
		for _, hb := range found {
			if b.nested == nil {
				b.nested = map[string][]*nested{}
			}
			if hb.Type == blockDynamic {
				n, more := decodeDynamic(hb, s)
				diags = append(diags, more...)
				b.nested[s.Type] = append(b.nested[s.Type], n)
				continue
			}
			n := &nested{header: hb.DefRange}
			inner, more := contentOf(hb.Body, bodySchema(s.Attributes, nil, false))
			diags = append(diags, more...)
			diags = append(diags, n.decode(inner, s.Attributes, nil)...)
			b.nested[s.Type] = append(b.nested[s.Type], n)
		}
	}
	for _, hb := range content.Blocks.OfType(blockDynamic) {
		var names []string
		known := false
		for i := range blocks {
			names = append(names, blocks[i].Type)
			known = known || blocks[i].Type == hb.Labels[0]
		}
		if !known {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unsupported block type",
				Detail:   fmt.Sprintf("Blocks of type %q are not expected here, so that none can be made.%s", hb.Labels[0], suggestion(hb.Labels[0], names)),
				Subject:  hb.LabelRanges[0].Ptr(),
			})
		}
	}
	return diags
}

func (m *Module) decodeMailform(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.BlockByType("mailform")
	allowed := bodySchema(typ.Attributes, typ.Blocks, false)
	allowed.Blocks = append(allowed.Blocks, backendHeader, encryptionHeader)
	content, diags := contentOf(hb.Body, allowed)
	for _, b := range content.Blocks {
		switch b.Type {
		case backendHeader.Type:
			diags = append(diags, m.decodeBackend(b)...)
		case "brakes":
			diags = append(diags, m.decodeBrakes(b)...)
		default:
			diags = append(diags, m.decodeEncryption(b)...)
		}
	}
	if a := content.Attributes["required_version"]; a != nil {
		var s string
		more := staticValue(a, cty.String, &s)
		diags = append(diags, more...)
		if s != "" && !more.HasErrors() {
			m.required = append(m.required, requirement{s, a.Expr.Range()})
		}
	}
	return diags
}

func (m *Module) decodeLocals(hb *hcl.Block) hcl.Diagnostics {
	attrs, diags := hb.Body.JustAttributes()
	for name, a := range attrs {
		if !hclsyntax.ValidIdentifier(name) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Invalid name",
				Detail:   fmt.Sprintf("The name %q of a local value cannot be used in a reference. A name begins with a letter or an underscore, and holds letters, digits, underscores and hyphens.", name),
				Subject:  a.NameRange.Ptr(),
			})
			continue
		}
		if other := m.locals[name]; other != nil {
			first, second := other.nameRange, a.NameRange
			if second.Filename == first.Filename && second.Start.Byte < first.Start.Byte {
				first, second = second, first
			}
			diags = append(diags, duplicate(fmt.Sprintf("A local value named %q", name), first, second))
			continue
		}
		expr, more := normalize(a.Expr)
		diags = append(diags, more...)
		m.locals[name] = &local{name: name, expr: expr, nameRange: a.NameRange}
	}
	return diags
}
