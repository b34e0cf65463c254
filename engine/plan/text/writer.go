package text

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// A writer writes lines and keeps the first error.
type writer struct {
	w *bufio.Writer
	s Style
}

func newWriter(w io.Writer, s Style) *writer { return &writer{bufio.NewWriter(w), s} }

// A tail is a text that what is written comes to the end of.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	return len(b), nil
}

// linef writes a line. bufio keeps the first error for Flush to tell.
func (w *writer) linef(format string, args ...any) {
	fmt.Fprintf(w.w, format, args...)
	w.w.WriteByte('\n')
}

// line writes a line of parts, without a format.
func (w *writer) line(parts ...string) {
	for _, p := range parts {
		w.w.WriteString(p)
	}
	w.w.WriteByte('\n')
}

func (w *writer) blank() { w.w.WriteByte('\n') }

func (w *writer) bold(s string) string { return w.tint(w.s.Palette.Bold, s) }

func (w *writer) tint(colour, s string) string {
	if colour == "" {
		return s
	}
	return colour + s + w.s.Palette.Reset
}

// symbol colours the sign of a change.
func (w *writer) symbol(sym string) string {
	p := w.s.Palette
	switch sym {
	case "+":
		return w.tint(p.Green, sym)
	case "-":
		return w.tint(p.Red, sym)
	case "~":
		return w.tint(p.Yellow, sym)
	case "+/-", "-/+":
		signs := strings.Split(sym, "/")
		return w.symbol(signs[0]) + "/" + w.symbol(signs[1])
	}
	return sym
}
