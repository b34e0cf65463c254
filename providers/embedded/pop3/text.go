package pop3

import (
	"bufio"
	"bytes"
)

// A textWriter writes a message as a multi-line answer (RFC 1939 §3): lines that
// begin with a dot get one more, all lines end in CRLF, a line with a dot alone
// ends it.
//
// Lines end where an LF is, with or without CR before it: some clients take
// either for a line end, and for them no message may hold the end of the answer.
type textWriter struct {
	w         *bufio.Writer
	lineStart bool
	cr        bool // the last byte was CR
}

func (t *textWriter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if t.lineStart && p[0] == '.' {
			if err := t.w.WriteByte('.'); err != nil {
				return 0, err
			}
		}
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if _, err := t.w.Write(line); err != nil {
			return 0, err
		}
		if len(line) > 0 {
			t.cr = line[len(line)-1] == '\r'
		}
		t.lineStart = false
		if ended {
			if err := t.endLine(); err != nil {
				return 0, err
			}
		}
		p = rest
	}
	return written, nil
}

func (t *textWriter) endLine() error {
	end := "\r\n"
	if t.cr {
		end = "\n"
	}
	t.lineStart, t.cr = true, false
	_, err := t.w.WriteString(end)
	return err
}

// close ends the answer.
func (t *textWriter) close() error {
	if !t.lineStart {
		if err := t.endLine(); err != nil {
			return err
		}
	}
	_, err := t.w.WriteString(".\r\n")
	return err
}
