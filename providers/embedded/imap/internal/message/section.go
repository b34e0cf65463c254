package message

import (
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
)

// Find returns the part with a number such as 1.2, nil if there is none
// (RFC 9051 §6.4.5.1). The number 1 of a message that has no parts is its body.
func (p *Part) Find(number []int) *Part {
	cur := p
	for i, n := range number {
		if i > 0 && !cur.Multipart() {
			// Only a message has parts below a part that is no multipart.
			if cur = cur.Message; cur == nil {
				return nil
			}
		}
		switch {
		case cur.Multipart():
			if n > len(cur.Children) {
				return nil
			}
			cur = cur.Children[n-1]
		case n != 1:
			return nil
		}
	}
	return cur
}

// ErrEncoding means that a Content-Transfer-Encoding is not known.
var ErrEncoding = errors.New("unknown content transfer encoding")

// Decoded reads the body of a part without its transfer encoding. Broken
// encoding is not an error: the reader ends where it cannot go on.
func (p *Part) Decoded(r io.ReaderAt) (io.Reader, error) {
	body := io.NewSectionReader(r, p.Body.Start, p.Body.Size())
	if p.Multipart() || p.Message != nil {
		return body, nil
	}
	switch strings.ToLower(strings.TrimSpace(p.Fields.Get("Content-Transfer-Encoding"))) {
	case "", "7bit", "8bit", "binary":
		return body, nil
	case "base64":
		return &lenient{base64.NewDecoder(base64.RawStdEncoding, &alphabet{r: body})}, nil
	case "quoted-printable":
		return &lenient{quotedprintable.NewReader(body)}, nil
	}
	return nil, ErrEncoding
}

// lenient turns an error of a decoder into the end of the text; an error of the
// store keeps its meaning.
type lenient struct{ r io.Reader }

func (l *lenient) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) ||
		err != nil && strings.HasPrefix(err.Error(), "quotedprintable:") {
		err = io.EOF
	}
	return n, err
}

// alphabet lets through what base64 is made of (RFC 2045 §6.8: other
// characters are to be ignored). The padding at the end says nothing, and is
// often missing.
type alphabet struct{ r io.Reader }

func (a *alphabet) Read(p []byte) (int, error) {
	for {
		n, err := a.r.Read(p)
		k := 0
		for _, c := range p[:n] {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
				p[k] = c
				k++
			}
		}
		if k > 0 || err != nil || len(p) == 0 {
			return k, err
		}
	}
}

// Size counts the bytes of a reader.
func Size(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }
