package smtp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"math/big"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
	"github.com/mailform/mailform/providers/embedded/dsn"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A fakeStore has the accounts alice (1), bob (2), full (3, over quota), a
// catch-all for caught.test, a forward, and trouble on demand.
type fakeStore struct {
	dir string

	mu       sync.Mutex
	accepted []delivery
	fail     error         // of Accept
	closed   bool          // alice's account is gone
	hold     chan struct{} // Accept waits for it
	entered  chan struct{} // Accept tells that it waits
}

type delivery struct {
	id, from   string
	mailbox    string
	senders    map[string]string
	accounts   []int64
	remote     []string
	text       string // for accounts
	remoteText string // for remote
	wishes     store.Wishes
	asked      map[string]dsn.Asked
	reports    []delivery
}

func (f *fakeStore) Resolve(_ context.Context, rcpt string) (store.Resolution, error) {
	one := func(id int64) (store.Resolution, error) { return store.Resolution{Accounts: []int64{id}}, nil }
	switch rcpt {
	case "alice@d.test", "postmaster@d.test", "alice@xn--bcher-kva.test":
		return one(1)
	case "bob@d.test":
		return one(2)
	case "full@d.test":
		return store.Resolution{Accounts: []int64{3}, Limited: true}, nil
	case "crowd@d.test":
		return store.Resolution{Accounts: []int64{1, 3}, Limited: true}, nil
	case "late@d.test":
		return store.Resolution{Accounts: []int64{4}, Limited: true}, nil
	case "latecrowd@d.test":
		return store.Resolution{Accounts: []int64{1, 4}, Limited: true}, nil
	case "off@d.test":
		return store.Resolution{}, store.ErrMailDisabled
	case "broken@d.test":
		return store.Resolution{}, io.ErrNoProgress
	case "all@d.test":
		return store.Resolution{Accounts: []int64{1, 2}}, nil
	case "fwd@d.test":
		return store.Resolution{Forwards: []string{"fwd@elsewhere.test"}}, nil
	case "both@d.test":
		return store.Resolution{Accounts: []int64{1}, Forwards: []string{"fwd@elsewhere.test"}}, nil
	}
	switch domain := rcpt[strings.LastIndexByte(rcpt, '@')+1:]; domain {
	case "caught.test":
		return one(1)
	case "d.test", "xn--bcher-kva.test":
		return store.Resolution{}, store.ErrUnknownUser
	}
	return store.Resolution{}, store.ErrUnknownDomain
}

func (f *fakeStore) LocalDomain(_ context.Context, name string) (bool, error) {
	return name == "d.test" || name == "caught.test" || name == "xn--bcher-kva.test", nil
}

func (f *fakeStore) AddressesOf(_ context.Context, account int64) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || account != 1 {
		return nil, store.ErrNotFound
	}
	return []string{"alice@d.test", "al@d.test"}, nil
}

// SenderOf marks a sender as rewritten.
func (f *fakeStore) SenderOf(_ context.Context, sender, forwarder string) (string, error) {
	if sender == "" || strings.HasSuffix(sender, "@d.test") {
		return sender, nil
	}
	return "SRS0=" + strings.ReplaceAll(sender, "@", "=") + forwarder[strings.LastIndexByte(forwarder, '@'):], nil
}

func (f *fakeStore) AccountByID(_ context.Context, id int64) (*store.Account, error) {
	return &store.Account{ID: id, Address: []string{"alice", "bob", "full", "late"}[id-1] + "@d.test"}, nil
}

func (f *fakeStore) MaySend(context.Context, store.Sending) error { return nil }

func (f *fakeStore) CheckQuota(_ context.Context, account, size int64) error {
	switch {
	case account == 3 && size > 5000:
		return store.ErrNeverFits
	case account == 3, account == 4 && size > 1:
		return store.ErrOverQuota
	}
	return nil
}

func (f *fakeStore) NewDraft(limit int64) *store.Draft { return store.NewDraft(f.dir, limit) }

func (f *fakeStore) Accept(ctx context.Context, e *store.Envelope) error {
	f.mu.Lock()
	fail, hold := f.fail, f.hold
	f.mu.Unlock()
	if hold != nil {
		f.entered <- struct{}{}
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fail != nil {
		return fail
	}
	if slices.Contains(e.Accounts, 3) || slices.Contains(e.Accounts, 4) {
		return store.ErrOverQuota
	}
	d, err := f.read(e)
	if err != nil {
		return err
	}
	for _, r := range e.Reports {
		rd, err := f.read(r)
		if err != nil {
			return err
		}
		d.reports = append(d.reports, rd)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted = append(f.accepted, d)
	return nil
}

func (f *fakeStore) read(e *store.Envelope) (delivery, error) {
	d := delivery{id: e.ID, from: e.From, accounts: e.Accounts, remote: e.Remote, mailbox: e.SpecialUse, senders: e.Senders, wishes: e.Wishes, asked: e.Asked}
	text, err := io.ReadAll(e.Draft.Reader())
	if err != nil {
		return d, err
	}
	d.text, d.remoteText = string(text), string(text)
	if e.RemoteDraft != nil {
		if text, err = io.ReadAll(e.RemoteDraft.Reader()); err != nil {
			return d, err
		}
		d.remoteText = string(text)
	}
	return d, nil
}

func (f *fakeStore) deliveries() []delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.accepted)
}

// fakeAuth knows alice, and a closed account.
type fakeAuth struct{}

