package postfix

import (
	"fmt"
	"slices"
	"strings"
)

// A config is the text of main.cf or master.cf. Both are made of logical lines
// (postconf(5), master(5)): one begins in the first column, and goes on in lines
// that begin with white space; comments and empty lines may stand anywhere, also
// within.
type config struct {
	lines []line
	key   func(text string) string
}

// A line is a physical line with its end.
type line struct {
	text string
	// entry is the number of the logical line that it belongs to; 0: a comment, an
	// empty line, or one that goes on what has not begun.
	entry int
}

// parseMain reads main.cf.
func parseMain(text []byte) *config { return parseConfig(text, parameterName) }

// parseMaster reads master.cf.
func parseMaster(text []byte) *config { return parseConfig(text, serviceName) }

func parseConfig(text []byte, key func(string) string) *config {
	c := &config{key: key}
	n := 0
	for l := range strings.Lines(string(text)) {
		trimmed := strings.TrimLeft(l, " \t\r\n\v\f")
		switch {
		case trimmed == "" || trimmed[0] == '#':
			c.lines = append(c.lines, line{l, 0})
		case trimmed == l:
			n++
			c.lines = append(c.lines, line{l, n})
		default:
			c.lines = append(c.lines, line{l, n})
		}
	}
	return c
}

// text is the whole.
func (c *config) text() []byte {
	var b strings.Builder
	for _, l := range c.lines {
		b.WriteString(l.text)
	}
	return []byte(b.String())
}

// at finds the last logical line of a key, which is the one that holds, from its
// first physical line to the one behind its last. ok is false where there is none.
func (c *config) at(key string) (from, to int, ok bool) {
	for i := len(c.lines) - 1; i >= 0; i-- {
		l := c.lines[i]
		if l.entry == 0 || i > 0 && c.begun(i) || c.key(l.text) != key {
			continue
		}
		to := i + 1
		for j := i + 1; j < len(c.lines); j++ {
			if c.lines[j].entry == l.entry {
				to = j + 1
			}
		}
		return i, to, true
	}
	return 0, 0, false
}

// begun reports whether a line goes on a logical line of an earlier one.
func (c *config) begun(i int) bool {
	t := c.lines[i].text
	return t[0] == ' ' || t[0] == '\t' || t[0] == '\v' || t[0] == '\f' || t[0] == '\r'
}

// keys are those of all logical lines, in their order, each once.
func (c *config) keys() []string {
	var keys []string
	for i, l := range c.lines {
		if l.entry != 0 && !c.begun(i) {
			if k := c.key(l.text); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// logical is the text of a logical line without comments and line ends.
func (c *config) logical(key string) (string, bool) {
	from, to, ok := c.at(key)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, l := range c.lines[from:to] {
		if l.entry != 0 {
			b.WriteString(strings.TrimRight(l.text, "\r\n"))
		}
	}
	return b.String(), true
}

// set gives a key another text, which ends with a line break, and returns what it
// had with the comments within; empty: it was not there, and is at the end now.
func (c *config) set(key, text string) (was string) {
	from, to, ok := c.at(key)
	if !ok {
		if n := len(c.lines); n > 0 && !strings.HasSuffix(c.lines[n-1].text, "\n") {
			c.lines[n-1].text += "\n"
		}
		c.replace(len(c.lines), len(c.lines), text)
		return ""
	}
	rest := c.comments(from, to)
	was = join(c.lines[from:to])
	c.replace(from, to, text+rest)
	return was
}

// restore gives a key back what set returned: nothing, if that was nothing.
func (c *config) restore(key, was string) {
	from, to, ok := c.at(key)
	if !ok {
		if was != "" {
			c.set(key, was)
		}
		return
	}
	if was == "" {
		c.replace(from, to, c.comments(from, to))
		return
	}
	// The comments that stood within stand behind now, unless somebody has moved
	// them.
	former := parseConfig([]byte(was), c.key)
	within := former.comments(0, len(former.lines))
	if within != "" {
		if n := strings.Count(within, "\n"); to+n <= len(c.lines) && join(c.lines[to:to+n]) == within {
			to += n
		} else {
			was = ""
			for _, l := range former.lines {
				if l.entry != 0 {
					was += l.text
				}
			}
		}
	}
	c.replace(from, to, was)
}

// comments are the comments and empty lines among some lines.
func (c *config) comments(from, to int) string {
	var b strings.Builder
	for _, l := range c.lines[from:to] {
		if l.entry == 0 {
			b.WriteString(l.text)
		}
	}
	return b.String()
}

func (c *config) replace(from, to int, text string) {
	whole := join(c.lines[:from]) + text + join(c.lines[to:])
	c.lines = parseConfig([]byte(whole), c.key).lines
}

func join(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
	}
	return b.String()
}

// parameterName is the name in a line of main.cf, "name = value".
func parameterName(l string) string {
	name, _, _ := strings.Cut(l, "=")
	return strings.TrimSpace(name)
}

// parameter is the value of a parameter of main.cf, as it stands there.
func (c *config) parameter(name string) (string, bool) {
	l, ok := c.logical(name)
	if !ok {
		return "", false
	}
	_, value, _ := strings.Cut(l, "=")
	return strings.TrimSpace(value), true
}

// parameterLine writes a parameter. It refuses what a line cannot hold as it is.
func parameterLine(name, value string) (string, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("name: %w", err)
	}
	if err := checkValue(value); err != nil {
		return "", fmt.Errorf("value: %w", err)
	}
	if value == "" {
		return name + " =\n", nil
	}
	return name + " = " + value + "\n", nil
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("it is empty")
	}
	for _, r := range name {
		if r > 0x7e || r <= ' ' || strings.ContainsRune("=#,$(){}\"'\\:;", r) {
			return fmt.Errorf("a name has letters, digits, _ and -, and not %q", r)
		}
	}
	return nil
}

