package cyrus

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A sieveSession speaks ManageSieve (RFC 5804) as the administrator, in the name of
// one user after the other: it logs in for each (RFC 4616 §2) and out again
// (RFC 5804 §2.14.1), all over one connection.
type sieveSession struct {
	conn   net.Conn
	r      *bufio.Reader
	secret string
}

// A sieveAnswer is what the server says to a command.
type sieveAnswer struct {
	ok   bool
	text string
	data []string // lines before it
}

func (a *sieveAnswer) err() error {
	if a.ok {
		return nil
	}
	return &errAnswer{sieveString(strings.TrimPrefix(a.text, "NO "))}
}

// openSieve takes the greeting of a connection, which it closes where that fails.
func openSieve(conn net.Conn, secret string) (*sieveSession, error) {
	s := &sieveSession{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), secret: secret}
	err := conn.SetDeadline(time.Now().Add(idle))
	if err == nil {
		var a sieveAnswer
		if a, err = readSieveAnswer(s.r); err == nil {
			err = a.err()
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ManageSieve of Cyrus: %w", err)
	}
	return s, nil
}

func (s *sieveSession) close() {
	if err := s.conn.SetDeadline(time.Now().Add(time.Second)); err == nil {
		fmt.Fprint(s.conn, "LOGOUT\r\n")
	}
	s.conn.Close()
}

// as carries out commands as a user. They are sent together; the error is of the
// connection, or that he cannot be.
func (s *sieveSession) as(ctx context.Context, user string, commands ...string) ([]sieveAnswer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.conn.SetDeadline(time.Now().Add(idle)); err != nil {
		return nil, err
	}
	login := base64.StdEncoding.EncodeToString([]byte(user + "\x00" + adminName + "\x00" + s.secret))
	if _, err := fmt.Fprintf(s.conn, "AUTHENTICATE \"PLAIN\" \"%s\"\r\n", login); err != nil {
		return nil, err
	}
	a, err := readSieveAnswer(s.r)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", user, err)
	}
	all := append(commands[:len(commands):len(commands)], "UNAUTHENTICATE")
	if _, err := fmt.Fprint(s.conn, strings.Join(all, "\r\n")+"\r\n"); err != nil {
		return nil, err
	}
	answers := make([]sieveAnswer, len(all))
	for i := range all {
		if answers[i], err = readSieveAnswer(s.r); err != nil {
			return nil, err
		}
	}
	if err := answers[len(commands)].err(); err != nil {
		return nil, fmt.Errorf("log out as %s: %w", user, err)
	}
	return answers[:len(commands)], nil
}

// readSieveAnswer reads to the line that says how it went.
func readSieveAnswer(r *bufio.Reader) (sieveAnswer, error) {
	var a sieveAnswer
	size := 0
	for {
		line, err := readLine(r)
		if err != nil {
			return a, err
		}
		if size += len(line); size > 2*maxAnswer {
			return a, errors.New("an answer is too long")
		}
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "OK", "NO":
			a.ok, a.text = word == "OK", line
			return a, nil
		case "BYE":
			return a, fmt.Errorf("Cyrus ends the session: %s", sieveString(strings.TrimPrefix(line, "BYE "))) //nolint:staticcheck // a name
		}
		a.data = append(a.data, line)
	}
}

// sieveString is what a string stands for: quoted, or a literal with its length
// before it. A code in parentheses before it says nothing to people.
func sieveString(s string) string {
	if strings.HasPrefix(s, "(") {
		if _, rest, ok := strings.Cut(s, ") "); ok {
			s = rest
		}
	}
	switch {
	case strings.HasPrefix(s, "{"):
		_, s, _ = strings.Cut(s, "}")
	case strings.HasPrefix(s, `"`):
		s = unquoted(s)
	}
	return s
}

// unquoted is a quoted string without its quotation marks and what comes behind it.
func unquoted(s string) string {
	var b strings.Builder
	for i := 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// sieveLiteral is a text as it is sent, of which nothing has to be known.
func sieveLiteral(text string) string { return fmt.Sprintf("{%d+}\r\n%s", len(text), text) }
