package queue

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

// A client speaks SMTP with one server. It is not go-smtp's, which greets with
// "localhost" before STARTTLS and has one timeout for all commands.
type client struct {
	host  string
	conn  *timedConn
	text  *speech
	times *Timeouts
	ext   map[string]string
	// secure: TLS protects it, as the protection of its making wants.
	secure bool
	// clean: the last transaction is over. err is what broke the connection.
	clean bool
	err   error
	// since is when it was made, uses how many messages went over it, expiry ends
	// its waiting for another.
	since  time.Time
	uses   int
	expiry *time.Timer
}

// speech is what goes over the connection. A piece, in bytes, holds most messages
// whole: one packet less, and one call of the system.
type speech struct {
	textproto.Reader
	textproto.Writer
}

const piece = 16 << 10

// A replyError is a refusal.
type replyError struct {
	command string
	code    int
	text    string // with the enhanced status code, if there is one
}

func (e *replyError) Error() string { return "refused " + e.command + ": " + e.reply() }

// reply is the reply as it came, on one line.
func (e *replyError) reply() string {
	return strconv.Itoa(e.code) + " " + strings.ReplaceAll(e.text, "\n", " ")
}

// status is the enhanced status code of the reply (RFC 3463), or one made from
// its code.
func (e *replyError) status() string {
	class := strconv.Itoa(e.code / 100)
	// It should stand on each line of a reply (RFC 2034 §4); some have it on one.
	for l := range strings.SplitSeq(e.text, "\n") {
		if s, _, _ := strings.Cut(l, " "); strings.HasPrefix(s, class+".") && validStatus(s) {
			return s
		}
	}
	return class + ".0.0"
}

func validStatus(s string) bool {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n > 999 {
			return false
		}
	}
	return len(parts) == 3
}

// A tlsError is TLS that is not as it should be. Nothing was sent but a greeting.
type tlsError struct {
	kind string // of failure, as in package tlsrpt
	err  error
}

func (e *tlsError) Error() string { return "STARTTLS: " + e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

func newClient(conn net.Conn, host string, times *Timeouts) *client {
	c := &client{host: host, times: times, since: time.Now()}
	c.use(conn)
	return c
}

func (c *client) use(conn net.Conn) {
	c.conn = &timedConn{Conn: conn, block: c.times.Block}
	c.text = &speech{*textproto.NewReader(bufio.NewReader(c.conn)), *textproto.NewWriter(bufio.NewWriterSize(c.conn, piece))}
}

// hello takes the greeting, says EHLO, and starts TLS as far as the protection
// wants it.
func (c *client) hello(ctx context.Context, name string, p *protection) error {
	if p.level == implicitTLS {
		if err := c.handshake(ctx, p); err != nil {
			return err
		}
	}
	if _, err := c.read("the connection", 220, c.times.Command); err != nil {
		return err
	}
	if err := c.ehlo(name); err != nil {
		return err
	}
	switch {
	case p.level == noTLS || p.level == implicitTLS:
		return nil
	case !c.has("STARTTLS"):
		if p.level == mayTLS {
			return nil
		}
		return &tlsError{tlsrpt.NoSTARTTLS, errors.New(c.host + " does not offer it")}
	}
	if _, err := c.command(220, c.times.Command, "STARTTLS"); err != nil {
		return &tlsError{tlsrpt.NoSTARTTLS, err}
	}
	// Nobody vouches for what was said in the clear behind the 220, whoever said it:
	// it must not pass for what is said within TLS.
	if c.text.R.Buffered() > 0 {
		return &tlsError{tlsrpt.Invalid, errors.New(c.host + " says something between its answer to STARTTLS and TLS")}
	}
	if err := c.handshake(ctx, p); err != nil {
		return err
	}
	return c.ehlo(name)
}

func (c *client) handshake(ctx context.Context, p *protection) error {
	c.conn.SetDeadline(time.Now().Add(c.times.Command))
	t := tls.Client(c.conn.Conn, p.config(c.host))
	if err := t.HandshakeContext(ctx); err != nil {
		var te *tlsError
		if errors.As(err, &te) {
			return te
		}
		return &tlsError{tlsrpt.Invalid, err}
	}
	c.use(t)
	c.secure = true
	return nil
}

func (c *client) ehlo(name string) error {
	c.ext = map[string]string{}
	text, err := c.command(250, c.times.Command, "EHLO "+name)
	var re *replyError
	if errors.As(err, &re) && re.code/100 == 5 {
		_, err = c.command(250, c.times.Command, "HELO "+name)
		return err
	}
	if err != nil {
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			key, value, _ := strings.Cut(line, " ")
			c.ext[strings.ToUpper(key)] = value
		}
	}
	return nil
}

