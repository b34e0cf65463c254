package sieve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	gomessage "github.com/emersion/go-message"
	"github.com/emersion/go-message/charset"
)

// Bounds of what is looked at in a message.
const (
	maxHeader = 1 << 20
	maxBody   = 1 << 20 // of the text that "body" looks at
	maxParts  = 100
	maxNested = 20
)

// A Message is what a script looks at.
type Message struct {
	r      io.ReaderAt
	size   int64
	begin  int64 // of the body
	fields []field
}

type field struct {
	name  string // in lower case
	value string // unfolded, without blanks around it
}

// NewMessage reads the header of a message, which lies in r as it was received.
func NewMessage(r io.ReaderAt, size int64) (*Message, error) {
	m := &Message{r: r, size: size}
	head, err := readHeader(io.NewSectionReader(r, 0, min(size, maxHeader)))
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	m.begin = int64(len(head))
	for len(head) > 0 {
		end := fieldEnd(head)
		raw := head[:end]
		head = head[end:]
		name, value, ok := strings.Cut(string(raw), ":")
		if !ok {
			continue
		}
		m.fields = append(m.fields, field{strings.ToLower(strings.TrimRight(name, " \t")), unfold(value)})
	}
	return m, nil
}

// readHeader reads up to and including the empty line.
func readHeader(r io.Reader) ([]byte, error) {
	var buf []byte
	piece := make([]byte, 16<<10)
	for searched := 0; ; {
		if bytes.HasPrefix(buf, []byte("\r\n")) {
			return buf[:2], nil
		}
		if i := bytes.Index(buf[searched:], []byte("\r\n\r\n")); i >= 0 {
			return buf[:searched+i+4], nil
		}
		searched = max(0, len(buf)-3)
		n, err := r.Read(piece)
		buf = append(buf, piece[:n]...)
		if errors.Is(err, io.EOF) && n == 0 {
			return buf, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
}

// fieldEnd is where the first field ends, its continuation lines included.
func fieldEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return len(b)
		}
		at += i + 1
		if at >= len(b) || b[at] != ' ' && b[at] != '\t' {
			return at
		}
	}
}

func unfold(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r\n", "", "\n", "", "\r", "").Replace(s))
}

// raw are the values of the fields of a name, from the first to the last.
func (m *Message) raw(name string) (values []string) {
	name = strings.ToLower(name)
	for _, f := range m.fields {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return values
}

var words2047 = mime.WordDecoder{CharsetReader: charset.Reader}

// decoded is a value with its encoded words put into UTF-8 (RFC 5228 §2.7.2).
func decoded(value string) string {
	if !strings.Contains(value, "=?") {
		return strings.ToValidUTF8(value, "\uFFFD")
	}
	s, err := words2047.DecodeHeader(value)
	if err != nil {
		s = value
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// isFieldName reports whether a header field may have a name (RFC 5322 §3.6.8).
func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

// rawBody is the text below the header, as far as it is looked at.
func (m *Message) rawBody() (string, error) {
	b, err := io.ReadAll(io.NewSectionReader(m.r, m.begin, min(m.size-m.begin, maxBody)))
	return string(b), err
}

// parts are the decoded texts of all parts whose content type one of the types
// names: "text/plain", "text", or "" for all (RFC 5173 §5.2).
func (m *Message) parts(types []string) (texts []string, err error) {
	root, err := gomessage.Read(io.NewSectionReader(m.r, 0, m.size))
	if err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
		return nil, nil // what cannot be read has no parts
	}
	n, room := 0, int64(maxBody)
	err = root.Walk(func(path []int, part *gomessage.Entity, err error) error {
		if n++; n > maxParts || len(path) > maxNested || room <= 0 {
			return errEnough
		}
		if part == nil || err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
			return nil
		}
		kind, _, err := part.Header.ContentType()
		if err != nil {
			kind = "text/plain"
		}
		if !ofType(strings.ToLower(kind), types) || strings.HasPrefix(kind, "multipart/") {
			return nil
		}
		b, err := io.ReadAll(io.LimitReader(part.Body, room))
		room -= int64(len(b))
		if err != nil && len(b) == 0 {
			return nil
		}
		texts = append(texts, strings.ToValidUTF8(string(b), "\uFFFD"))
		return nil
	})
	if errors.Is(err, errEnough) || err == nil {
		return texts, nil
	}
	return texts, nil // the rest of a damaged message cannot be looked at
}

var errEnough = errors.New("enough")

func ofType(kind string, types []string) bool {
	for _, t := range types {
		t = strings.ToLower(t)
		main, _, _ := strings.Cut(kind, "/")
		if t == "" || t == kind || t == main {
			return true
		}
	}
	return false
}

// Values are the values of the header fields of a name, as they stand there.
func (m *Message) Values(name string) []string { return m.raw(name) }

// Subject is what the message is about, for people.
func (m *Message) Subject() string { return decoded(first(m.raw("Subject"))) }
