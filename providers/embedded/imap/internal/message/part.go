package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Bounds of what is understood of a message; beyond them it is still read and
// delivered, only not taken apart.
const (
	maxHeader = 256 << 10 // bytes of one header that are kept
	maxDepth  = 50        // nesting of parts
	maxParts  = 2000      // parts in a message
)

// A Span is a range of bytes in a message.
type Span struct{ Start, End int64 }

// Size is the length of the span in bytes.
func (s Span) Size() int64 { return s.End - s.Start }

// A Part is a message or one part of it.
type Part struct {
	// Header includes the empty line that ends it. Body is what follows.
	Header, Body Span
	// Lines of the body, as BODYSTRUCTURE counts them.
	Lines int64
	// Fields are the header fields.
	Fields Fields
	// Type and Subtype are lower-case; text/plain where nothing else is said.
	Type, Subtype string
	Params        []Param
	// Children of a multipart; Message within a message/rfc822.
	Children []*Part
	Message  *Part
}

// Multipart says whether the part is made of parts. A multipart in which none
// was found is not.
func (p *Part) Multipart() bool { return len(p.Children) > 0 }

// Parse takes the message of the given size apart.
func Parse(r io.ReaderAt, size int64) (*Part, error) {
	// One byte more than the message: a full buffer is taken for a long line.
	p := &parser{br: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), int(min(size+1, 32<<10)))}
	p.next()
	root := p.part("text", "plain", 0)
	return root, p.err
}

// parser reads a message line by line.
type parser struct {
	br  *bufio.Reader
	err error // of the reader, never about the message

	// The current line: its start, the start of the next one, its first bytes
	// with the line ending, and whether there is one.
	start, end int64
	line       []byte
	ok         bool
	// eol is the length of the ending of the line before.
	eol, prevEOL int64

	boundaries []string
	parts      int
}

// next goes to the next line. Of a line longer than the buffer only the
// beginning is kept: it is neither a boundary nor a header field of use.
func (p *parser) next() {
	p.start, p.prevEOL = p.end, p.eol
	line, err := p.br.ReadSlice('\n')
	p.end += int64(len(line))
	p.line = line
	last := line
	for errors.Is(err, bufio.ErrBufferFull) {
		p.line = p.line[:0]
		last, err = p.br.ReadSlice('\n')
		p.end += int64(len(last))
	}
	p.eol = 0
	if bytes.HasSuffix(last, []byte("\r\n")) {
		p.eol = 2
	} else if bytes.HasSuffix(last, []byte("\n")) {
		p.eol = 1
	}
	p.ok = p.end > p.start
	if err != nil && !errors.Is(err, io.EOF) {
		p.err, p.ok = err, false
	}
}

// boundary says whether the current line is a delimiter of one of the open
// multiparts: its index, or -1; and whether it closes it. Inner ones come first.
func (p *parser) boundary() (index int, closing bool) {
	if len(p.boundaries) == 0 || len(p.line) < 3 || p.line[0] != '-' || p.line[1] != '-' {
		return -1, false
	}
	rest := bytes.TrimRight(p.line[2:], " \t\r\n")
	for i := len(p.boundaries) - 1; i >= 0; i-- {
		if tail, ok := bytes.CutPrefix(rest, []byte(p.boundaries[i])); ok {
			if len(tail) == 0 {
				return i, false
			}
			if string(tail) == "--" {
				return i, true
			}
		}
	}
	return -1, false
}

// atBoundary says whether a part that is being read ends here.
func (p *parser) atBoundary() bool {
	i, _ := p.boundary()
	return i >= 0
}