func (c *client) has(ext string) bool { _, ok := c.ext[ext]; return ok }

// sizeLimit is the largest message the server takes; 0: it does not say.
func (c *client) sizeLimit() int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(c.ext["SIZE"]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// mail is the command that begins a transaction.
func (c *client) mail(e store.QueueEntry, m *message) string {
	line := "MAIL FROM:<" + e.From + ">"
	if c.has("SIZE") {
		line += " SIZE=" + strconv.FormatInt(m.body.Size(), 10)
	}
	if c.has("8BITMIME") {
		line += " BODY=8BITMIME"
	}
	if (m.utf8 || m.header8) && c.has("SMTPUTF8") {
		line += " SMTPUTF8"
	}
	if e.RequireTLS {
		line += " REQUIRETLS"
	}
	if c.has("DSN") {
		if e.Return != "" {
			line += " RET=" + e.Return
		}
		if e.EnvelopeID != "" {
			line += " ENVID=" + dsn.Xtext(e.EnvelopeID)
		}
	}
	return line
}

// rcpt is the command that names a recipient.
func (c *client) rcpt(e store.QueueEntry) string {
	line := "RCPT TO:<" + e.To + ">"
	if c.has("DSN") {
		if e.Asked.Notify != "" {
			line += " NOTIFY=" + e.Asked.Notify
		}
		if o := e.Asked.OriginalParameter(); o != "" {
			line += " ORCPT=" + o
		}
	}
	return line
}

// content sends the message, which has CRLF line ends, after the 354. It returns the
// text of the 250.
func (c *client) content(message io.Reader) (string, error) {
	w := c.text.DotWriter()
	if _, err := io.Copy(w, message); err != nil {
		return "", c.broken(fmt.Errorf("send message to %s: %w", c.host, err))
	}
	if err := w.Close(); err != nil {
		return "", c.broken(fmt.Errorf("send message to %s: %w", c.host, err))
	}
	return c.read("the message", 250, c.times.DataEnd)
}

// reset drops a transaction, so that another can follow.
func (c *client) reset() error {
	const patience = 10 * time.Second
	_, err := c.command(250, patience, "RSET")
	return err
}

// quit takes leave; the message is through already, so nothing depends on it.
func (c *client) quit() {
	const patience = 2 * time.Second
	c.command(221, patience, "QUIT")
}

func (c *client) close() { c.conn.Close() }

// command sends a line and reads its reply.
func (c *client) command(expect int, timeout time.Duration, line string) (string, error) {
	if err := c.write(line); err != nil {
		return "", err
	}
	verb, _, _ := strings.Cut(line, " ")
	return c.read(verb, expect, timeout)
}

func (c *client) read(command string, expect int, timeout time.Duration) (string, error) {
	if err := c.text.W.Flush(); err != nil {
		return "", c.broken(fmt.Errorf("send %s to %s: %w", command, c.host, err))
	}
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	c.conn.budget = maxReply
	code, text, err := c.reply()
	if err != nil {
		return "", c.broken(fmt.Errorf("answer of %s to %s: %w", c.host, command, err))
	}
	if code == expect || code/10 == expect {
		return text, nil
	}
	re := &replyError{command: command, code: code, text: text}
	if code == 421 {
		c.err = re // RFC 5321 §3.8: it closes the connection
	}
	return "", re
}

// reply reads a reply (RFC 5321 §4.2). Where its lines have several codes, the last
// one counts. net/textproto wants text behind each code, and copies a long reply once
// for each of its lines.
func (c *client) reply() (code int, text string, err error) {
	var lines []string
	for {
		line, err := c.text.ReadLine()
		if err != nil {
			return 0, "", err
		}
		digits, rest := line[:min(3, len(line))], line[min(3, len(line)):]
		code, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || code < 200 || code > 599 || rest != "" && rest[0] != ' ' && rest[0] != '-' {
			return 0, "", fmt.Errorf("%.80q is no reply", line)
		}
		lines = append(lines, rest[min(1, len(rest)):])
		if rest == "" || rest[0] == ' ' {
			return int(code), strings.Join(lines, "\n"), nil
		}
	}
}

// broken notes that the connection is of no use any more.
func (c *client) broken(err error) error {
	c.err = err
	return err
}

// maxReply is the longest reply that is read, in bytes.
const maxReply = 64 << 10

var errReply = errors.New("reply is too long")

// A timedConn gives each piece of a message its time, and replies a measure.
type timedConn struct {
	net.Conn
	block  time.Duration
	budget int
}

func (t *timedConn) Write(p []byte) (int, error) {
	if err := t.SetWriteDeadline(time.Now().Add(t.block)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

func (t *timedConn) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if t.budget -= n; t.budget < 0 {
		return 0, errReply
	}
	return n, err
}
