package cyrus

import (
	"errors"
	"strings"
)

// Marks around what is mailform's in a file, and before what it has put aside.
const (
	beginMark = "# mailform: begin. What stands from here to the end mark is mailform's."
	endMark   = "# mailform: end"
	asideMark = "#mailform-aside: "
)

// An option is one of imapd.conf.
type option struct{ name, value string }

// An optionsFile is imapd.conf: what is foreign in it, line by line, and what is
// mailform's.
type optionsFile struct {
	foreign []optionLine
	ours    []option
	// open says that the last line of the file has no line break.
	open bool
}

// An optionLine is one option, or anything else, with its line breaks. A line that
// ends with a backslash goes on in the next one.
type optionLine struct {
	text  string
	name  string // in lower case; empty: no option
	value string
	aside bool // mailform has put it aside
}

// parseOptions reads imapd.conf. It takes anything: what is no option is kept.
func parseOptions(text []byte) *optionsFile {
	f := &optionsFile{}
	lines := strings.SplitAfter(string(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	} else {
		f.open = true
	}
	inside := false
	for i := 0; i < len(lines); i++ {
		unit := lines[i]
		bare := strings.TrimRight(unit, "\r\n")
		switch {
		case bare == beginMark && hasEnd(lines[i+1:]):
			inside = true
			continue
		case inside && bare == endMark:
			inside = false
			continue
		}
		aside := strings.HasPrefix(bare, asideMark)
		for !inside && (aside || !strings.HasPrefix(bare, "#")) && i+1 < len(lines) && goesOn(lines[i]) &&
			aside == strings.HasPrefix(lines[i+1], asideMark) {
			i++
			unit += lines[i]
		}
		l := readOption(unit)
		switch {
		case inside && l.name != "" && !l.aside:
			f.ours = append(f.ours, option{l.name, l.value})
		case !inside:
			f.foreign = append(f.foreign, l)
		}
	}
	return f
}

// goesOn reports whether the next line belongs to this one.
func goesOn(line string) bool {
	return strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), "\\")
}

// hasEnd reports whether an end mark comes before another begin mark.
func hasEnd(lines []string) bool {
	for _, l := range lines {
		switch strings.TrimRight(l, "\r\n") {
		case endMark:
			return true
		case beginMark:
			return false
		}
	}
	return false
}

// readOption reads one line, with those that it goes on in.
func readOption(text string) optionLine {
	l := optionLine{text: text}
	l.aside = strings.HasPrefix(text, asideMark)
	rest := release(text)
	rest = strings.ReplaceAll(strings.ReplaceAll(rest, "\\\r\n", ""), "\\\n", "")
	rest = strings.TrimSpace(rest)
	if rest == "" || rest[0] == '#' || rest[0] == '@' {
		return l
	}
	name, value, ok := strings.Cut(rest, ":")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return l
	}
	l.name, l.value = strings.ToLower(name), strings.TrimSpace(value)
	return l
}

// get is what an option is set to, and whether it is.
func (f *optionsFile) get(name string) (string, bool) {
	for _, o := range f.ours {
		if o.name == name {
			return o.value, true
		}
	}
	return f.getForeign(name, false)
}

// all are the options that are in force.
func (f *optionsFile) all() []option {
	list := append([]option(nil), f.ours...)
	for _, l := range f.foreign {
		if l.name != "" && !l.aside {
			list = append(list, option{l.name, l.value})
		}
	}
	return list
}

// own is what mailform has set an option to.
func (f *optionsFile) own(name string) (string, bool) {
	for _, o := range f.ours {
		if o.name == name {
			return o.value, true
		}
	}
	return "", false
}

// getForeign is what others have set an option to; with what was put aside, or
// without.
func (f *optionsFile) getForeign(name string, aside bool) (string, bool) {
	for _, l := range f.foreign {
		if l.name == name && (aside || !l.aside) {
			return l.value, true
		}
	}
	return "", false
}

// set replaces what is mailform's: foreign options of the same names are put
// aside, others that were come back.
func (f *optionsFile) set(ours []option) {
	f.ours = ours
	names := map[string]bool{}
	for _, o := range ours {
		names[o.name] = true
	}
	for i := range f.foreign {
		l := &f.foreign[i]
		switch {
		case l.name == "" || l.aside == names[l.name]:
		case l.aside:
			l.text, l.aside = release(l.text), false
		default:
			l.text, l.aside = putAside(l.text), true
		}
	}
}

// putAside makes comments of lines.
func putAside(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(asideMark + line)
	}
	return b.String()
}

// release is putAside the other way.
func release(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimPrefix(line, asideMark))
	}
	return b.String()
}

// bytes is the file as it is to be written.
func (f *optionsFile) bytes() []byte {
	var b strings.Builder
	for _, l := range f.foreign {
		b.WriteString(l.text)
	}
	if len(f.ours) == 0 {
		return []byte(b.String())
	}
	if f.open && len(f.foreign) > 0 {
		b.WriteByte('\n')
	}
	if n := len(f.foreign); n > 0 && goesOn(f.foreign[n-1].text) {
		b.WriteByte('\n') // or our first line would be the end of theirs
	}
	b.WriteString(beginMark + "\n")
	for _, o := range f.ours {
		b.WriteString(o.name + ": " + o.value + "\n")
	}
	b.WriteString(endMark + "\n")
	return []byte(b.String())
}

// maxOption bounds the value of an option, in bytes.
const maxOption = 4000

// checkOption says why an option cannot stand in the file.
func checkOption(name, value string) (attribute string, err error) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return "name", errors.New("names of options are lower-case letters, digits, - and _")
	}
	switch {
	case value == "":
		return "value", errors.New("Cyrus takes no empty values")
	case len(value) > maxOption:
		return "value", errors.New("it is too long")
	case strings.TrimSpace(value) != value:
		return "value", errors.New("blanks at its beginning or end would be lost")
	case strings.HasSuffix(value, "\\"):
		return "value", errors.New("a backslash at its end would take in the next line")
	}
	for _, r := range value {
		if r < ' ' && r != '\t' || r == 0x7f {
			return "value", errors.New("it holds a control character")
		}
	}
	return "", nil
}
