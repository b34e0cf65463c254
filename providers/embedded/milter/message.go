package milter

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	gomilter "github.com/d--j/go-milter"
)

// A Message is what filters judge, and what they make of it.
type Message struct {
	From       string   // envelope sender, without angle brackets
	Recipients []string // those that were accepted, without angle brackets
	Fields     []Field
	Body       *io.SectionReader // with CRLF at the ends of lines

	// Changed: the fields or the body are not what they were.
	Changed bool
	// Junk: a filter says that it is spam.
	Junk bool
	// Discard: a filter has it thrown away without a word.
	Discard bool
	// Quarantine is why a filter wants it held; empty: none does.
	Quarantine string
}

// A Field is a header field with its folded lines and its CRLF.
type Field struct {
	Name string
	Raw  []byte
}

// value is what filters see of a field: all behind the colon, with LF at the ends
// of folded lines, and without its first space where they do not ask for that.
func (f *Field) value(space bool) string {
	v := string(f.Raw[min(len(f.Raw), bytes.IndexByte(f.Raw, ':')+1):])
	v = strings.ReplaceAll(strings.TrimSuffix(v, "\r\n"), "\r\n", "\n")
	if !space {
		v = strings.TrimPrefix(v, " ")
	}
	return v
}

// newField makes a field of what a filter says: a name, and a value that may be
// folded.
func newField(name, value string, space bool) (Field, error) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		return Field{}, fieldError(name)
	}
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(strings.TrimRight(value, "\n"), "\n")
	for i := range lines {
		switch {
		case strings.Contains(lines[i], "\x00"):
			return Field{}, fieldError(name)
		case i > 0 && strings.Trim(lines[i], " \t") == "":
			return Field{}, fieldError(name) // an empty line ends the header
		case i > 0 && lines[i][0] != ' ' && lines[i][0] != '\t':
			lines[i] = "\t" + lines[i]
		}
	}
	if !space && !strings.HasPrefix(lines[0], " ") {
		lines[0] = " " + lines[0]
	}
	return Field{name, []byte(name + ":" + strings.Join(lines, "\r\n") + "\r\n")}, nil
}

func fieldError(name string) error {
	return fmt.Errorf("it made a header field that is none: %q", printable(name))
}

// maxChanges bounds what a filter may change of a message, beyond its body.
const maxChanges = 10_000

// apply makes the changes that a filter asks for, all of them or, with an error,
// none. It returns why the message is to be held, where it is.
func (m *Message) apply(f *Filter, changes []gomilter.ModifyAction, space bool, limit int64) (quarantine string, err error) {
	next := *m
	next.Fields, next.Recipients = slices.Clone(m.Fields), slices.Clone(m.Recipients)
	var body []byte
	n := 0
	for i := range changes {
		c := &changes[i]
		if c.Type != gomilter.ActionReplaceBody {
			n++
		}
		if n > maxChanges {
			return "", errTooMuch
		}
		switch c.Type {
		case gomilter.ActionAddHeader, gomilter.ActionInsertHeader, gomilter.ActionChangeHeader:
			if err := next.changeField(c, space); err != nil {
				return "", err
			}
			next.Junk = next.Junk || f.marks(c.HeaderName, c.HeaderValue)
		case gomilter.ActionReplaceBody:
			if body == nil {
				body = []byte{}
			}
			body = append(body, c.Body...)
		case gomilter.ActionChangeFrom:
			next.From = unbracketed(c.From)
		case gomilter.ActionAddRcpt:
			if r := unbracketed(c.Rcpt); !slices.Contains(next.Recipients, r) {
				next.Recipients = append(next.Recipients, r)
			}
		case gomilter.ActionDelRcpt:
			r := unbracketed(c.Rcpt)
			next.Recipients = slices.DeleteFunc(next.Recipients, func(s string) bool { return strings.EqualFold(s, r) })
		case gomilter.ActionQuarantine:
			quarantine = c.Reason
			if printable(quarantine) == "" {
				quarantine = "no reason given"
			}
		default:
			return "", fmt.Errorf("it wants a change of a sort that there is not (%d)", c.Type)
		}
	}
	if body != nil {
		body = crlfLines(body)
		next.Body, next.Changed = io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body))), true
	}
	size := next.Body.Size()
	for i := range next.Fields {
		size += int64(len(next.Fields[i].Raw))
	}
	if size > limit {
		return "", errTooMuch
	}
	*m = next
	return quarantine, nil
}

// changeField adds, changes or takes away a header field. Fields are counted among
// those of their name, from 1 on; beyond the last, a new one is added.
func (m *Message) changeField(c *gomilter.ModifyAction, space bool) error {
	m.Changed = true
	if c.Type == gomilter.ActionChangeHeader {
		at, n := -1, uint32(0)
		for i := range m.Fields {
			if strings.EqualFold(m.Fields[i].Name, c.HeaderName) {
				if n++; n == c.HeaderIndex {
					at = i
					break
				}
			}
		}
		if c.HeaderValue == "" {
			if at >= 0 {
				m.Fields = slices.Delete(m.Fields, at, at+1)
			}
			return nil
		}
		if at >= 0 {
			f, err := newField(m.Fields[at].Name, c.HeaderValue, space)
			m.Fields[at] = f
			return err
		}
	}
	f, err := newField(c.HeaderName, c.HeaderValue, space)
	if err != nil {
		return err
	}
	if c.Type == gomilter.ActionInsertHeader {
		m.Fields = slices.Insert(m.Fields, int(min(int64(c.HeaderIndex), int64(len(m.Fields)))), f)
		return nil
	}
	m.Fields = append(m.Fields, f)
	return nil
}

func unbracketed(address string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(address), "<"), ">")
}

// crlfLines puts CRLF at the ends of lines, whatever stands there, and leaves out
// NUL, which nobody could read by IMAP.
func crlfLines(b []byte) []byte {
	out := make([]byte, 0, len(b)+2)
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case 0:
		case '\r':
			if i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
			out = append(out, "\r\n"...)
		case '\n':
			out = append(out, "\r\n"...)
		default:
			out = append(out, b[i])
		}
	}
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, "\r\n"...)
	}
	return out
}
