package schema

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// A BlockType describes one sort of block of the language. It is written down
// here once; the loader, the evaluator and the reference documentation all
// follow it.
type BlockType struct {
	Type string // the word that a block begins with: "domain"
	// Label says what the block's label is; empty for a block without one.
	Label string
	Doc   string
	// Example is a complete block, for the documentation.
	Example    string
	Attributes []Attribute
	Blocks     []NestedBlock
	// Parts are what a reference can name of the block beyond the block itself:
	// domain.example.zone. A part is an identity, never an evaluation dependency.
	Parts []Part
	// Computed attributes are never written, only read: domain.example.dkim_txt.
	Computed []ComputedAttribute
	// Instances is set for blocks that describe something. They have an address,
	// can be referred to, and take for_each, count, depends_on and lifecycle.
	Instances bool
	// Keeps are the kinds of resources, of a provider, that are there before
	// mailform and stay after it: it takes them over and changes them, but cannot
	// make them or take them away.
	Keeps []string
	// Holds says of the kinds that a provider takes how its system holds each of
	// their attributes. Nil for a provider that holds all as they are.
	Holds []Holding
}

// A Holding says how a system holds an attribute of a kind, or why it cannot.
type Holding struct {
	// Attribute is a kind with one of its attributes: "mailbox.quota".
	Attribute string
	// As is the native setting, in Markdown.
	As string
	// Refuses says why the system cannot hold a value, as the rest of a sentence
	// that begins with the provider's name; empty: it can. Nil: it can hold all.
	// It is asked for known values only, and quotes none that is sensitive.
	Refuses func(cty.Value) string
}

// Names are the kind and its attribute.
func (h *Holding) Names() (kind, attribute string) {
	kind, attribute, _ = strings.Cut(h.Attribute, ".")
	return kind, attribute
}

// Holding finds what a provider says of an attribute of a kind; nil: nothing.
func (b *BlockType) Holding(kind, attribute string) *Holding {
	for i := range b.Holds {
		if b.Holds[i].Attribute == kind+"."+attribute {
			return &b.Holds[i]
		}
	}
	return nil
}

// A NestedBlock is a block within a block.
type NestedBlock struct {
	Type string
	Doc  string
	// Repeatable blocks may stand any number of times: a list in the value of the
	// block around it. Others stand once or not at all: an object or null.
	Repeatable bool
	Attributes []Attribute
}

// An Attribute is one argument of a block.
type Attribute struct {
	Name string
	Doc  string
	// Type of the evaluated value. An attribute that takes a reference has
	// [RefType]. One that takes addresses and references has
	// cty.DynamicPseudoType, see Target.
	Type     cty.Type
	Required bool
	// Sensitive values are never shown, and marked once evaluated.
	Sensitive bool
	// Default is what the attribute is where it is left out or null. cty.NilVal:
	// it has none and stays null; Doc then says what that means.
	Default cty.Value
	// Form is what a value has to look like beyond its type. In a list it is the
	// form of each element.
	Form *Form
	// NonEmpty refuses a list without elements.
	NonEmpty bool
	// OrOne takes a single value in place of a list of one.
	OrOne bool
	// Refs are what a reference may name: block types ("server") or parts of them
	// ("domain.zone"). Empty for an attribute that takes no reference.
	Refs []string
	// Target marks an attribute that takes an address as well as a reference to
	// what has one. The value is then of type string or RefType; with TargetList
	// it is a tuple whose elements are each of type string or RefType.
	Target Target
	// Providers marks the attribute that names providers by bare words:
	// [postfix, dovecot], embedded.second. The value is a list of targets as
	// strings, in the order written.
	Providers bool
	// Sets are the attributes of kinds ("mailbox.quota") that the value decides and
	// nothing beyond: lifecycle.ignore_changes can name the attribute. Empty where
	// the value also says which things there are.
	Sets []string
	// Static attributes are read before anything is evaluated: they hold no
	// references.
	Static bool
}

