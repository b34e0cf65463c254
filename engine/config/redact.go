package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/schema"
)

// redact blanks out what is written as the value of a sensitive attribute, in
// the copy of the file that diagnostics show. An error about a password that was
// written in plain text, or about its neighbour on the same line, must not show it.
func (m *Module) redact(b *block) { m.redactBody(&b.body) }

func (m *Module) redactBody(b *body) {
	for i := range b.attrs {
		a := &b.attrs[i]
		if a.schema.Sensitive {
			m.blank(a.expr)
		}
	}
	for _, list := range b.nested {
		for _, n := range list {
			m.redactBody(&n.body)
		}
	}
}

// blank notes the literal parts of an expression as what is not to be shown.
func (m *Module) blank(e hclsyntax.Expression) {
	// The walk finds nothing to say.
	_ = hclsyntax.VisitAll(unwrapped(e), func(n hclsyntax.Node) hcl.Diagnostics {
		switch n.(type) {
		case *hclsyntax.LiteralValueExpr, *hclsyntax.TemplateExpr:
			r := n.Range()
			if t := m.texts[r.Filename]; t != nil {
				t.secrets = append(t.secrets, span{uint32(r.Start.Byte), uint32(max(r.Start.Byte, r.End.Byte))}) // see maxFile
			}
		}
		return nil
	})
}

// A span is a part of a text, in bytes.
type span struct{ from, to uint32 }

// blanked is the text as it is shown, with asterisks in place of secrets, and of
// password hashes wherever they stand. Line breaks stay, so that positions do.
func (t *text) blanked() []byte {
	src := t.bytes
	if t.shown != nil {
		src = t.shown
	}
	secrets := t.secrets
	for _, at := range schema.PasswordHashes(string(src)) {
		secrets = append(secrets[:len(secrets):len(secrets)], span{uint32(at[0]), uint32(at[1])}) // see maxFile
	}
	if len(secrets) == 0 {
		return src
	}
	src = bytes.Clone(src)
	for _, s := range secrets {
		if int(s.to) > len(src) {
			continue
		}
		for i := s.from; i < s.to; i++ {
			if c := src[i]; c != '\n' && c != '\r' && c != '"' {
				src[i] = '*'
			}
		}
	}
	return src
}

// secretLine finds the value of a sensitive attribute in text that did not
// parse, up to the end of its line.
var secretLine = func() *regexp.Regexp {
	var names []string
	add := func(attrs []schema.Attribute) {
		for _, a := range attrs {
			if a.Sensitive && !slices.Contains(names, regexp.QuoteMeta(a.Name)) {
				names = append(names, regexp.QuoteMeta(a.Name))
			}
		}
	}
	types := slices.Concat(schema.Blocks(), schema.Backends())
	for _, name := range schema.Providers() {
		types = append(types, schema.ProviderByName(name))
	}
	for _, b := range types {
		add(b.Attributes)
		for _, n := range b.Blocks {
			add(n.Attributes)
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
