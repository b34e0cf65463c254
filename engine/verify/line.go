package verify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"time"
)

// longestAnswer is how much of one answer is read, in bytes: what a mailbox may
// hold is read by others.
const longestAnswer = 1 << 20

// A line is a conversation with a service.
type line struct {
	conn    net.Conn
	text    *textproto.Reader
	timeout time.Duration
	tags    int
}

// dial opens a conversation. With TLS from the first byte the state of the
// connection is known from then on.
func (r *runner) dial(ctx context.Context, d *door) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{LocalAddr: r.source(d)}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	l := &line{timeout: r.Timeout}
	l.over(conn)
	if d.tls {
		if err := l.secure(ctx, d.hostname); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS: %w", err), conn.Close())
		}
	}
	return l, nil
}

// neighbour is an address of the machine's own that no server is at: those that trust
// their own machine mean 127.0.0.1, and a stranger is what is wanted here.
var neighbour = net.IPv4(127, 0, 0, 9)

// source is the address that a conversation comes from; nil: any.
func (r *runner) source(d *door) net.Addr {
	if r.Source != nil {
		return &net.TCPAddr{IP: r.Source}
	}
	host, _, _ := net.SplitHostPort(d.addr)
	if ip := net.ParseIP(host); ip.To4() == nil || !ip.IsLoopback() {
		return nil
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: neighbour})
	if err != nil {
		return nil // not all systems have more than one
	}
	_ = l.Close()
	return &net.TCPAddr{IP: neighbour}
}

func (l *line) over(conn net.Conn) {
	l.conn = conn
	l.text = textproto.NewReader(bufio.NewReader(io.LimitReader(conn, longestAnswer)))
}

// secure goes on with TLS. The certificate is not judged here: what is wrong with
// it is a result of its own.
func (l *line) secure(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	c := tls.Client(l.conn, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) //nolint:gosec // judged by certify
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	l.over(c)
	return nil
}

// chain is the certificates that the service showed, its own first.
func (l *line) chain() []*x509.Certificate {
	if c, ok := l.conn.(*tls.Conn); ok {
		return c.ConnectionState().PeerCertificates
	}
	return nil
}

func (l *line) close() { _ = l.conn.Close() }

func (l *line) send(format string, args ...any) error {
	_ = l.conn.SetDeadline(time.Now().Add(l.timeout))
	_, err := fmt.Fprintf(l.conn, format+"\r\n", args...)
	return err
}

func (l *line) read() (string, error) {
	_ = l.conn.SetDeadline(time.Now().Add(l.timeout))
	return l.text.ReadLine()
}

// A reply is that of an SMTP server.
type reply struct {
	code  int
	lines []string
}

func (p reply) String() string { return fmt.Sprintf("%d %s", p.code, strings.Join(p.lines, " / ")) }

func (p reply) ok() bool { return p.code/100 == 2 }

func (l *line) reply() (reply, error) {
	_ = l.conn.SetDeadline(time.Now().Add(l.timeout))
	code, message, err := l.text.ReadResponse(0)
	return reply{code, strings.Split(message, "\n")}, err
}

// smtp sends a command and reads the reply.
func (l *line) smtp(format string, args ...any) (reply, error) {
	if err := l.send(format, args...); err != nil {
		return reply{}, err
	}
	return l.reply()
}

// pop3 sends a command and reads the first line of the answer.
func (l *line) pop3(format string, args ...any) (string, error) {
	if err := l.send(format, args...); err != nil {
		return "", err
	}
	return l.pop3OK()
}

func (l *line) pop3OK() (string, error) {
	s, err := l.read()
	if err == nil && !strings.HasPrefix(s, "+OK") {
		err = fmt.Errorf("the answer is %q", s)
	}
	return s, err
}

// dotted reads the rest of an answer that ends with a dot.
func (l *line) dotted() ([]string, error) {
	_ = l.conn.SetDeadline(time.Now().Add(l.timeout))
	return l.text.ReadDotLines()
}

// imap sends a command and reads all that comes until it is answered.
func (l *line) imap(format string, args ...any) (untagged []string, err error) {
	l.tags++
	tag := fmt.Sprintf("v%d ", l.tags)
	if err := l.send(tag+format, args...); err != nil {
		return nil, err
	}
	for {
		s, err := l.read()
		if err != nil {
			return untagged, err
		}
		if rest, ok := strings.CutPrefix(s, tag); ok {
			if !strings.HasPrefix(rest, "OK") {
				return untagged, fmt.Errorf("the answer is %q", rest)
			}
			return append(untagged, rest), nil
		}
		untagged = append(untagged, s)
	}
}