// Target says whether an attribute takes mail addresses beside references.
type Target int

// The values of Target.
const (
	NoTarget Target = iota
	OneTarget
	TargetList
)

// A Part is an identity below that of a block.
type Part struct {
	Name string
	Doc  string
}

// A ComputedAttribute is decided by mailform or born in apply.
type ComputedAttribute struct {
	Name string
	Doc  string
	Type cty.Type
	// OutputOnly attributes are made of everything else in the configuration, so
	// that only an output may read them.
	OutputOnly bool
	// Derived attributes follow from the block's own attributes during evaluation,
	// those of a data block by looking up what these ask for. Others come out of
	// expansion and apply, and are unknown before.
	Derived bool
}

// Blocks returns all block types in the order in which they are documented.
func Blocks() []*BlockType { return blocks }

// BlockByType finds a block type. It returns nil for a name that is none.
func BlockByType(name string) *BlockType {
	for _, b := range blocks {
		if b.Type == name {
			return b
		}
	}
	return nil
}

// DefaultProvider is the target of blocks that name none.
const DefaultProvider = "embedded"

// Providers returns the names of the providers that can be configured.
func Providers() []string {
	names := make([]string, 0, len(providers))
	for _, p := range providers {
		names = append(names, p.Label)
	}
	return names
}

// ProviderByName describes the provider block with a label. It returns nil for
// a name that is none.
func ProviderByName(name string) *BlockType {
	for _, p := range providers {
		if p.Label == name {
			return p
		}
	}
	return nil
}

// Keeps reports whether the provider of a target finds resources of a kind and
// leaves them where they are: see BlockType.Keeps.
func Keeps(target, kind string) bool {
	name, _, _ := strings.Cut(target, ".")
	p := ProviderByName(name)
	return p != nil && slices.Contains(p.Keeps, kind)
}

// ImpliedType is the object type of an evaluated block.
func (b *BlockType) ImpliedType() cty.Type {
	types := attributeTypes(b.Attributes)
	for i := range b.Blocks {
		n := &b.Blocks[i]
		types[n.Type] = n.ImpliedType()
		if n.Repeatable {
			types[n.Type] = cty.List(n.ImpliedType())
		}
	}
	return cty.Object(types)
}

// ImpliedType is the object type of one evaluated nested block.
func (n *NestedBlock) ImpliedType() cty.Type {
	return cty.Object(attributeTypes(n.Attributes))
}

func attributeTypes(attrs []Attribute) map[string]cty.Type {
	types := make(map[string]cty.Type, len(attrs))
	for i := range attrs {
		types[attrs[i].Name] = attrs[i].Type
	}
	return types
}

// Attribute finds an attribute. It returns nil for a name that is none.
func (b *BlockType) Attribute(name string) *Attribute {
	for i := range b.Attributes {
		if b.Attributes[i].Name == name {
			return &b.Attributes[i]
		}
	}
	return nil
}

// Block finds a nested block. It returns nil for a name that is none.
func (b *BlockType) Block(name string) *NestedBlock {
	for i := range b.Blocks {
		if b.Blocks[i].Type == name {
			return &b.Blocks[i]
		}
	}
	return nil
}

// Attribute finds an attribute. It returns nil for a name that is none.
func (n *NestedBlock) Attribute(name string) *Attribute {
	for i := range n.Attributes {
		if n.Attributes[i].Name == name {
			return &n.Attributes[i]
		}
	}
	return nil
}

// ComputedAttribute finds a computed attribute. It returns nil for a name that
// is none.
func (b *BlockType) ComputedAttribute(name string) *ComputedAttribute {
	for i := range b.Computed {
		if b.Computed[i].Name == name {
			return &b.Computed[i]
		}
	}
	return nil
}

// HasPart reports whether a reference can name that part of the block.
func (b *BlockType) HasPart(name string) bool {
	for _, p := range b.Parts {
		if p.Name == name {
			return true
		}
	}
	return false
}
