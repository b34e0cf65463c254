package cyrus

import (
	"regexp"
	"strings"
)

// A servicesFile is cyrus.conf: lines of which some stand in the section SERVICES.
type servicesFile struct {
	lines []serviceLine
	open  bool // the last line has no line break
	// unclosed is the section that has no end, which Cyrus does not take.
	unclosed string
}

// A serviceLine is a line with its line break.
type serviceLine struct {
	text    string
	section string // that it stands in
	first   bool   // it begins the section
	last    bool   // it ends the section
	entry   entry  // zero: the line is none
	aside   bool
	ours    bool
}

// An entry is a service or an event.
type entry struct {
	name string
	args map[string]string // by name in lower case
}

var (
	sectionBegins = regexp.MustCompile(`^\s*([A-Za-z]+)\s*\{\s*$`)
	sectionEnds   = regexp.MustCompile(`^\s*\}\s*$`)
	entryBegins   = regexp.MustCompile(`^\s*([A-Za-z0-9]+)(\s+.*)$`)
	entryArgument = regexp.MustCompile(`^\s+([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s"]+))`)
)

// parseServices reads cyrus.conf. It takes anything: what is no entry is kept.
func parseServices(text []byte) *servicesFile {
	f := &servicesFile{}
	raw := strings.SplitAfter(string(text), "\n")
	if raw[len(raw)-1] == "" {
		raw = raw[:len(raw)-1]
	} else {
		f.open = true
	}
	section, inside := "", false
	for i, t := range raw {
		l := serviceLine{text: t, section: section}
		bare := strings.TrimRight(t, "\r\n")
		trimmed := strings.TrimSpace(bare)
		switch {
		case trimmed == beginMark && hasEndIndented(raw[i+1:]):
			l.ours, inside = true, true
		case inside && trimmed == endMark:
			l.ours, inside = true, false
		default:
			l.ours = inside
			if m := sectionBegins.FindStringSubmatch(bare); m != nil && section == "" {
				section = strings.ToUpper(m[1])
				l.section, l.first = section, true
			} else if sectionEnds.MatchString(bare) && section != "" {
				l.last, section = true, ""
			} else {
				rest, aside := strings.CutPrefix(bare, asideMark)
				l.entry, l.aside = readEntry(rest), aside
			}
		}
		f.lines = append(f.lines, l)
	}
	f.unclosed = section
	return f
}

func hasEndIndented(lines []string) bool {
	for _, l := range lines {
		switch t := strings.TrimSpace(l); {
		case t == endMark:
			return true
		case t == beginMark || t == "}":
			return false
		}
	}
	return false
}

// readEntry reads a line that names a service or an event.
func readEntry(text string) entry {
	m := entryBegins.FindStringSubmatch(text)
	if m == nil {
		return entry{}
	}
	e := entry{name: m[1], args: map[string]string{}}
	rest := m[2]
	for {
		a := entryArgument.FindStringSubmatch(rest)
		if a == nil {
			break
		}
		e.args[strings.ToLower(a[1])] = a[2] + a[3]
		rest = rest[len(a[0]):]
	}
	if len(e.args) == 0 {
		return entry{}
	}
	return e
}

// entries are those of a section that are in force.
func (f *servicesFile) entries(section string) []entry {
	var list []entry
	for _, l := range f.lines {
		if l.section == section && l.entry.name != "" && !l.aside {
			list = append(list, l.entry)
		}
	}
	return list
}

// foreign are the entries of others in a section, with those put aside.
func (f *servicesFile) foreign(section string) []entry {
	var list []entry
	for _, l := range f.lines {
		if l.section == section && l.entry.name != "" && !l.ours {
			list = append(list, l.entry)
		}
	}
	return list
}

// set replaces what is mailform's in the sections, and puts aside the foreign
// services that stand says are in the way; others that were come back.
func (f *servicesFile) set(ours map[string][]string, inTheWay func(entry) bool) {
	var out []serviceLine
	for _, l := range f.lines {
		if l.ours {
			continue
		}
		if l.section == sectionServices && l.entry.name != "" {
			switch away := inTheWay(l.entry); {
			case away && !l.aside:
				l.text, l.aside = putAside(l.text), true
			case !away && l.aside:
				l.text, l.aside = release(l.text), false
			}
		}
		out = append(out, l)
	}
	f.lines = out
	for _, section := range sections {
		f.insert(section, ours[section])
	}
}

// Sections of cyrus.conf.
const (
	sectionStart    = "START"
	sectionServices = "SERVICES"
	sectionEvents   = "EVENTS"
)

// sections are those that mailform has lines in.
var sections = []string{sectionStart, sectionServices, sectionEvents}

// insert puts lines at the end of a section, which is made where there is none.
func (f *servicesFile) insert(section string, lines []string) {
	if len(lines) == 0 {
		return
	}
	block := []serviceLine{{text: "  " + beginMark + "\n", section: section, ours: true}}
	for _, l := range lines {
		block = append(block, serviceLine{text: "  " + l + "\n", section: section, ours: true, entry: readEntry("  " + l)})
	}
	block = append(block, serviceLine{text: "  " + endMark + "\n", section: section, ours: true})
	for i, l := range f.lines {
		if l.section == section && l.last {
			f.lines = append(f.lines[:i:i], append(block, f.lines[i:]...)...)
			return
		}
	}
	if f.open && len(f.lines) > 0 {
		f.lines[len(f.lines)-1].text += "\n"
		f.open = false
	}
	f.lines = append(f.lines, serviceLine{text: section + " {\n", section: section, first: true})
	f.lines = append(f.lines, block...)
	f.lines = append(f.lines, serviceLine{text: "}\n", section: section, last: true})
}

// bytes is the file as it is to be written.
func (f *servicesFile) bytes() []byte {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text)
	}
	return []byte(b.String())
}

// own are the lines of mailform in a section, without blanks around.
func (f *servicesFile) own(section string) []string {
	var lines []string
	for _, l := range f.lines {
		if t := strings.TrimSpace(l.text); l.ours && l.section == section && t != beginMark && t != endMark && t != "" {
			lines = append(lines, t)
		}
	}
	return lines
}
