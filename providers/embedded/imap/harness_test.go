package imap_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/store"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// password of every account in the tests.
const password = "secret"

// passwords is an authenticator without the cost of hashing.
type passwords struct{ store *store.Store }

func (p passwords) Login(ctx context.Context, address, pass, service string, _ net.Addr) (*store.Account, error) {
	a, err := p.store.Account(ctx, address)
	if errors.Is(err, store.ErrNotFound) || err == nil && pass != password {
		return nil, auth.ErrInvalid
	}
	if err != nil {
		return nil, err
	}
	if service != auth.ServiceIMAP || !a.IMAP || a.Mail == "disabled" {
		return nil, auth.ErrDisabled
	}
	return a, nil
}

// world is a server over a store of its own.
type world struct {
	t     testing.TB
	store *store.Store
	srv   *imap.Server
	addr  string
	// serving is closed, each, when a listener is done.
	serving []chan struct{}
}

// attributes of an account, as in the kind mailbox.
type attributes struct {
	Address   string   `json:"address"`
	Password  []string `json:"password_hash"`
	Quota     int64    `json:"quota"`
	Protocols []string `json:"protocols"`
	Mail      string   `json:"mail"`
}

// newWorld starts a server with the accounts alice (IMAP), quincy (IMAP, a quota
// of 2 KiB), pia (POP3 alone) and off (disabled).
func newWorld(t testing.TB, change ...func(*imap.Options)) *world {
	t.Helper()
	ctx := context.Background()
	st, err := store.Open(ctx, t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	w := &world{t: t, store: st}
	w.apply("create", "maildomain", "example.com", map[string]string{"name": "example.com"})
	for _, a := range []attributes{
		{Address: "alice@example.com", Protocols: []string{"imap", "pop3"}, Mail: "enabled"},
		{Address: "quincy@example.com", Protocols: []string{"imap"}, Mail: "enabled", Quota: 2048},
		{Address: "pia@example.com", Protocols: []string{"pop3"}, Mail: "enabled"},
		{Address: "off@example.com", Protocols: []string{"imap"}, Mail: "disabled"},
	} {
		a.Password = []string{}
		w.apply("create", "mailbox", a.Address, a)
	}
	opt := imap.Options{Hostname: "mail.example.com", Version: "1.2.3", Store: st, Auth: passwords{st}}
	for _, f := range change {
		f(&opt)
	}
	w.srv = imap.New(opt)
	w.addr = w.listen(false)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := w.srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		for _, done := range w.serving {
			<-done
		}
	})
	return w
}

func (w *world) listen(implicitTLS bool) string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.srv.Serve(l, implicitTLS); !errors.Is(err, imap.ErrServerClosed) {
			w.t.Errorf("Serve: %v", err)
		}
	}()
	w.serving = append(w.serving, done)
	return l.Addr().String()
}

func (w *world) apply(action, kind, key string, attrs any) {
	w.t.Helper()
	raw, err := json.Marshal(attrs)
	if err != nil {
		w.t.Fatal(err)
	}
	if action == "delete" {
		raw = nil
	}
	change := admin.Change{Action: action, Kind: kind, Key: key, Attrs: raw, Revision: w.revision(kind, key)}
	if _, err := w.store.ApplyChanges(context.Background(), []admin.Change{change}); err != nil {
		w.t.Fatalf("%s %s %s: %v", action, kind, key, err)
	}
}

func (w *world) revision(kind, key string) string {
	all, err := w.store.Resources(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range all {
		if r.Kind == kind && r.Key == key && !r.Retained {
			return r.Revision
		}
	}
	return ""
}

// deliver puts messages into a mailbox of alice without the server.
func (w *world) deliver(mailbox string, messages ...string) {
	w.t.Helper()
	ctx := context.Background()
	a, err := w.store.Account(ctx, "alice@example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	mb, err := w.store.Mailbox(ctx, a.ID, mailbox)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range messages {
		d := w.store.NewDraft(int64(len(m)))
		if _, err := io.WriteString(d, m); err != nil {
			w.t.Fatal(err)
		}
		when := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
		if _, _, err := w.store.Append(ctx, mb.ID, d, nil, when); err != nil {
			w.t.Fatal(err)
		}
		d.Close()
	}
}

// mail makes a small message.
func mail(subject string) string {
	return "From: bob@example.com\r\nSubject: " + subject + "\r\n\r\nText of " + subject + ".\r\n"
}

// wireClient speaks IMAP line by line.
type wireClient struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
	n    int
}

