package sieve

import (
	"strings"
	"unicode/utf8"
)

// Bounds of what a script consists of.
const (
	maxDepth    = 32 // blocks and tests within each other
	maxCommands = 5000
	maxList     = 2000 // strings of one list
)

// An argument is one value that a command or a test was given.
type argument struct {
	pos    Pos
	kind   argumentKind
	tag    string
	number uint64
	list   []string // of a string, too: then it has one
}

type argumentKind int

const (
	argTag argumentKind = iota
	argNumber
	argString
	argList
)

func (k argumentKind) String() string {
	return [...]string{"a tag", "a number", "a string", "a list of strings"}[k]
}

// A node is a command or a test as it is written.
type node struct {
	name  string
	pos   Pos
	args  []argument
	tests []*node
	// parens: the tests stand in parentheses.
	parens bool
	block  []*node
	// braces: there is a block, if an empty one.
	braces bool
}

// A parser knows the grammar, not the words (RFC 5228 §8.2).
type parser struct {
	lexer lexer
	tok   token
	count int
}

// parse reads a script into its commands.
func parse(text string) ([]*node, *Error) {
	start := Pos{1, 1}
	if len(text) > MaxScript {
		return nil, errorf(start, "the script is longer than %d bytes", MaxScript)
	}
	if !utf8.ValidString(text) {
		return nil, errorf(start, "the script is not UTF-8")
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, errorf(start, "the script has a NUL in it")
	}
	p := &parser{lexer: lexer{rest: text, pos: start}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	nodes, err := p.commands(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, errorf(p.tok.pos, "%s stands where a command was expected", p.tok.describe())
	}
	return nodes, nil
}

func (p *parser) advance() (err *Error) {
	p.tok, err = p.lexer.next()
	return err
}

func (p *parser) at(sign string) bool { return p.tok.kind == tokenSign && p.tok.text == sign }

func (p *parser) commands(depth int) (list []*node, err *Error) {
	for p.tok.kind == tokenIdentifier {
		n, err := p.node(depth)
		if err != nil {
			return nil, err
		}
		switch {
		case p.at(";"):
		case p.at("{"):
			n.braces = true
			if err := p.advance(); err != nil {
				return nil, err
			}
			if n.block, err = p.commands(depth + 1); err != nil {
				return nil, err
			}
			if !p.at("}") {
				return nil, errorf(p.tok.pos, "%s stands where a command or \"}\" was expected", p.tok.describe())
			}
		default:
			return nil, errorf(p.tok.pos, "%s stands where the command %q was to end: a \";\" may be missing before it", p.tok.describe(), n.name)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// node reads a name with its arguments and tests.
func (p *parser) node(depth int) (*node, *Error) {
	n := &node{name: p.tok.text, pos: p.tok.pos}
	if depth > maxDepth {
		return nil, errorf(n.pos, "this is nested deeper than %d levels", maxDepth)
	}
	if p.count++; p.count > maxCommands {
		return nil, errorf(n.pos, "the script has more than %d commands and tests", maxCommands)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for {
		a := argument{pos: p.tok.pos, tag: p.tok.text, number: p.tok.number}
		switch {
		case p.tok.kind == tokenTag:
			a.kind = argTag
		case p.tok.kind == tokenNumber:
			a.kind = argNumber
		case p.tok.kind == tokenString:
			a.kind, a.list = argString, []string{p.tok.text}
		case p.at("["):
			a.kind = argList
			var err *Error
			if a.list, err = p.list(); err != nil {
				return nil, err
			}
		default:
			return n, p.testsOf(n, depth)
		}
		n.args = append(n.args, a)
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// list reads the strings of a list, up to its bracket.
func (p *parser) list() (list []string, err *Error) {
	for {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.tok.kind != tokenString {
			return nil, errorf(p.tok.pos, "%s stands in a list of strings", p.tok.describe())
		}
		if list = append(list, p.tok.text); len(list) > maxList {
			return nil, errorf(p.tok.pos, "the list has more than %d strings", maxList)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.at("]") {
			return list, nil
		}
		if !p.at(",") {
			return nil, errorf(p.tok.pos, "%s stands where \",\" or \"]\" was expected", p.tok.describe())
		}
	}
}

// testsOf reads what tests follow the arguments.
func (p *parser) testsOf(n *node, depth int) *Error {
	if p.tok.kind == tokenIdentifier {
		t, err := p.node(depth + 1)
		n.tests = []*node{t}
		return err
	}
	if !p.at("(") {
		return nil
	}
	n.parens = true
	for {
		if err := p.advance(); err != nil {
			return err
		}
		if p.tok.kind != tokenIdentifier {
			return errorf(p.tok.pos, "%s stands where a test was expected", p.tok.describe())
		}
		t, err := p.node(depth + 1)
		if err != nil {
			return err
		}
		n.tests = append(n.tests, t)
		if p.at(")") {
			return p.advance()
		}
		if !p.at(",") {
			return errorf(p.tok.pos, "%s stands where \",\" or \")\" was expected", p.tok.describe())
		}
	}
}
