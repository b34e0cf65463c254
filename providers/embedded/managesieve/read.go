package managesieve

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/embedded/sieve"
)

// Bounds of one command.
const (
	maxAtom    = 64
	maxQuoted  = 12 << 10 // RFC 5804 §1.2 has 1024 for clients; tokens are longer
	maxLiteral = sieve.MaxScript + 1
	maxDrained = 4 << 20 // of a literal that is too long and thrown away
	maxArgs    = 4
)

// A syntaxError is told to the client. The line that it is in has been read to
// its end.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

const errTooLong = syntaxError("This is longer than a script may be")

// An argument is a string, or a word or number as it stands.
type argument struct {
	text   string
	quoted bool
}

// source is what commands are read from.
type source interface {
	io.Reader
	ReadByte() (byte, error)
	UnreadByte() error
}

// readCommand reads a line with its literals. An error that is no syntaxError is
// the end of the connection.
func readCommand(r source) (verb string, args []argument, err error) {
	var bad syntaxError
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", nil, err
		}
		switch {
		case c == '\n':
			if bad != "" {
				return "", nil, bad
			}
			if len(args) == 0 {
				return "", nil, syntaxError("A command is missing")
			}
			return strings.ToUpper(args[0].text), args[1:], nil
		case c == '\r' || c == ' ':
			continue
		}
		if err := r.UnreadByte(); err != nil {
			return "", nil, err
		}
		a, err := readArgument(r)
		var wrong syntaxError
		switch {
		case errors.As(err, &wrong):
			if bad == "" {
				bad = wrong
			}
			if wrong != errTooLong {
				return "", nil, errors.Join(skipLine(r), bad)
			}
			continue
		case err != nil:
			return "", nil, err
		}
		if args = append(args, a); len(args) > maxArgs {
			args, bad = args[:maxArgs], "There are too many arguments"
		}
	}
}

// skipLine reads to the end of a line that makes no sense.
func skipLine(r source) error {
	for range maxQuoted {
		c, err := r.ReadByte()
		if err != nil {
			return err
		}
		if c == '\n' {
			return nil
		}
	}
	return fmt.Errorf("a line of more than %d bytes", maxQuoted)
}

func readArgument(r source) (argument, error) {
	c, err := r.ReadByte()
	if err != nil {
		return argument{}, err
	}
	var b strings.Builder
	switch c {
	case '"':
		for b.Len() <= maxQuoted {
			c, err := r.ReadByte()
			if err != nil {
				return argument{}, err
			}
			switch c {
			case '"':
				return argument{b.String(), true}, nil
			case '\r', '\n', 0:
				return argument{}, errors.Join(r.UnreadByte(), syntaxError("A quoted string has no end"))
			case '\\':
				if c, err = r.ReadByte(); err != nil {
					return argument{}, err
				}
				if c != '"' && c != '\\' {
					return argument{}, errors.Join(r.UnreadByte(), syntaxError(`In a quoted string \ stands before " or \`))
				}
			}
			b.WriteByte(c)
		}
		return argument{}, syntaxError("A quoted string is too long")
	case '{':
		return readLiteral(r)
	}
	for b.Len() <= maxAtom {
		if c <= ' ' || c > '~' {
			return argument{}, syntaxError("A word is of printable ASCII")
		}
		b.WriteByte(c)
		if c, err = r.ReadByte(); err != nil {
			return argument{}, err
		}
		if c == ' ' || c == '\r' || c == '\n' {
			return argument{b.String(), false}, r.UnreadByte()
		}
	}
	return argument{}, syntaxError("A word is too long")
}

// readLiteral reads {n+} and what follows. Clients do not wait for a word of the
// server, so what is too long has to be read as well.
func readLiteral(r source) (argument, error) {
	var digits strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return argument{}, err
		}
		if c == '}' {
			break
		}
		if digits.WriteByte(c); digits.Len() > 20 || c == '\n' {
			return argument{}, errors.New("a literal without an end of its length")
		}
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(digits.String(), "+"), 10, 32)
	if err != nil || n > maxDrained {
		return argument{}, fmt.Errorf("a literal of length %q", digits.String())
	}
	for _, want := range []byte("\r\n") {
		c, err := r.ReadByte()
		if err != nil {
			return argument{}, err
		}
		if c != want {
			return argument{}, errors.New("a literal that does not begin on a line of its own")
		}
	}
	if n > maxLiteral {
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return argument{}, err
		}
		return argument{}, errTooLong
	}
	buf := make([]byte, n)
	if _, err := io.ReadFull(r, buf); err != nil {
		return argument{}, err
	}
	return argument{string(buf), true}, nil
}

// quote writes a string as a client reads it: quoted, or as a literal.
func quote(s string) string {
	if len(s) <= 1024 && !strings.ContainsAny(s, "\r\n\x00") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return fmt.Sprintf("{%d}\r\n%s", len(s), s)
}
