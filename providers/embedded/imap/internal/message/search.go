package message

import (
	"bytes"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

var words = mime.WordDecoder{CharsetReader: charset.Reader}

// Decode turns the encoded words of a header value into text. What cannot be
// decoded stays as it is.
func Decode(value string) string {
	if !strings.Contains(value, "=?") {
		return value
	}
	if s, err := words.DecodeHeader(value); err == nil {
		return s
	}
	return value
}

// Fold brings text into the form in which SEARCH compares: without case.
func Fold(s string) string { return strings.ToLower(s) }

// BodyContains looks for a folded text in the text parts of the message.
func (p *Part) BodyContains(r io.ReaderAt, needle string) (bool, error) {
	for _, c := range p.Children {
		if found, err := c.BodyContains(r, needle); found || err != nil {
			return found, err
		}
	}
	switch {
	case p.Multipart():
		return false, nil
	case p.Message != nil:
		if found := p.Message.Fields.Contain(needle); found {
			return true, nil
		}
		return p.Message.BodyContains(r, needle)
	case p.Type != "text":
		return needle == "", nil
	}
	return contains(p.text(r), needle)
}

// text reads a text part, decoded as far as that can be done.
func (p *Part) text(r io.ReaderAt) io.Reader {
	text, err := p.Decoded(r)
	if err != nil {
		text = io.NewSectionReader(r, p.Body.Start, p.Body.Size())
	}
	if cs := param(p.Params, "charset"); cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "us-ascii") {
		if decoded, err := charset.Reader(cs, text); err == nil {
			return decoded
		}
	}
	return text
}

// Contain looks for a folded text in the fields.
func (fs Fields) Contain(needle string) bool {
	for _, f := range fs {
		if strings.Contains(Fold(f.Name+": "+Decode(f.Value())), needle) {
			return true
		}
	}
	return false
}

// contains looks for needle in folded text, a piece at a time.
func contains(r io.Reader, needle string) (bool, error) {
	if needle == "" {
		return true, nil
	}
	buf := make([]byte, 32<<10)
	var window []byte // folded text that may hold the beginning of needle
	keep := 0         // bytes in buf of a rune that is not complete
	for {
		n, err := r.Read(buf[keep:])
		n += keep
		whole := n
		if err == nil {
			whole = n - incomplete(buf[:n])
		}
		window = append(window, bytes.ToLower(buf[:whole])...)
		if bytes.Contains(window, []byte(needle)) {
			return true, nil
		}
		if tail := len(needle) - 1; len(window) > tail {
			window = append(window[:0], window[len(window)-tail:]...)
		}
		keep = copy(buf, buf[whole:n])
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// incomplete counts the bytes at the end of b that begin a rune and do not end
// it.
func incomplete(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return i
			}
			return 0
		}
	}
	return 0
}

// Match looks for a folded text in the fields of one name; an empty text is
// found in each.
func (fs Fields) Match(name, needle string) bool {
	for _, f := range fs {
		if strings.EqualFold(f.Name, name) && strings.Contains(Fold(Decode(f.Value())), needle) {
			return true
		}
	}
	return false
}

// SearchText is all that [Fields.Contain] and [Part.BodyContains] look through,
// folded. whole is false where it is longer than limit, in bytes, or has parts that
// cannot be read.
func (p *Part) SearchText(r io.ReaderAt, limit int) (text string, whole bool) {
	t := &searchText{left: limit, whole: true}
	t.fields(p.Fields)
	t.part(p, r)
	return t.b.String(), t.whole
}

type searchText struct {
	b     strings.Builder
	left  int
	whole bool
}

func (t *searchText) add(s string) {
	if len(s) > t.left {
		s, t.whole = s[:t.left], false
	}
	t.left -= len(s)
	t.b.WriteString(s)
}

func (t *searchText) fields(fs Fields) {
	for _, f := range fs {
		t.add(Fold(f.Name + ": " + Decode(f.Value())))
		t.add("\n")
	}
}

func (t *searchText) part(p *Part, r io.ReaderAt) {
	for _, c := range p.Children {
		t.part(c, r)
	}
	switch {
	case p.Multipart():
	case p.Message != nil:
		t.fields(p.Message.Fields)
		t.part(p.Message, r)
	case p.Type == "text":
		text, err := io.ReadAll(io.LimitReader(p.text(r), int64(t.left)+1))
		t.whole = t.whole && err == nil
		t.add(string(bytes.ToLower(text)))
		t.add("\n")
	}
}
