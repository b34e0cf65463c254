package config

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
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

// secretLine finds the value of a sensitive attribute in text that did not
// parse, up to the end of its line.
var secretLine = func() *regexp.Regexp {
	var names []string
	for _, b := range schema.Blocks() {
		for _, a := range b.Attributes {
			if a.Sensitive {
				names = append(names, regexp.QuoteMeta(a.Name))
			}
		}
	}
	return regexp.MustCompile(`\b(?:` + strings.Join(names, "|") + `)"?[ \t]*[=:]([^\n]*)`)
}()

// blankLines overwrites what may be secrets in a file with syntax errors, whose
// expressions cannot be told apart for certain.
func blankLines(src []byte) []byte {
	var out []byte
	for _, at := range secretLine.FindAllSubmatchIndex(src, -1) {
		if out == nil {
			out = bytes.Clone(src)
		}
		for i := at[2]; i < at[3]; i++ {
			if c := out[i]; c != ' ' && c != '\t' && c != '\r' && c != '"' {
				out[i] = '*'
			}
		}
	}
	if out == nil {
		return src
	}
	return out
}

// unwrapped is the native expression itself, which the walk of package
// hclsyntax knows.
func unwrapped(e hclsyntax.Expression) hclsyntax.Expression {
	if x, ok := e.(*expression); ok {
		return x.Expression
	}
	return e
}
