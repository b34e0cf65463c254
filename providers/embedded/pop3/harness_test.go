package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/certs"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A fakeStore has one mailbox of one account.
type fakeStore struct {
	mu       sync.Mutex
	messages []store.Message
	bodies   map[int64]string
	locked   bool
	expunged [][]uint32
	err      error // of every method

	// gate, where it is set, holds a body's reader up until it is closed; reading
	// is closed when the first has come to it.
	gate, reading chan struct{}
	once          sync.Once
}

const validity = 0x2a

func newFakeStore(bodies ...string) *fakeStore {
	s := &fakeStore{bodies: map[int64]string{}}
	for i, b := range bodies {
		s.bodies[int64(100+i)] = b
		s.messages = append(s.messages, store.Message{UID: uint32(7 + i), Size: int64(len(b)), Body: int64(100 + i)})
	}
	return s
}

func (s *fakeStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fakeStore) Mailbox(_ context.Context, account int64, name string) (*store.Mailbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if account != 1 || name != "INBOX" {
		return nil, store.ErrNotFound
	}
	return &store.Mailbox{ID: 11, UIDValidity: validity}, s.err
}

func (s *fakeStore) Messages(context.Context, int64) ([]store.Message, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages), 1, s.err
}

func (s *fakeStore) OpenBody(_ context.Context, body int64) (store.Body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.bodies[body]
	if !ok {
		return nil, store.ErrNotFound
	}
	return fakeBody{bytes.NewReader([]byte(b)), s}, s.err
}

type fakeBody struct {
	*bytes.Reader
	s *fakeStore
}

func (b fakeBody) ReadAt(p []byte, off int64) (int, error) {
	if b.s.gate != nil {
		b.s.once.Do(func() { close(b.s.reading) })
		<-b.s.gate
	}
	return b.Reader.ReadAt(p, off)
}

func (fakeBody) Close() error { return nil }

func (s *fakeStore) Expunge(_ context.Context, mailbox int64, uids []uint32) ([]uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.expunged = append(s.expunged, slices.Clone(uids))
	s.messages = slices.DeleteFunc(s.messages, func(m store.Message) bool { return slices.Contains(uids, m.UID) })
	return uids, nil
}

func (s *fakeStore) LockMaildrop(int64) (func(), bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return nil, false
	}
	s.locked = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.locked = false
	}, true
}

func (s *fakeStore) state() (locked bool, expunged [][]uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked, slices.Clone(s.expunged)
}

// A fakeAuth knows alice with the password "secret word", ida who has no POP3,
// and users that make it fail.
type fakeAuth struct{}

func (fakeAuth) Login(_ context.Context, address, password, service string, _ net.Addr) (*store.Account, error) {
	switch {
	case service != "pop3":
		return nil, fmt.Errorf("service %q", service)
	case address == "broken@example.com":
		return nil, errors.New("disk gone")
	case address == "busy@example.com":
		return nil, auth.ErrBusy
	case address == "panic@example.com":
		panic("a bug")
	case password != "secret word":
		return nil, auth.ErrInvalid
	case address == "ida@example.com":
		return nil, auth.ErrDisabled
	case address == "alice@example.com":
		return &store.Account{ID: 1, Address: address, POP3: true}, nil
	}
	return nil, auth.ErrInvalid
}

// A fixture is a running server.
type fixture struct {
	t       *testing.T
	srv     *Server
	running sync.WaitGroup
	addr    string
	ca      string // file
	trust   *tls.Config
}

func start(t *testing.T, st *fakeStore, o Options) *fixture {
	t.Helper()
	o.Store, o.Auth = st, fakeAuth{}
	return startOn(t, o, false)
}

// startWith starts a server over a store and an authenticator.
func startWith(t *testing.T, st Store, a Authenticator) *fixture {
	t.Helper()
	return startOn(t, Options{Store: st, Auth: a}, false)
}

// tlsDir is where the certificate lies that all servers have. TestMain removes it.
var tlsDir string

// certificate is made once: it takes longer than a session.
var certificate = sync.OnceValues(func() (*certs.Manager, error) {
	m, err := certs.Open(tlsDir, nil)
	if err == nil {
		err = m.Set([]certs.Name{{Hostname: "mail.example.com", Addresses: []string{"127.0.0.1"}}})
	}
	return m, err
})

func TestMain(m *testing.M) {
	var err error
	if tlsDir, err = os.MkdirTemp("", "pop3"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(tlsDir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func startOn(t *testing.T, o Options, implicitTLS bool) *fixture {
	t.Helper()
	f := &fixture{t: t}
	m, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	f.ca = m.CAFile()
	ca, err := os.ReadFile(f.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	f.trust = &tls.Config{RootCAs: pool, ServerName: "mail.example.com"}

	o.Hostname = "mail.example.com"
	o.TLS = func() *tls.Config { return m.Config("mail.example.com") }
	f.srv = New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	f.running.Go(func() {
		if err := f.srv.Serve(l, implicitTLS); !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

// stop ends the server. Only the first call does.
func (f *fixture) stop() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f.srv.Shutdown(ctx); err != nil {
		f.t.Errorf("Shutdown: %v", err)
	}
	f.running.Wait()
}

// A client speaks to the server line by line.
type client struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

// dial connects and reads the greeting.
func (f *fixture) dial() *client {
	f.t.Helper()
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	c := newClient(f.t, nc)
	c.want("+OK mail.example.com POP3 server ready")
	return c
}

func newClient(t *testing.T, nc net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &client{t, nc, bufio.NewReader(nc)}
}

// login connects and logs alice in.
func (f *fixture) login() *client {
	f.t.Helper()
	c := f.dial()
	c.send("USER alice@example.com", "PASS secret word")
	c.want("+OK Send the password")
	c.wantPrefix("+OK ")
	return c
}

// send sends lines, all at once.
func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := c.nc.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	l, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read: %v after %q", err, l)
	}
	if !strings.HasSuffix(l, "\r\n") {
		c.t.Errorf("the line %q does not end in CRLF", l)
	}
	return strings.TrimSuffix(l, "\r\n")
}

func (c *client) want(lines ...string) {
	c.t.Helper()
	for _, w := range lines {
		if got := c.line(); got != w {
			c.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func (c *client) wantPrefix(prefix string) string {
	c.t.Helper()
	got := c.line()
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("got %q, want %q…", got, prefix)
	}
	return got
}

// body reads a multi-line answer as it stands on the wire, without its end.
func (c *client) body() string {
	c.t.Helper()
	var b strings.Builder
	for {
		l := c.line()
		if l == "." {
			return b.String()
		}
		b.WriteString(l + "\r\n")
	}
}

// ask sends one line and returns the answer's first line.
func (c *client) ask(line string) string {
	c.t.Helper()
	c.send(line)
	return c.line()
}

func (c *client) wantEnd() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		rest, _ := c.r.Peek(c.r.Buffered())
		c.t.Errorf("the connection goes on: %q", string(b)+string(rest))
	} else if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.t.Errorf("the connection stays open")
	}
}

// skipToEnd reads whatever comes before the connection ends.
func (c *client) skipToEnd() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); err != nil {
		c.t.Errorf("the connection does not end: %v", err)
	}
}

// startTLS goes over to TLS after an OK to STLS.
func (c *client) startTLS(f *fixture) *client {
	c.t.Helper()
	tc := tls.Client(c.nc, f.trust)
	if err := tc.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return newClient(c.t, tc)
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("it does not come: %s", what)
}
