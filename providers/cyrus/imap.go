package cyrus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds one answer of the server, in bytes.
const maxAnswer = 1 << 20

// idle is how long the server may take for one answer.
const idle = 2 * time.Minute

// A session is an IMAP connection of the administrator. Commands are sent without
// waiting for the answers to those before: Cyrus carries them out in their order.
// go-imap's client writes each command to the network by itself and looks for the
// command that an answer belongs to among all that are on their way; a session
// sends many in one go, and knows which comes next.
type session struct {
	conn net.Conn
	r    *bufio.Reader
	next int // number of the next command
}

// An answer is what the server says to one command.
type answer struct {
	ok   bool
	text string
	data []string // untagged answers before, without "* "
}

// errAnswer is the server's refusal of a command.
type errAnswer struct{ text string }

func (e *errAnswer) Error() string { return "Cyrus answers: " + e.text }

func (a *answer) err() error {
	if a.ok {
		return nil
	}
	return &errAnswer{a.text}
}

// openSession logs in over a connection, which it closes where that fails.
func openSession(ctx context.Context, conn net.Conn, user, password string) (*session, error) {
	s := &session{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	err := func() error {
		if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		greeting, err := readLine(s.r)
		if err != nil {
			return fmt.Errorf("no greeting: %w", err)
		}
		if !strings.HasPrefix(greeting, "* OK") {
			return fmt.Errorf("it greets with %q", greeting)
		}
		var refused error
		err = s.run(ctx, []string{"LOGIN " + quoted(user) + " " + quoted(password)}, func(_ int, a answer) bool {
			refused = a.err()
			return true
		})
		return errors.Join(err, refused)
	}()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("log in to Cyrus as its administrator: %w", err)
	}
	return s, nil
}

func (s *session) close() {
	if err := s.conn.SetDeadline(time.Now().Add(time.Second)); err == nil {
		fmt.Fprintf(s.conn, "x%d LOGOUT\r\n", s.next)
	}
	s.conn.Close()
}

// window is how many commands are on their way at once: enough that the server
// never waits for one, and no more than are waited for where the rest is given up.
const window = 64

// run sends commands and hands over their answers in their order. Where each says
// no, or ctx ends, no more are sent; those on their way are waited for, since the
// server carries them out.
func (s *session) run(ctx context.Context, commands []string, each func(i int, a answer) bool) error {
	first, sent := s.next, 0
	s.next += len(commands)
	w := bufio.NewWriterSize(s.conn, 64<<10)
	more := true
	for i := 0; i < sent || more && i < len(commands); i++ {
		more = more && ctx.Err() == nil
		if more && sent-i <= window/2 {
			for ; sent < len(commands) && sent < i+window; sent++ {
				fmt.Fprintf(w, "x%d %s\r\n", first+sent, commands[sent])
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if i >= sent {
			break
		}
		if err := s.conn.SetDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		a, err := readAnswer(s.r, "x"+strconv.Itoa(first+i))
		if err != nil {
			return err
		}
		more = each(i, a) && more
	}
	return ctx.Err()
}

// readAnswer reads to the answer with a tag.
func readAnswer(r *bufio.Reader, tag string) (answer, error) {
	var a answer
	size := 0
	for {
		line, err := readLine(r)
		if err != nil {
			return a, err
		}
		if size += len(line); size > maxAnswer {
			return a, errors.New("an answer is too long")
		}
		if rest, ok := strings.CutPrefix(line, "* "); ok {
			if strings.HasPrefix(rest, "BYE") {
				return a, fmt.Errorf("Cyrus ends the session: %s", rest)
			}
			a.data = append(a.data, rest)
			continue
		}
		rest, ok := strings.CutPrefix(line, tag+" ")
		if !ok {
			return a, fmt.Errorf("%q is no answer to command %s", line, tag)
		}
		status, text, _ := strings.Cut(rest, " ")
		a.ok, a.text = status == "OK", text
		return a, nil
	}
}

// readLine reads a line with the literals in it.
func readLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return "", io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		part = strings.TrimRight(part, "\r\n")
		b.WriteString(part)
		if b.Len() > maxAnswer {
			return "", errors.New("a line is too long")
		}
		i := strings.LastIndexByte(part, '{')
		if i < 0 || !strings.HasSuffix(part, "}") {
			return b.String(), nil
		}
		n, err := strconv.ParseUint(part[i+1:len(part)-1], 10, 31)
		if err != nil {
			return b.String(), nil
		}
		if n > maxAnswer {
			return "", errors.New("a literal is too long")
		}
		literal := make([]byte, n)
		if _, err := io.ReadFull(r, literal); err != nil {
			return "", err
		}
		b.Write(literal)
	}
}

// quoted is a string of IMAP. What it cannot hold is none of ours: addresses,
// names of partitions, passwords in hexadecimal.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s) + `"`
}
