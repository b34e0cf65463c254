package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Fields are the header fields of a part, in order.
type Fields []Field

// A Field is one header field.
type Field struct {
	Name string
	// Raw is the whole field with its line endings.
	Raw []byte
}

// SplitFields splits a header into its fields. Lines that belong to none are
// left out.
func SplitFields(raw []byte) Fields {
	var fields Fields
	start := 0
	for pos := 0; pos < len(raw); {
		end := len(raw)
		if i := bytes.IndexByte(raw[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		line := raw[pos:end]
		if line[0] == ' ' || line[0] == '\t' {
			if n := len(fields); n > 0 && start+len(fields[n-1].Raw) == pos {
				fields[n-1].Raw = raw[start:end]
			}
		} else if name, _, ok := bytes.Cut(line, []byte(":")); ok {
			start = pos
			fields = append(fields, Field{string(bytes.TrimRight(name, " \t")), line})
		}
		pos = end
	}
	return fields
}

// Value is the field's body, unfolded: line endings taken out, as they stand
// for nothing (RFC 5322 §2.2.3).
func (f Field) Value() string {
	_, v, _ := bytes.Cut(f.Raw, []byte(":"))
	return strings.Trim(unfold.Replace(string(v)), " \t")
}

var unfold = strings.NewReplacer("\r", "", "\n", "", "\x00", "")

// Get returns the value of the first field of that name, empty for none.
func (fs Fields) Get(name string) string {
	for _, f := range fs {
		if strings.EqualFold(f.Name, name) {
			return f.Value()
		}
	}
	return ""
}

// All returns the values of all fields of that name.
func (fs Fields) All(name string) []string {
	var out []string
	for _, f := range fs {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value())
		}
	}
	return out
}

// ReadHeader reads the header at the top of a message, without the rest of it:
// its length with the empty line, and its fields.
func ReadHeader(r io.ReaderAt, size int64) (int64, Fields, error) {
	// Most headers are shorter than the first piece.
	buf := make([]byte, min(size, 8<<10))
	n := 0
	for {
		k, err := r.ReadAt(buf[n:], int64(n))
		if n += k; n < len(buf) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
		if end := headerEnd(buf); end >= 0 {
			return int64(end), SplitFields(buf[:end]), nil
		}
		if int64(n) == size {
			return size, SplitFields(buf), nil
		}
		if n >= maxHeader {
			p, err := Parse(r, size)
			if err != nil {
				return 0, nil, err
			}
			return p.Header.End, p.Fields, nil
		}
		buf = append(buf, make([]byte, min(size-int64(n), int64(4*n)))...)
	}
}

// headerEnd finds the end of the header: behind the first empty line.
func headerEnd(b []byte) int {
	for pos := 0; pos < len(b); {
		i := bytes.IndexByte(b[pos:], '\n')
		if i < 0 {
			return -1
		}
		if blank(b[pos : pos+i+1]) {
			return pos + i + 1
		}
		pos += i + 1
	}
	return -1
}

// Select returns the fields with the given names, or all others, as a header
// with the empty line that ends it.
func (fs Fields) Select(names []string, others bool) []byte {
	var out []byte
	for _, f := range fs {
		named := false
		for _, n := range names {
			named = named || strings.EqualFold(n, f.Name)
		}
		if named == others {
			continue
		}
		out = append(out, f.Raw...)
		if !bytes.HasSuffix(f.Raw, []byte("\n")) {
			out = append(out, '\r', '\n')
		}
	}
	return append(out, '\r', '\n')
}
