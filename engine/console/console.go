package console

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/config"
)

// Name is what diagnostics call the text that was typed.
const Name = "<console>"

// help is the answer to the word help.
const help = `Type an expression and see its value: user.alice.quota, length(local.staff),
[for u in user.staff : u.address], domain.example.

  type(EXPRESSION)  the type of a value
  exit              leaves, as Ctrl-D does

An open bracket goes on in the next line. Sensitive values are not shown.`

// A Console answers lines.
type Console struct {
	scope   *config.Scope
	pending strings.Builder
}

// An Answer is what there is to say to a line.
type Answer struct {
	Text string
	// Diags are about Source, the text that was evaluated, by the name [Name].
	Diags  hcl.Diagnostics
	Source string
	// More says that the expression goes on in the next line.
	More bool
	// Exit says that this is the end.
	Exit bool
}

// New makes a console for a description of a configuration.
func New(scope func(config.Extras) *config.Scope, values config.Extras) *Console {
	values.Functions = functions()
	return &Console{scope: scope(values)}
}

// Line answers a line.
func (c *Console) Line(line string) Answer {
	if c.pending.Len() == 0 {
		switch word := strings.TrimSpace(line); {
		case word == "" || strings.HasPrefix(word, "#") || strings.HasPrefix(word, "//"):
			return Answer{}
		case word == "exit" || word == "quit":
			return Answer{Exit: true}
		case word == "help":
			return Answer{Text: help}
		}
	}
	c.pending.WriteString(line + "\n")
	if open(c.pending.String()) {
		return Answer{More: true}
	}
	return c.End()
}

// End answers what is there of an expression whose end has not been read.
func (c *Console) End() Answer {
	src := c.pending.String()
	c.pending.Reset()
	if src == "" {
		return Answer{}
	}
	if src = strings.TrimRight(src, "\n"); strings.Contains(src, "\n") {
		src += "\n" // the end of a heredoc
	}
	a := Answer{Source: src}
	x, diags := config.Parse([]byte(src), Name)
	if a.Diags = diags; diags.HasErrors() {
		return a
	}
	v, diags := c.scope.Value(x)
	if a.Diags = append(a.Diags, diags...); diags.HasErrors() {
		return a
	}
	if ref, ok := config.AsRef(v); ok {
		if object, ok := c.scope.Object(ref); ok {
			a.Text = block(ref.String(), object)
			return a
		}
	}
	a.Text = Format(v)
	return a
}

// Drop forgets what is there of an expression.
func (c *Console) Drop() { c.pending.Reset() }

// open reports whether brackets or a heredoc wait for their end. What is no
// expression is not open.
func open(src string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(src), Name, hcl.InitialPos)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOHeredoc:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCHeredoc:
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth > 0
}
