// Package nesting refuses text that would take a recursive parser too deep.
//
// The parsers of HCL and the evaluation of its expressions descend by
// recursion without a limit, and a Go stack that overflows ends the process.
// So everything is looked at before it is parsed: how deep brackets nest, how
// many operators one expression chains, and how large its numbers are.
package nesting

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits far beyond what anybody writes, and far below what a stack holds.
const (
	maxDepth = 100  // brackets, blocks and templates within one another
	maxChain = 1000 // operators, indexes and attributes in one expression

	maxNumber   = 100 // digits of a number
	maxExponent = 300 // in 1e300
)

// Config checks the text of a configuration file, or of a part of it.
func Config(src []byte, filename string, start hcl.Pos) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexConfig(src, filename, start) // the parser reports what does not lex
	return check(tokens)
}

// Expression checks the text of an expression.
func Expression(src []byte, filename string, start hcl.Pos) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexExpression(src, filename, start)
	return check(tokens)
}

// Template checks the text of a template.
func Template(src []byte, filename string, start hcl.Pos) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexTemplate(src, filename, start)
	return check(tokens)
}

// A level is an open bracket and what has been chained within it.
type level struct {
	open  hclsyntax.TokenType
	chain int
}

func check(tokens hclsyntax.Tokens) hcl.Diagnostics {
	levels := []level{{open: hclsyntax.TokenOBrace}}
	for _, t := range tokens {
		top := &levels[len(levels)-1]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			// An index is a link of a chain as well, and so is each %{ if }.
			if t.Type == hclsyntax.TokenOBrack || t.Type == hclsyntax.TokenTemplateControl {
				top.chain++
			}
			if top.chain > maxChain || len(levels) > maxDepth {
				return tooDeep(t.Range)
			}
			levels = append(levels, level{open: t.Type})
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			if len(levels) > 1 {
				levels = levels[:len(levels)-1]
			}
		case hclsyntax.TokenComma:
			top.chain = 0
		case hclsyntax.TokenNewline:
			if top.open == hclsyntax.TokenOBrace {
				top.chain = 0
			}
		case hclsyntax.TokenNumberLit:
			if !number(string(t.Bytes)) {
				return hcl.Diagnostics{{
					Severity: hcl.DiagError,
					Summary:  "Number out of range",
					Detail:   fmt.Sprintf("Numbers can have up to %d digits and exponents up to %d.", maxNumber, maxExponent),
					Subject:  t.Range.Ptr(),
				}}
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenComment, hclsyntax.TokenEOF:
		default: // operators and dots
			if top.chain++; top.chain > maxChain {
				return tooDeep(t.Range)
			}
		}
	}
	return nil
}

func tooDeep(at hcl.Range) hcl.Diagnostics {
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Expression too deep",
		Detail:   fmt.Sprintf("Brackets, blocks and templates can nest %d levels deep, and one expression can chain %d operators. Take it apart with locals.", maxDepth, maxChain),
		Subject:  at.Ptr(),
	}}
}

// number reports whether a number is of a size that can be computed with.
func number(s string) bool {
	digits, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	if len(digits) > maxNumber {
		return false
	}
	if exponent == "" {
		return true
	}
	n, err := strconv.Atoi(exponent)
	return err == nil && n >= -maxExponent && n <= maxExponent
}

// JSON checks JSON text. Templates within its strings are not looked at.
func JSON(src []byte, filename string) hcl.Diagnostics {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			// As the scanner has it: a control character ends a string too.
			for i++; i < len(src) && src[i] != '"' && src[i] >= ' '; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return tooDeep(position(src, filename, i, 1))
			}
		case c == ']' || c == '}':
			depth--
		case c >= '0' && c <= '9':
			n := i + 1
			for n < len(src) && strings.IndexByte("0123456789.eE+-", src[n]) >= 0 {
				n++
			}
			if !number(string(src[i:n])) {
				return hcl.Diagnostics{{
					Severity: hcl.DiagError,
					Summary:  "Number out of range",
					Detail:   fmt.Sprintf("Numbers can have up to %d digits and exponents up to %d.", maxNumber, maxExponent),
					Subject:  position(src, filename, i, n-i).Ptr(),
				}}
			}
			i = n - 1
		}
	}
	return nil
}

// position makes a range of n bytes on one line.
func position(src []byte, filename string, at, n int) hcl.Range {
	line := 1 + strings.Count(string(src[:at]), "\n")
	column := at - strings.LastIndexByte(string(src[:at]), '\n')
	return hcl.Range{
		Filename: filename,
		Start:    hcl.Pos{Line: line, Column: column, Byte: at},
		End:      hcl.Pos{Line: line, Column: column + n, Byte: at + n},
	}
}
