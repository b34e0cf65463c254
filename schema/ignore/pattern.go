package ignore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema/rdata"
)

// A pattern is text with wildcards, taken apart.
type pattern []piece

// A piece is one character, or a wildcard.
type piece struct {
	wild wildcard
	char byte
}

type wildcard uint8

const (
	none wildcard = iota
	one           // ? is one character
	some          // * is any number of them
	all           // ** too, and goes beyond the dots of a name
)

// compile takes a pattern apart: * and ?, and a backslash before what is meant
// as it stands.
func compile(text string) (pattern, error) {
	var p pattern
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 == len(text):
			return nil, errors.New("the pattern ends with a backslash, which belongs before a character")
		case c == '\\':
			i++
			p = append(p, piece{char: text[i]})
		case c == '?':
			p = append(p, piece{wild: one})
		case c == '*' && len(p) > 0 && p[len(p)-1].wild == some:
			p[len(p)-1].wild = all
		case c == '*' && (len(p) == 0 || p[len(p)-1].wild != all):
			p = append(p, piece{wild: some})
		case c != '*':
			p = append(p, piece{char: c})
		}
	}
	return p, nil
}

// matches reports whether the pattern is about the whole of a text. Where dots is
// set, a dot ends a label, which * and ? stay within.
func (p pattern) matches(text string, dots bool) bool {
	// Each step goes on from the last wildcard that can take more, which is enough
	// where there is one sort of them; with two, ** is the one that can take all.
	type stop struct{ at, text int }
	var short, long *stop
	i, t := 0, 0
	for {
		switch {
		case i < len(p) && p[i].wild == all:
			long, short = &stop{i, t}, nil
			i++
			continue
		case i < len(p) && p[i].wild == some:
			short = &stop{i, t}
			i++
			continue
		case i == len(p) && t == len(text):
			return true
		case i < len(p) && t < len(text) && (p[i].wild == one && !(dots && text[t] == '.') || p[i].wild == none && p[i].char == text[t]):
			i, t = i+1, t+1
			continue
		}
		switch {
		case short != nil && short.text < len(text) && !(dots && text[short.text] == '.'):
			short.text++
			i, t = short.at+1, short.text
		case long != nil && long.text < len(text):
			long.text++
			short = nil
			i, t = long.at+1, long.text
		default:
			return false
		}
	}
}

// A namePattern is about names of a zone.
type namePattern struct {
	pattern
	absolute bool // ends in a dot: is about the complete name
}

// compileName takes a pattern for names apart. Labels without wildcards are read
// as in any name, so that case and script say nothing.
func compileName(text string) (namePattern, error) {
	if text == "" {
		return namePattern{}, errors.New(`the name is empty; "@" is the zone itself, "**" any name`)
	}
	if text == "@" {
		return namePattern{pattern: pattern{{char: '@'}}}, nil
	}
	absolute := strings.HasSuffix(text, ".") && !strings.HasSuffix(text, `\.`)
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for i, l := range labels {
		if l == "" {
			return namePattern{}, errors.New("the name has an empty label (two dots in a row, or one in front)")
		}
		if strings.ContainsAny(l, `*?\`) {
			labels[i] = strings.ToLower(l)
			continue
		}
		n, err := rdata.ParseName(l + ".x")
		if err != nil {
			return namePattern{}, err
		}
		labels[i] = strings.TrimSuffix(string(n), ".x.")
	}
	p, err := compile(strings.Join(labels, "."))
	return namePattern{p, absolute}, err
}

func (p namePattern) matches(name, zone rdata.Name) bool {
	text := name.Host()
	switch {
	case p.absolute:
	case name == zone:
		// "**" is any name, and this is one.
		return slices.Equal(p.pattern, pattern{{char: '@'}}) || slices.Equal(p.pattern, pattern{{wild: all}})
	case zone != rdata.Root:
		text = strings.TrimSuffix(text, "."+zone.Host())
	}
	return p.pattern.matches(text, true)
}

// A valuePattern is about the values of records.
type valuePattern struct{ exact, lower pattern }

func compileValue(text string) (valuePattern, error) {
	exact, err := compile(text)
	if err != nil {
		return valuePattern{}, err
	}
	lower, err := compile(strings.ToLower(text))
	return valuePattern{exact, lower}, err
}

// matches holds the pattern against a canonical value: as a whole, and where it
// points to a name, against that alone, with or without the dot at its end.
func (p valuePattern) matches(rrtype, value string) bool {
	if p.exact.matches(value, false) {
		return true
	}
	target, ok := rdata.Target(rrtype, value)
	return ok && slices.ContainsFunc([]string{value, strings.TrimSuffix(value, "."), string(target), target.Host()}, func(s string) bool {
		return p.lower.matches(s, false)
	})
}

// Check says what is wrong with a rule's patterns.
func check(what, text string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", what, text, err)
}
