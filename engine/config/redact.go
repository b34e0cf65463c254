package config

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// redact blanks out what is written as the value of a sensitive attribute, in
// the copy of the file that diagnostics show. An error about a password that was
// written in plain text, or about its neighbour on the same line, must not show it.
func (m *Module) redact(b *block) {
	for _, a := range b.attrs {
		if a.schema.Sensitive {
			m.blank(a.expr)
		}
	}
}

// blank overwrites the literal parts of an expression with asterisks. Line
// breaks stay, so that positions do.
func (m *Module) blank(e hclsyntax.Expression) {
	// The walk finds nothing to say.
	_ = hclsyntax.VisitAll(unwrapped(e), func(n hclsyntax.Node) hcl.Diagnostics {
		switch n.(type) {
		case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr:
		default:
			return nil
		}
		r := n.Range()
		file := m.files[r.Filename]
		if file == nil || r.End.Byte > len(file.Bytes) || r.Start.Byte >= r.End.Byte {
			return nil
		}
		src := bytes.Clone(file.Bytes)
		for i := r.Start.Byte; i < r.End.Byte; i++ {
			if c := src[i]; c != '\n' && c != '\r' && c != '"' {
				src[i] = '*'
			}
		}
		shown := *file
		shown.Bytes = src
		m.files[r.Filename] = &shown
		return nil
	})
}

// unwrapped is the native expression itself, which the walk of package
// hclsyntax knows.
func unwrapped(e hclsyntax.Expression) hclsyntax.Expression {
	if x, ok := e.(*expression); ok {
		return x.Expression
	}
	return e
}
