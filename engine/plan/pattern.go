package plan

import (
	"regexp"
	"slices"
	"strings"
)

// A pattern is an argument that names resources: an address, which covers what
// lies below it too, or one with wildcards: * stands for any characters, ? for
// one. Brackets are no wildcards, they belong to addresses.
type pattern struct {
	text string
	re   *regexp.Regexp // nil without wildcards
}

func newPattern(text string) pattern {
	p := pattern{text: text}
	if strings.ContainsAny(text, "*?") {
		quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(text))
		p.re = regexp.MustCompile(`(?s)^(?:` + quoted + `)(?:$|[.\[])`)
	}
	return p
}

// covers reports whether an address is, or lies below, what the argument names:
// user.alice covers user.alice.mailbox, user.staff covers user.staff["bob"].
func (p *pattern) covers(address string) bool {
	if p.re != nil {
		return p.re.MatchString(address)
	}
	rest, ok := strings.CutPrefix(address, p.text)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// reaches reports whether an argument may cover something that lies below an
// address. With a wildcard in it, it may wherever what stands before fits.
func (p *pattern) reaches(address string) bool {
	text, whole := p.text, true
	if i := strings.IndexAny(text, "*?"); i >= 0 {
		text, whole = text[:i], false
	}
	if rest, ok := strings.CutPrefix(text, address); ok {
		return rest == "" || rest[0] == '.' || rest[0] == '['
	}
	return !whole && strings.HasPrefix(address, text)
}

// Reaches makes a function that tells of the address of a block whether a
// resource of it may be meant by one of the -target arguments.
func Reaches(args []string) func(address string) bool {
	ps := newPatterns(args)
	return func(address string) bool {
		return slices.ContainsFunc(ps, func(p pattern) bool { return p.covers(address) || p.reaches(address) })
	}
}

type patterns []pattern

func newPatterns(args []string) patterns {
	ps := make(patterns, 0, len(args))
	for _, a := range args {
		ps = append(ps, newPattern(a))
	}
	return ps
}

func (ps patterns) cover(address string) bool {
	return slices.ContainsFunc(ps, func(p pattern) bool { return p.covers(address) })
}
