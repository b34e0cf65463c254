package wire

import (
	"bufio"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// A Writer writes responses into a buffer; [Writer.Flush] sends them. The first
// error sticks and is returned by Flush, so that responders need not look.
type Writer struct {
	bw *bufio.Writer
	// UTF8: the client has asked for UTF-8 in strings and mailbox names
	// (ENABLE UTF8=ACCEPT or IMAP4rev2).
	UTF8    bool
	scratch [64]byte
	copyBuf []byte
}

// NewWriter makes a Writer.
func NewWriter(w io.Writer) *Writer {
	return &Writer{bw: bufio.NewWriterSize(w, 32<<10)}
}

// Raw writes s as it is.
func (w *Writer) Raw(s string) *Writer {
	w.bw.WriteString(s)
	return w
}

// Bytes writes b as it is.
func (w *Writer) Bytes(b []byte) *Writer {
	w.bw.Write(b)
	return w
}

// Line writes s and ends the line.
func (w *Writer) Line(s string) {
	w.bw.WriteString(s)
	w.End()
}

// End ends the line.
func (w *Writer) End() { w.bw.WriteString("\r\n") }

// Uint writes a number.
func (w *Writer) Uint(n uint64) *Writer {
	w.bw.Write(strconv.AppendUint(w.scratch[:0], n, 10))
	return w
}

// String writes a string: quoted where that can carry it, else as a literal.
// NUL, which neither can carry, is left out.
func (w *Writer) String(s string) *Writer {
	if w.quotable(s) {
		w.bw.WriteByte('"')
		for i := range len(s) {
			if s[i] == '"' || s[i] == '\\' {
				w.bw.WriteByte('\\')
			}
			w.bw.WriteByte(s[i])
		}
		w.bw.WriteByte('"')
		return w
	}
	clean := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] != 0 {
			clean = append(clean, s[i])
		}
	}
	w.LiteralHeader(int64(len(clean)), false)
	w.bw.Write(clean)
	return w
}

func (w *Writer) quotable(s string) bool {
	const longest = 1000 // clients have line buffers
	if len(s) > longest {
		return false
	}
	ascii := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
		ascii = ascii && s[i] < 0x80
	}
	return ascii || w.UTF8 && utf8.ValidString(s)
}

// NString writes a string, or NIL for an empty one.
func (w *Writer) NString(s string) *Writer {
	if s == "" {
		return w.Raw("NIL")
	}
	return w.String(s)
}

// AString writes a word as an atom where it is one, else as a string.
func (w *Writer) AString(s string) *Writer {
	for i := range len(s) {
		if !isAtomChar(s[i]) {
			return w.String(s)
		}
	}
	if s == "" {
		return w.String(s)
	}
	return w.Raw(s)
}

// Mailbox writes a mailbox name, in UTF-8 or modified UTF-7 as the client has
// asked for.
func (w *Writer) Mailbox(name string) *Writer {
	if !w.UTF8 {
		name = EncodeUTF7(name)
	}
	return w.String(name)
}

// Strings writes a parenthesised list of words as they are.
func (w *Writer) Strings(words []string) *Writer {
	w.bw.WriteByte('(')
	for i, s := range words {
		if i > 0 {
			w.bw.WriteByte(' ')
		}
		w.bw.WriteString(s)
	}
	w.bw.WriteByte(')')
	return w
}

// DateTime writes a quoted date-time.
func (w *Writer) DateTime(t time.Time) *Writer {
	b := append(w.scratch[:0], '"')
	b = t.AppendFormat(b, DateTimeLayout)
	w.bw.Write(append(b, '"'))
	return w
}

// LiteralHeader announces n bytes; binary makes it a literal8.
func (w *Writer) LiteralHeader(n int64, binary bool) *Writer {
	if binary {
		w.bw.WriteByte('~')
	}
	w.bw.WriteByte('{')
	w.Uint(uint64(n))
	w.bw.WriteString("}\r\n")
	return w
}

// Literal writes a literal of exactly n bytes from r. An error means that r had
// fewer: nothing sensible can follow on the connection then.
func (w *Writer) Literal(r io.Reader, n int64, binary bool) error {
	w.LiteralHeader(n, binary)
	return w.Copy(r, n)
}

// Copy writes exactly n bytes from r. The error is that of r; one of the
// connection is found by [Writer.Err].
func (w *Writer) Copy(r io.Reader, n int64) error {
	if w.copyBuf == nil {
		w.copyBuf = make([]byte, 32<<10)
	}
	for n > 0 {
		k, err := r.Read(w.copyBuf[:min(n, int64(len(w.copyBuf)))])
		if _, werr := w.bw.Write(w.copyBuf[:k]); werr != nil {
			return nil
		}
		if n -= int64(k); n > 0 && err != nil {
			return unexpected(err)
		}
	}
	return nil
}

// Err is the first error of the connection.
func (w *Writer) Err() error {
	_, err := w.bw.Write(nil)
	return err
}

// Flush sends what is buffered.
func (w *Writer) Flush() error { return w.bw.Flush() }