func (fakeAuth) Login(_ context.Context, address, password, service string, _ net.Addr) (*store.Account, error) {
	switch {
	case service != "submission":
		return nil, io.ErrNoProgress
	case address == "off@d.test" && password == "secret":
		return nil, auth.ErrDisabled
	case address == "busy@d.test":
		return nil, auth.ErrBusy
	case address == "trouble@d.test":
		return nil, io.ErrNoProgress
	case address == "alice@d.test" && password == "secret":
		return &store.Account{ID: 1, Address: "alice@d.test"}, nil
	}
	return nil, auth.ErrInvalid
}

// testCert is made once: a key costs time.
var testCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.d.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// A rig is a running server.
type rig struct {
	t     *testing.T
	store *fakeStore
	srv   *Server
	addr  string
	log   *syncBuffer
}

func newRig(t *testing.T, mode Mode, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, store: &fakeStore{dir: t.TempDir()}, log: &syncBuffer{}}
	o := Options{
		Mode: mode, Store: r.store, Auth: fakeAuth{},
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Settings: func() Settings {
			return Settings{Hostname: "mx.d.test", MaxSize: 10000,
				TLS: &tls.Config{Certificates: []tls.Certificate{testCert()}}}
		},
	}
	if change != nil {
		change(&o)
	}
	r.srv = New(o)
	r.addr = r.listen((*Server).Serve)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if strings.Contains(r.log.String(), "panic") {
			t.Errorf("panic in the log:\n%s", r.log.String())
		}
	})
	return r
}

func (r *rig) listen(serve func(*Server, net.Listener) error) string {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(r.srv, l) }()
	r.t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			r.t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// A talk is a client's side of a connection.
type talk struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
}

func (r *rig) dial() *talk {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	return newTalk(r.t, conn)
}

func newTalk(t *testing.T, conn net.Conn) *talk {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(5 * time.Minute))
	return &talk{t, conn, bufio.NewReader(conn)}
}

// hello takes the greeting and says EHLO.
func (r *rig) hello() *talk {
	c := r.dial()
	c.expect("220 mx.d.test")
	c.say("EHLO client.test", "250")
	return c
}

// login does all that comes before MAIL on a submission server.
func (r *rig) login() *talk {
	c := r.hello()
	c.startTLS()
	c.say("EHLO client.test", "250")
	c.say("AUTH PLAIN "+plain("", "alice@d.test", "secret"), "235 2")
	return c
}

func plain(identity, user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + user + "\x00" + password))
}

func (c *talk) startTLS() {
	c.t.Helper()
	c.say("STARTTLS", "220")
	c.handshake()
}

func (c *talk) handshake() {
	c.t.Helper()
	tc := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := tc.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.br = tc, bufio.NewReader(tc)
}

// send writes raw bytes.
func (c *talk) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, raw); err != nil {
		c.t.Fatalf("send %.60q: %v", raw, err)
	}
}

// reply reads a whole reply.
func (c *talk) reply() string {
	c.t.Helper()
	got, err := c.tryReply()
	if err != nil {
		c.t.Fatalf("no reply: %v (after %q)", err, got)
	}
	return got
}

func (c *talk) tryReply() (string, error) {
	var b strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		b.WriteString(line)
		if err != nil || len(line) > 3 && line[3] == ' ' {
			return b.String(), err
		}
	}
}

// expect reads a reply that begins with want.
func (c *talk) expect(want string) string {
	c.t.Helper()
	got := c.reply()
	if !strings.HasPrefix(got, want) {
		c.t.Fatalf("got %q, want %q", got, want)
	}
	return got
}

// say sends a command and expects a reply.
func (c *talk) say(line, want string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	got := c.reply()
	if !strings.HasPrefix(got, want) {
		c.t.Fatalf("%.80s: got %q, want %q", line, got, want)
	}
	return got
}

// closed expects that the server has closed the connection with nothing more to
// say.
func (c *talk) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.br)
	if len(rest) > 0 {
		c.t.Fatalf("more came: %q", rest)
	}
	if isTimeout(err) {
		c.t.Fatal("the connection is still open")
	}
}

// A sender sends content in one of SMTP's two ways and returns the reply.
type sender struct {
	name string
	send func(c *talk, content string) string
}

// senders are DATA and its twins with BDAT. Content has no dots to stuff.
var senders = []sender{
	{"DATA", func(c *talk, content string) string {
		c.t.Helper()
		c.say("DATA", "354")
		c.send(content + "\r\n.\r\n")
		return c.reply()
	}},
	{"BDAT in one chunk", func(c *talk, content string) string {
		c.t.Helper()
		content += "\r\n"
		c.send("BDAT " + itoa(len(content)) + " LAST\r\n" + content)
		return c.reply()
	}},
	{"BDAT in chunks", func(c *talk, content string) string {
		c.t.Helper()
		content += "\r\n"
		half := len(content) / 2
		c.send("BDAT " + itoa(half) + "\r\n" + content[:half])
		if got := c.reply(); !strings.HasPrefix(got, "250") {
			return got
		}
		c.send("BDAT " + itoa(len(content)-half) + "\r\n" + content[half:])
		if got := c.reply(); !strings.HasPrefix(got, "250") {
			return got
		}
		c.send("BDAT 0 LAST\r\n")
		return c.reply()
	}},
}

func itoa(n int) string { return big.NewInt(int64(n)).String() }

var queuedAs = regexp.MustCompile(`^250 2\.0\.0 OK: queued as ([A-Z2-7]{16})\r\n$`)

// A syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
