package smtp

import (
	"bytes"
	"testing"
)

// engineEnd is go-smtp's state machine for the end of DATA (data.go): it returns
// how many bytes belong to the message, or -1.
func engineEnd(b []byte) int {
	const (
		beginLine = iota
		dot
		dotCR
		cr
		text
	)
	state := beginLine
	for i, c := range b {
		switch state {
		case beginLine:
			switch c {
			case '.':
				state = dot
			case '\r':
				state = cr
			default:
				state = text
			}
		case dot:
			state = text
			if c == '\r' {
				state = dotCR
			}
		case dotCR:
			if c == '\n' {
				return i + 1
			}
			state = text
		case cr:
			state = text
			if c == '\n' {
				state = beginLine
			}
		case text:
			if c == '\r' {
				state = cr
			}
		}
	}
	return -1
}

// wireEnd feeds b to lineEnds in parts of at most size bytes.
func wireEnd(b []byte, size int) int {
	var e lineEnds
	for pos := 0; pos < len(b); {
		part := b[pos:min(len(b), pos+size)]
		if i := bytes.IndexByte(part, '\n'); i >= 0 {
			part = part[:i+1]
		}
		pos += len(part)
		if e.next(part) {
			return pos
		}
	}
	return -1
}

var endSeeds = []string{
	".\r\n", "a\r\n.\r\n", "a\n.\r\n", "a\r\n.\n", "a\n.\n.\r\n", "a\r.\r\r\n.\r\n", "\r\n.\r\n",
	"a\r\r\n.\r\nMAIL\r\n.\r\n", "a\r\r\r\n.\r\n", "..\r\n.\r\n", ".\r\r\n.\r\n\r\n.\r\n", ".\r\r\r\n.\r\n",
	".x\r\n.\r\n", ".\n\r\n.\r\n", "\n.\r\n", ".", ".\r", "a\r\n. \r\n.\r\n",
}

func TestTheWireEndsAMessageWhereTheEngineDoes(t *testing.T) {
	for _, s := range endSeeds {
		for size := 1; size <= len(s); size++ {
			if got, want := wireEnd([]byte(s), size), engineEnd([]byte(s)); got != want {
				t.Errorf("%q in parts of %d: the wire ends at %d, the engine at %d", s, size, got, want)
			}
		}
	}
}

func FuzzLineEnds(f *testing.F) {
	for _, s := range endSeeds {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 1 {
			size = 1
		}
		if got, want := wireEnd(b, size), engineEnd(b); got != want {
			t.Errorf("%q in parts of %d: the wire ends at %d, the engine at %d", b, size, got, want)
		}
	})
}
