package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// A SyntaxError is a command that does not follow the grammar; the answer is a
// tagged BAD.
type SyntaxError struct{ Msg string }

func (e *SyntaxError) Error() string { return e.Msg }

// A TooBigError is a literal beyond what the command may take.
type TooBigError struct{ Size, Limit int64 }

func (e *TooBigError) Error() string {
	return fmt.Sprintf("literal of %d bytes, the limit is %d", e.Size, e.Limit)
}

// ErrDesync means that the rest of a command cannot be skipped within the
// limits. The connection is of no further use.
var ErrDesync = errors.New("command exceeds all limits")

// Limits bound what one command may cost before it is understood.
type Limits struct {
	// Command is the largest size of a command in bytes, all lines and literals
	// together, without the message of an APPEND.
	Command int64
	// Depth is how far parentheses, NOT and OR may nest.
	Depth int
	// Drain is how many bytes of a refused command are read and thrown away
	// before the connection is given up.
	Drain int64
	// Line is how long a command line may take once it has begun, Block how long
	// [BlockSize] bytes of a literal may take.
	Line, Block time.Duration
}

// BlockSize is the piece of a literal that has to arrive within Limits.Block.
const BlockSize = 64 << 10

// A Source is what a Reader needs of a connection.
type Source interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// A Literal announces bytes that follow the current line.
type Literal struct {
	Size int64
	// NonSync: the client sends without waiting (RFC 7888).
	NonSync bool
	// Binary: a literal8, which may hold NUL (RFC 3516).
	Binary bool
}

// A Reader reads commands. The first error sticks until the next command, and
// every method returns a zero value from then on; see [Reader.Err].
type Reader struct {
	src     Source
	br      *bufio.Reader
	proceed func() error
	limits  Limits

	line  []byte // current line without its end; dead once the next one is read
	long  []byte // holds a line longer than the buffer of br
	head  []byte // beginning of a line that was too long: the tag is in it
	pos   int
	used  int64
	depth int
	err   error
	// open is a literal left to the caller; left counts its unread bytes and is
	// negative as long as OpenLiteral has not been called.
	open *Literal
	left int64
}

// NewReader makes a Reader. It calls proceed to ask the client for a
// synchronising literal; proceed sends the continuation.
func NewReader(src Source, limits Limits, proceed func() error) *Reader {
	return &Reader{src: src, br: bufio.NewReaderSize(src, 16<<10), proceed: proceed, limits: limits}
}

// SetLimits changes the limits, from the next command on.
func (r *Reader) SetLimits(l Limits) { r.limits = l }

// Next waits up to idle for the first byte of a command and reads its first
// line. Errors are those of the connection, or [ErrDesync].
func (r *Reader) Next(idle time.Duration) error {
	r.used, r.depth, r.err, r.open = 0, 0, nil, nil
	r.line, r.head, r.pos = nil, nil, 0
	if r.br.Buffered() == 0 {
		if err := r.src.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		if _, err := r.br.Peek(1); err != nil {
			return err
		}
	}
	r.readLine()
	var syntax *SyntaxError
	if r.err != nil && !errors.As(r.err, &syntax) {
		return r.err
	}
	return nil
}

// Err is the first error since Next: a *SyntaxError, a *TooBigError, or an
// error of the connection.
func (r *Reader) Err() error { return r.err }

// Fail makes a syntax error of what was read.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = &SyntaxError{fmt.Sprintf(format, args...)}
	}
}

// readLine makes the next line the current one. A line that is too long is
// skipped to its end and is a syntax error.
func (r *Reader) readLine() {
	if err := r.src.SetReadDeadline(time.Now().Add(r.limits.Line)); err != nil {
		r.err = err
		return
	}
	r.pos = 0
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = r.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if int64(len(r.long)) > r.limits.Command {
				// Too long anyway. Its beginning has the tag, its end may announce a
				// literal.
				if len(r.head) == 0 {
					r.head = append(r.head, r.long[:min(len(r.long), 2*longestTag)]...)
				}
				r.long = r.long[:0]
			}
			r.long = append(r.long, line...)
			if r.used += int64(len(line)); r.used > r.limits.Command+r.limits.Drain {
				r.err = ErrDesync
				return
			}
			line, err = r.br.ReadSlice('\n')
		}
		r.used += int64(len(line))
		r.long = append(r.long, line...)
		line = r.long
	} else {
		r.used += int64(len(line))
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		r.err = err
		r.line = nil
		return
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	r.line = bytes.TrimSuffix(line, []byte("\r"))
	if r.used > r.limits.Command {
		if len(r.head) == 0 {
			r.head = append(r.head, r.line[:min(len(r.line), 2*longestTag)]...)
		}
		r.Fail("command line too long")
	}
}

// Rest returns what is left of the current line and takes it.
func (r *Reader) Rest() []byte {
	if r.err != nil {
		return nil
	}
	rest := r.line[r.pos:]
	r.pos = len(r.line)
	return rest
}

// Peek returns the next byte, 0 at the end of the line.
func (r *Reader) Peek() byte {
	if r.err != nil || r.pos >= len(r.line) {
		return 0
	}
	return r.line[r.pos]
}

// End requires the end of the command.
func (r *Reader) End() {
	if r.err == nil && r.pos != len(r.line) {
		r.Fail("unexpected %q", clip(r.line[r.pos:]))
	}
}

// Finish skips what is left of the command, including literals that the client
// sends unasked. It returns an error when the connection is of no further use.
func (r *Reader) Finish() error {
	budget := r.limits.Drain
	if r.err == nil && r.open == nil && r.pos == len(r.line) {
		// The common case; a complete command cannot end with an announcement
		// that was not consumed, or pos would stand before it.
		return nil
	}
	for {
		var lit Literal
		left := int64(-1)
		if r.open != nil {
			lit, left = *r.open, r.left
			r.open = nil
		} else {
			var ok bool
			if lit, ok = trailingLiteral(r.line); !ok {
				return r.connErr()
			}
		}
		if left < 0 { // not begun
			if !lit.NonSync {
				// The client waits for a continuation that it will not get.
				return r.connErr()
			}
			left = lit.Size
		}
		if left > budget {
			return ErrDesync
		}
		budget -= left
		if err := r.discard(left); err != nil {
			return err
		}
		r.err, r.used = nil, 0
		r.readLine()
		if err := r.connErr(); err != nil {
			return err
		}
		budget -= int64(len(r.line))
		if budget < 0 {
			return ErrDesync
		}
	}
}

// InStep says whether the connection can go on: there was no error, or only one
// about the command.
func (r *Reader) InStep() bool { return r.connErr() == nil }

// connErr is the sticky error unless it is about the command alone.
func (r *Reader) connErr() error {
	var syntax *SyntaxError
	var big *TooBigError
	if r.err == nil || errors.As(r.err, &syntax) || errors.As(r.err, &big) {
		return nil
	}
	return r.err
}

func (r *Reader) discard(n int64) error {
	for n > 0 {
		if err := r.src.SetReadDeadline(time.Now().Add(r.limits.Block)); err != nil {
			return err
		}
		k, err := r.br.Discard(int(min(n, BlockSize)))
		n -= int64(k)
		if err != nil {
			return err
		}
	}
	return nil
}

// clip shortens what the client sent for an error text, and keeps only what is
// safe in one.
func clip(b []byte) string {
	const limit = 32
	out := make([]byte, 0, limit)
	for _, c := range b {
		if len(out) == limit {
			return string(out) + "..."
		}
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}