func checkValue(value string) error {
	for _, r := range value {
		if r < ' ' && r != '\t' || r == 0x7f {
			return fmt.Errorf("it holds a line break or another control character, which a line of main.cf cannot")
		}
	}
	if strings.TrimSpace(value) != value {
		return fmt.Errorf("it begins or ends with white space, which Postfix takes away")
	}
	return nil
}

// serviceName is what tells a service in a line of master.cf: its name and type.
func serviceName(l string) string {
	f := strings.Fields(l)
	if len(f) < 2 {
		return strings.TrimSpace(l)
	}
	return f[0] + "/" + f[1]
}

// An entry is a service of master.cf.
type entry struct {
	name, typ string
	// columns are private, unprivileged, chroot, wakeup time, process limit.
	columns [5]string
	command string
	options []option
	// other arguments of the command, before the options of their place.
	other []string
	// service is what a listener of ours offers there; empty of what was read.
	service string
}

// An option is a parameter of one service, "-o name=value".
type option struct{ name, value string }

func (e *entry) key() string { return e.name + "/" + e.typ }

// option finds the value of a parameter; the last one holds.
func (e *entry) option(name string) (string, bool) {
	for _, o := range slices.Backward(e.options) {
		if o.name == name {
			return o.value, true
		}
	}
	return "", false
}

// parseEntry reads a logical line of master.cf.
func parseEntry(text string) (*entry, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(words) < 8 {
		return nil, fmt.Errorf("%q has fewer than 8 fields", text)
	}
	e := &entry{name: words[0], typ: words[1], columns: [5]string(words[2:7]), command: words[7]}
	for rest := words[8:]; len(rest) > 0; {
		w := rest[0]
		rest = rest[1:]
		setting, ok := strings.CutPrefix(w, "-o")
		if !ok {
			e.other = append(e.other, w)
			continue
		}
		if setting == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("%q ends with -o", text)
			}
			setting, rest = rest[0], rest[1:]
		}
		name, value, _ := strings.Cut(setting, "=")
		e.options = append(e.options, option{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return e, nil
}

// splitWords divides a line by white space, but not within braces, which are taken
// off (master(5)).
func splitWords(s string) ([]string, error) {
	var words []string
	for {
		s = strings.TrimLeft(s, " \t\r\n\v\f")
		if s == "" {
			return words, nil
		}
		if s[0] != '{' {
			end := strings.IndexAny(s, " \t\r\n\v\f")
			if end < 0 {
				end = len(s)
			}
			words = append(words, s[:end])
			s = s[end:]
			continue
		}
		depth, end := 0, -1
		for i := range len(s) {
			switch s[i] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				end = i
				break
			}
		}
		if end < 0 {
			return nil, fmt.Errorf("%q has a { without its }", s)
		}
		words = append(words, strings.TrimSpace(s[1:end]))
		s = s[end+1:]
	}
}

// text is the entry as master.cf has it.
func (e *entry) text() (string, error) {
	var b strings.Builder
	fields := append([]string{e.name, e.typ}, e.columns[:]...)
	for _, f := range append(fields, e.command) {
		if f == "" || f[0] == '#' || f[0] == '{' || strings.ContainsAny(f, " \t\r\n\v\f") {
			return "", fmt.Errorf("%q cannot be a field of master.cf", f)
		}
	}
	b.WriteString(strings.Join(fields, " ") + " " + e.command)
	for _, w := range e.other {
		quoted, err := quoteWord(w)
		if err != nil {
			return "", err
		}
		b.WriteString(" " + quoted)
	}
	b.WriteByte('\n')
	for _, o := range e.options {
		if err := checkName(o.name); err != nil {
			return "", err
		}
		if err := checkValue(o.value); err != nil {
			return "", fmt.Errorf("%s: %w", o.name, err)
		}
		quoted, err := quoteWord(o.name + "=" + o.value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", o.name, err)
		}
		b.WriteString("  -o " + quoted + "\n")
	}
	return b.String(), nil
}

// quoteWord writes a word in braces where it needs them.
func quoteWord(w string) (string, error) {
	if w != "" && w[0] != '{' && w[0] != '#' && !strings.ContainsAny(w, " \t\v\f") {
		return w, nil
	}
	quoted := "{ " + w + " }"
	if got, err := splitWords(quoted); err != nil || len(got) != 1 || got[0] != w {
		return "", fmt.Errorf("%q cannot be written in master.cf", w)
	}
	return quoted, nil
}