// part reads one part up to the boundary that ends it, or the end. The
// arguments are its type where it does not say one itself.
func (p *parser) part(mainType, subtype string, depth int) *Part {
	p.parts++
	part := &Part{Type: mainType, Subtype: subtype}
	part.Header, part.Fields = p.header()
	if v := part.Fields.Get("Content-Type"); v != "" {
		if t, s, params, ok := parseContentType(v); ok {
			part.Type, part.Subtype, part.Params = t, s, params
		}
	}
	part.Body.Start = part.Header.End

	lines := int64(0)
	switch {
	case depth >= maxDepth || p.parts >= maxParts:
	case part.Type == "multipart":
		if b := param(part.Params, "boundary"); b != "" {
			lines = p.multipart(part, b, depth)
		}
	case part.Type == "message" && (part.Subtype == "rfc822" || part.Subtype == "global") && identity(part):
		part.Message = p.part("text", "plain", depth+1)
		part.Body.End, part.Lines = part.Message.Body.End, part.Message.headerLines()+part.Message.Lines
		return part
	}
	for ; p.ok && !p.atBoundary(); p.next() {
		lines++
	}
	part.Body.End = p.start
	if p.ok {
		// The line break before a boundary belongs to the boundary.
		part.Body.End = max(part.Body.End-p.prevEOL, part.Body.Start)
		if lines > 0 && p.prevEOL > 0 {
			lines--
		}
	}
	part.Lines = lines
	if n := len(part.Children); n > 0 {
		part.Children[n-1].clamp(part.Body.End)
	}
	return part
}

// clamp keeps a part within what surrounds it: where an outer boundary ends
// both, the line break before it is part of neither.
func (p *Part) clamp(end int64) {
	for p != nil {
		p.Header.Start, p.Header.End = min(p.Header.Start, end), min(p.Header.End, end)
		p.Body.Start, p.Body.End = min(p.Body.Start, end), min(p.Body.End, end)
		if n := len(p.Children); n > 0 {
			p = p.Children[n-1]
		} else {
			p = p.Message
		}
	}
}

// multipart reads the parts between the boundaries and returns how many lines
// that were.
func (p *parser) multipart(part *Part, boundary string, depth int) (lines int64) {
	p.boundaries = append(p.boundaries, boundary)
	mine := len(p.boundaries) - 1
	defer func() { p.boundaries = p.boundaries[:mine] }()

	subtype := [2]string{"text", "plain"}
	if part.Subtype == "digest" {
		subtype = [2]string{"message", "rfc822"}
	}
	for ; p.ok && !p.atBoundary(); p.next() { // preamble
		lines++
	}
	for p.ok && p.parts < maxParts {
		i, closing := p.boundary()
		if i != mine {
			return lines // of an outer multipart; this one has no end
		}
		p.next()
		lines++
		if closing {
			return lines
		}
		part.Children = append(part.Children, p.part(subtype[0], subtype[1], depth+1))
	}
	return lines
}

// header reads up to and with the empty line. A boundary or a line that cannot
// be part of a header ends it as well.
func (p *parser) header() (Span, Fields) {
	span := Span{Start: p.start}
	var raw []byte
	for p.ok {
		if blank(p.line) {
			p.next()
			break
		}
		if p.atBoundary() {
			// The line break before it belongs to the boundary.
			span.End = max(p.start-p.prevEOL, span.Start)
			return span, SplitFields(raw)
		}
		if len(raw)+len(p.line) <= maxHeader {
			raw = append(raw, p.line...)
		}
		p.next()
	}
	span.End = p.start
	return span, SplitFields(raw)
}

// headerLines counts the lines of the header, with the empty one.
func (p *Part) headerLines() int64 {
	n := int64(0)
	for _, f := range p.Fields {
		n += int64(bytes.Count(f.Raw, []byte("\n")))
	}
	return n + 1
}

func blank(line []byte) bool {
	return len(line) > 0 && len(line) <= 2 && strings.Trim(string(line), "\r\n") == ""
}

// identity says that the content stands there as it is: only then can there be
// a message inside (RFC 2046 §5.2.1).
func identity(p *Part) bool {
	switch strings.ToLower(strings.TrimSpace(p.Fields.Get("Content-Transfer-Encoding"))) {
	case "base64", "quoted-printable":
		return false
	}
	return true
}
