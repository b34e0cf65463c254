package markdown

import (
	"html"
	"regexp"
	"strings"
	"unicode"
)

// wordJoiner has no width. Behind an @ or a # it keeps forges from taking what
// follows for the name of a user or the number of an issue; GitLab has more such
// signs.
const wordJoiner = "\u2060"

// element writes a text as code within HTML.
func element(s string) string {
	return "<code>" + html.EscapeString(printable(s)) + "</code>"
}

// code writes a text as code within Markdown. Forges look neither for names nor
// for numbers nor for links in it.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	s = strings.ReplaceAll(printable(s), "|", `\|`) // of a table
	if fence != "`" || strings.TrimSpace(s) != s {
		s = " " + s + " "
	}
	return fence + s + fence
}

var (
	special = regexp.MustCompile("[\\\\`*_{}\\[\\]<>&|~^$#!]")
	naming  = regexp.MustCompile(`([@#!~$%&])([A-Za-z0-9])`)
	linking = regexp.MustCompile(`(?i)(:)(//)|(www)(\.)`)
	opening = regexp.MustCompile(`^(?:[-+=]|[0-9]+[.)])`) // of a list or a heading
)

// prose writes a sentence that may name things of others.
func prose(s string) string {
	s = naming.ReplaceAllString(strings.TrimSpace(printable(s)), "$1"+wordJoiner+"$2")
	s = linking.ReplaceAllString(s, "$1$3"+wordJoiner+"$2$4")
	s = special.ReplaceAllString(s, `\$0`)
	if opening.MatchString(s) {
		s = wordJoiner + s
	}
	return s
}

// printable keeps a text on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// comment makes a name fit for an HTML comment.
func comment(name string) string {
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '<' || r == '>' || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, name[:min(len(name), 1000)])
}
