package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An Encryption says how the state and saved plans are encrypted. Its values are
// objects by the schema, and may be marked sensitive, and unknown under
// AllowUnset.
type Encryption struct {
	Value     cty.Value
	Fallbacks []cty.Value
	Range     hcl.Range
}

// encryptionHeader lets an encryption block stand in the block mailform.
var encryptionHeader = hcl.BlockHeaderSchema{Type: "encryption"}

func (m *Module) decodeEncryption(hb *hcl.Block) hcl.Diagnostics {
	typ := schema.Encryption()
	if m.encryption != nil {
		return hcl.Diagnostics{duplicate("A block encryption", m.encryption.header, hb.DefRange)}
	}
	content, diags := contentOf(hb.Body, bodySchema(typ.Attributes, typ.Blocks, false))
	b := &block{typ: typ, header: hb.DefRange}
	diags = append(diags, b.decode(content, typ.Attributes, typ.Blocks)...)
	m.redact(b)
	m.encryption = b
	return diags
}

// Encryption evaluates how the state is encrypted. It is nil where no block says
// it. Nothing else of the module has to be right for it.
func (m *Module) Encryption(opts Options) (*Encryption, hcl.Diagnostics) {
	b := m.encryption
	if b == nil {
		return nil, nil
	}
	e, diags := m.earlyEvaluator(opts)
	const of = "the block encryption"
	values, more := e.early(&b.body, b.typ.Attributes, slot{owner: of}, of)
	diags = append(diags, more...)
	out := &Encryption{Value: cty.ObjectVal(values), Range: b.header}
	for i := range b.typ.Blocks {
		nb := &b.typ.Blocks[i]
		for _, n := range b.nested[nb.Type] {
			values, more := e.early(&n.body, nb.Attributes, slot{owner: of, within: nb.Type}, of)
			diags = append(diags, more...)
			out.Fallbacks = append(out.Fallbacks, cty.ObjectVal(values))
		}
	}
	return out, sortDiagnostics(append(diags, e.diags...))
}

// HasEarly reports whether a block says where the state is kept or how it is
// encrypted, so that the files have to be right in that.
func (m *Module) HasEarly() bool { return m.backend != nil || m.encryption != nil }