// dial connects and reads the greeting.
func (w *world) dial() *wireClient {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	c := &wireClient{t: w.t, conn: nc, br: bufio.NewReader(nc)}
	if greeting := c.line(); !strings.HasPrefix(greeting, "* OK [CAPABILITY ") {
		w.t.Fatalf("greeting is %q", greeting)
	}
	return c
}

// login connects as a user of example.com.
func (w *world) login(user string) *wireClient {
	w.t.Helper()
	c := w.dial()
	c.ok("LOGIN " + user + "@example.com " + password)
	return c
}

func (c *wireClient) send(raw string) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

var literalEnd = regexp.MustCompile(`\{([0-9]+)\}$`)

// line reads a response line; literals in it stand there with line breaks.
func (c *wireClient) line() string {
	c.t.Helper()
	s, err := c.tryLine()
	if err != nil {
		c.t.Fatalf("read: %v after %q", err, s)
	}
	return s
}

func (c *wireClient) tryLine() (string, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	var out strings.Builder
	for {
		s, err := c.br.ReadString('\n')
		if err != nil {
			return out.String() + s, err
		}
		s = strings.TrimSuffix(s, "\r\n")
		out.WriteString(s)
		m := literalEnd.FindStringSubmatch(s)
		if m == nil {
			return out.String(), nil
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return out.String(), err
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.br, b); err != nil {
			return out.String(), err
		}
		out.WriteString("\r\n" + string(b))
	}
}

// until reads up to a line with the prefix and returns the lines with it.
func (c *wireClient) until(prefix string) []string {
	c.t.Helper()
	var lines []string
	for {
		s, err := c.tryLine()
		if err != nil {
			c.t.Fatalf("%v; wanted %q after %q", err, prefix, lines)
		}
		lines = append(lines, s)
		if strings.HasPrefix(s, prefix) {
			return lines
		}
	}
}

// do sends a command and returns the lines of its answer; the last one without
// its tag.
func (c *wireClient) do(command string) []string {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("a%d ", c.n)
	c.send(tag + command + "\r\n")
	lines := c.until(tag)
	lines[len(lines)-1] = strings.TrimPrefix(lines[len(lines)-1], tag)
	return lines
}

// ok is do for a command that has to succeed; it returns the untagged lines.
func (c *wireClient) ok(command string) []string {
	c.t.Helper()
	lines := c.do(command)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK") {
		c.t.Fatalf("%s: %s", command, last)
	}
	return lines[:len(lines)-1]
}

// refused is do for a command that has to be answered by want.
func (c *wireClient) refused(command, want string) {
	c.t.Helper()
	lines := c.do(command)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		c.t.Errorf("%.60s: %q, want %q", command, last, want)
	}
}

// ended reads to the end of the connection and returns the lines before it.
func (c *wireClient) ended() []string {
	c.t.Helper()
	var lines []string
	for {
		s, err := c.tryLine()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.t.Errorf("connection ended with %v after %q", err, lines)
			}
			return lines
		}
		lines = append(lines, s)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// certificate makes a TLS configuration for mail.example.com and the pool that
// trusts it.
func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"mail.example.com"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// count is the number of messages in a mailbox of alice, as the store has it.
func (w *world) count(mailbox string) int64 {
	w.t.Helper()
	ctx := context.Background()
	a, err := w.store.Account(ctx, "alice@example.com")
	if err != nil {
		w.t.Fatal(err)
	}
	mb, err := w.store.Mailbox(ctx, a.ID, mailbox)
	if err != nil {
		w.t.Fatal(err)
	}
	return mb.Messages
}
