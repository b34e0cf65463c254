package wire

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// parseLiteral reads "{12}", "{12+}", "~{12}" at the start of b and returns its
// length, 0 for anything else.
func parseLiteral(b []byte) (lit Literal, n int) {
	i := 0
	if i < len(b) && b[i] == '~' {
		lit.Binary = true
		i++
	}
	if i >= len(b) || b[i] != '{' {
		return Literal{}, 0
	}
	i++
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	size, err := strconv.ParseUint(string(b[start:i]), 10, 63)
	if err != nil {
		return Literal{}, 0
	}
	lit.Size = int64(size)
	if i < len(b) && b[i] == '+' {
		lit.NonSync = true
		i++
	}
	if i >= len(b) || b[i] != '}' {
		return Literal{}, 0
	}
	return lit, i + 1
}

// trailingLiteral finds an announcement at the very end of a line, wherever
// the parser stopped: the client sends (or waits to send) its bytes either way.
func trailingLiteral(line []byte) (Literal, bool) {
	for i := len(line) - 1; i >= 0 && i >= len(line)-32; i-- {
		if line[i] == '{' {
			lit, n := parseLiteral(line[i:])
			return lit, n > 0 && n == len(line)-i
		}
	}
	return Literal{}, false
}

// AtLiteral says whether a literal comes next.
func (r *Reader) AtLiteral() bool {
	c := r.Peek()
	return c == '{' || c == '~'
}

// literalHeader takes the announcement that ends the current line.
func (r *Reader) literalHeader() (Literal, bool) {
	if r.err != nil {
		return Literal{}, false
	}
	lit, n := parseLiteral(r.line[r.pos:])
	if n == 0 || r.pos+n != len(r.line) {
		r.Fail("malformed literal")
		return Literal{}, false
	}
	return lit, true
}

// literal reads a literal of text that is part of a command into memory.
func (r *Reader) literal() []byte {
	b, binary := r.anyLiteral()
	switch {
	case binary:
		r.Fail("binary literal is not allowed here")
		return nil
	case bytes.IndexByte(b, 0) >= 0:
		r.Fail("NUL in a literal")
		return nil
	}
	return b
}

// Value reads a value of RFC 5464 §5: a string, a literal that may be a binary
// one, or NIL, which is nil.
func (r *Reader) Value() []byte {
	if !r.AtLiteral() {
		s, ok := r.NString()
		if !ok {
			return nil
		}
		return []byte(s)
	}
	b, binary := r.anyLiteral()
	if !binary && bytes.IndexByte(b, 0) >= 0 {
		r.Fail("NUL in a literal")
		return nil
	}
	return b
}

// anyLiteral reads a literal that is part of a command into memory.
func (r *Reader) anyLiteral() (b []byte, binary bool) {
	lit, ok := r.literalHeader()
	if !ok {
		return nil, false
	}
	if limit := r.limits.Command - r.used; lit.Size > limit {
		r.err = &TooBigError{Size: lit.Size, Limit: max(limit, 0)}
		return nil, false
	}
	if !lit.NonSync {
		if err := r.proceed(); err != nil {
			r.err = err
			return nil, false
		}
	}
	if err := r.src.SetReadDeadline(time.Now().Add(r.limits.Block)); err != nil {
		r.err = err
		return nil, false
	}
	b = make([]byte, lit.Size)
	if _, err := io.ReadFull(r.br, b); err != nil {
		r.err = unexpected(err)
		return nil, false
	}
	r.used += lit.Size
	r.readLine()
	return b, lit.Binary
}

// Announce takes the announcement of a literal that the caller will read with
// [Reader.OpenLiteral], or refuse by not doing so.
func (r *Reader) Announce() Literal {
	lit, ok := r.literalHeader()
	if !ok {
		return Literal{}
	}
	r.pos = len(r.line)
	r.open, r.left = &lit, -1
	return lit
}

// OpenLiteral asks the client for the announced literal, where it waits to be
// asked, and returns a reader of exactly its bytes: a connection that ends
// early is io.ErrUnexpectedEOF, never io.EOF. Afterwards [Reader.NextLine]
// continues with the rest of the command.
func (r *Reader) OpenLiteral() (io.Reader, error) {
	if r.open == nil || r.left >= 0 {
		return nil, errors.New("no literal announced")
	}
	if !r.open.NonSync {
		if err := r.proceed(); err != nil {
			return nil, err
		}
	}
	r.left = r.open.Size
	return &literalReader{r: r}, nil
}

// NextLine continues a command after its literal has been read completely.
func (r *Reader) NextLine() {
	if r.err != nil {
		return
	}
	if r.open != nil && r.left != 0 {
		r.Fail("literal has not been read")
		return
	}
	r.open = nil
	r.used = 0
	r.readLine()
}

// literalReader reads the open literal of its Reader.
type literalReader struct {
	r     *Reader
	block int64 // bytes until the deadline is renewed
}

func (l *literalReader) Read(p []byte) (int, error) {
	r := l.r
	if r.left == 0 {
		return 0, io.EOF
	}
	if l.block <= 0 {
		// One deadline a block, not a read: who sends a byte a minute is cut off.
		if err := r.src.SetReadDeadline(time.Now().Add(r.limits.Block)); err != nil {
			return 0, err
		}
		l.block = BlockSize
	}
	if int64(len(p)) > min(r.left, l.block) {
		p = p[:min(r.left, l.block)]
	}
	n, err := r.br.Read(p)
	r.left -= int64(n)
	l.block -= int64(n)
	if err != nil {
		err = unexpected(err)
		if r.err == nil {
			r.err = err
		}
	}
	return n, err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
