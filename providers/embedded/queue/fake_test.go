package queue

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/mailform/mailform/providers/embedded/store"
)

// A fakeStore is a queue in memory.
type fakeStore struct {
	dir  string
	wake chan struct{}

	mu       sync.Mutex
	entries  map[int64]*store.QueueEntry
	bodies   map[int64]string
	reports  []report
	fails    int // how many calls of QueueFinish are still to fail
	finishes int
	resolveE error
	full     bool // alice's mailbox
}

// A report is a bounce as it was committed.
type report struct {
	accounts []int64
	remote   []string
	from     string
	text     string
}

func newFakeStore(t *testing.T) *fakeStore {
	return &fakeStore{dir: t.TempDir(), wake: make(chan struct{}, 1),
		entries: map[int64]*store.QueueEntry{}, bodies: map[int64]string{}}
}

// add queues a message for recipients.
func (f *fakeStore) add(now time.Time, from, text string, to ...string) {
	f.mu.Lock()
	body := int64(len(f.bodies) + 1)
	f.bodies[body] = text
	for _, rcpt := range to {
		id := int64(len(f.entries) + 1)
		f.entries[id] = &store.QueueEntry{ID: id, Envelope: fmt.Sprintf("TX%d", body), From: from, To: rcpt,
			Body: body, Size: int64(len(text)), Created: now, Next: now}
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// put queues one entry as it is; its numbers are found here.
func (f *fakeStore) put(e store.QueueEntry, text string) { f.putAll(text, e) }

// putAll queues entries of one message.
func (f *fakeStore) putAll(text string, es ...store.QueueEntry) {
	f.mu.Lock()
	body := int64(len(f.bodies) + 1)
	f.bodies[body] = text
	for _, e := range es {
		e.ID, e.Body, e.Size, e.Envelope = int64(len(f.entries)+1), body, int64(len(text)), fmt.Sprintf("TX%d", body)
		f.entries[e.ID] = &e
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *fakeStore) QueueDue(_ context.Context, now time.Time, limit int) ([]store.QueueEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var es []store.QueueEntry
	for _, e := range f.entries {
		if !e.Next.After(now) {
			es = append(es, *e)
		}
	}
	slices.SortFunc(es, func(a, b store.QueueEntry) int {
		if c := a.Next.Compare(b.Next); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return es[:min(limit, len(es))], nil
}

func (f *fakeStore) QueueFinish(_ context.Context, results []store.QueueResult) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("database is busy")
	}
	f.finishes++
	for _, r := range results {
		e := f.entries[r.ID]
		if e == nil {
			return store.ErrNotFound
		}
		e.Attempts++
		e.Next, e.LastErr = r.Next, r.Err
		e.Warned = e.Warned || r.Warned
		if r.Done {
			delete(f.entries, r.ID)
		}
		if r.Bounce != nil {
			text, err := io.ReadAll(r.Bounce.Draft.Reader())
			if err != nil {
				return err
			}
			f.reports = append(f.reports, report{r.Bounce.Accounts, r.Bounce.Remote, r.Bounce.From, string(text)})
		}
	}
	return nil
}

func (f *fakeStore) QueueWake() <-chan struct{} { return f.wake }

func (f *fakeStore) NextDue(context.Context) (time.Time, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var next time.Time
	for _, e := range f.entries {
		if next.IsZero() || e.Next.Before(next) {
			next = e.Next
		}
	}
	return next, !next.IsZero(), nil
}

type fakeBody struct{ *bytes.Reader }

func (fakeBody) Close() error  { return nil }
func (b fakeBody) Size() int64 { return b.Reader.Size() }

func (f *fakeStore) OpenBody(_ context.Context, body int64) (store.Body, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.bodies[body]
	if !ok {
		return nil, store.ErrNotFound
	}
	return fakeBody{bytes.NewReader([]byte(text))}, nil
}

// text is that of a stored message.
func (f *fakeStore) text(body int64) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bodies[body]
}

func (f *fakeStore) NewDraft(limit int64) *store.Draft { return store.NewDraft(f.dir, limit) }

func (f *fakeStore) Resolve(_ context.Context, rcpt string) (store.Resolution, error) {
	if f.resolveE != nil {
		return store.Resolution{}, f.resolveE
	}
	switch {
	case rcpt == "alice@here.test":
		return store.Resolution{Accounts: []int64{1}}, nil
	case strings.HasSuffix(rcpt, "@here.test"):
		return store.Resolution{}, store.ErrUnknownUser
	}
	return store.Resolution{}, store.ErrUnknownDomain
}

// CheckQuota knows alice, whose mailbox holds 1,000 bytes.
func (f *fakeStore) CheckQuota(_ context.Context, _, size int64) error {
	switch {
	case size > 1000:
		return store.ErrNeverFits
	case f.full:
		return store.ErrOverQuota
	}
	return nil
}

// state returns what is left in the queue.
func (f *fakeStore) state() []store.QueueEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	var es []store.QueueEntry
	for _, e := range f.entries {
		es = append(es, *e)
	}
	slices.SortFunc(es, func(a, b store.QueueEntry) int { return int(a.ID - b.ID) })
	return es
}

func (f *fakeStore) bounced() []report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reports)
}

// A sink is a mail server that does as it is told.
type sink struct {
	srv *gosmtp.Server
	l   net.Listener

	mu       sync.Mutex
	messages []sunk
	open     []net.Conn
	wishes   []string // parameters of MAIL and RCPT, as far as they are about reports
	conns    int
	peak     int // most transactions at a time
	current  int

	onMail func(from string) error
	onRcpt func(to string) error
	onData func(text string) error
}

type sunk struct {
	from string
	to   []string
	text string
	tls  bool
	helo string
	utf8 bool
}

func newSink(t *testing.T, change func(*gosmtp.Server)) *sink {
	t.Helper()
	s := &sink{}
	s.srv = gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		s.mu.Lock()
		s.conns++
		s.open = append(s.open, c.Conn())
		s.mu.Unlock()
		return &sinkSession{s: s, c: c}, nil
	}))
	s.srv.Domain = "sink.test"
	s.srv.EnableSMTPUTF8 = true
	s.srv.ErrorLog = quiet{}
	if change != nil {
		change(s.srv)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.l = l
	done := make(chan error, 1)
	go func() { done <- s.srv.Serve(l) }()
	t.Cleanup(func() { s.srv.Close(); <-done })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *sink) got() []sunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func (s *sink) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

type sinkSession struct {
	s  *sink
	c  *gosmtp.Conn
	m  sunk
	on bool
}

func (x *sinkSession) Mail(from string, o *gosmtp.MailOptions) error {
	x.s.mu.Lock()
	f := x.s.onMail
	x.on = true
	x.s.current++
	x.s.peak = max(x.s.peak, x.s.current)
	x.s.mu.Unlock()
	_, secure := x.c.TLSConnectionState()
	x.m = sunk{from: from, tls: secure, helo: x.c.Hostname(), utf8: o.UTF8}
	if o.Return != "" || o.EnvelopeID != "" {
		x.s.wish(fmt.Sprintf("RET=%s ENVID=%s", o.Return, o.EnvelopeID))
	}
	if f != nil {
		return f(from)
	}
	return nil
}

// dropAll breaks the connections.
func (s *sink) dropAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.Close()
	}
}

func (s *sink) wish(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wishes = append(s.wishes, text)
}

func (s *sink) wished() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wishes)
}

func (x *sinkSession) Rcpt(to string, o *gosmtp.RcptOptions) error {
	if o.Notify != nil || o.OriginalRecipient != "" {
		x.s.wish(fmt.Sprintf("NOTIFY=%s ORCPT=%s;%s", o.Notify, o.OriginalRecipientType, o.OriginalRecipient))
	}
	x.s.mu.Lock()
	f := x.s.onRcpt
	x.s.mu.Unlock()
	if f != nil {
		if err := f(to); err != nil {
			return err
		}
	}
	x.m.to = append(x.m.to, to)
	return nil
}

func (x *sinkSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.m.text = string(text)
	x.s.mu.Lock()
	f := x.s.onData
	x.s.mu.Unlock()
	if f != nil {
		if err := f(x.m.text); err != nil {
			return err
		}
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.messages = append(x.s.messages, x.m)
	return nil
}

func (x *sinkSession) Reset() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if x.on {
		x.on = false
		x.s.current--
	}
}

func (x *sinkSession) Logout() error { x.Reset(); return nil }

// A world is a DNS and a network: hosts with addresses, servers behind them.
type world struct {
	mx      map[string][]*net.MX
	ip      map[string]string
	errs    map[string]error
	servers map[string]string // IP:port -> real address
	mu      sync.Mutex
	dialled []string
}

func newWorld() *world {
	return &world{mx: map[string][]*net.MX{}, ip: map[string]string{}, errs: map[string]error{}, servers: map[string]string{}}
}

// host adds a host with a server behind it (nil: nobody listens).
func (w *world) host(name, ip string, s *sink) {
	w.ip[name] = ip
	if s != nil {
		w.servers[ip+":25"] = s.l.Addr().String()
	}
}

func (w *world) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	name = strings.TrimSuffix(name, ".")
	if err := w.errs[name]; err != nil {
		return nil, err
	}
	if mx := w.mx[name]; mx != nil {
		return mx, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (w *world) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	host = strings.TrimSuffix(host, ".")
	if err := w.errs["ip "+host]; err != nil {
		return nil, err
	}
	var ips []netip.Addr
	for ip := range strings.FieldsSeq(w.ip[host]) {
		ips = append(ips, netip.MustParseAddr(ip))
	}
	if len(ips) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ips, nil
}

func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	w.dialled = append(w.dialled, addr)
	real := w.servers[addr]
	w.mu.Unlock()
	if real == "" {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, network, real)
}

func (w *world) dials() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dialled)
}

// A clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A rig is a running queue.
type rig struct {
	t     *testing.T
	store *fakeStore
	world *world
	clock *clock
	queue *Queue
	stop  func()
	log   *syncBuffer
}

func newRig(t *testing.T, w *world, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, store: newFakeStore(t), world: w, log: &syncBuffer{},
		clock: &clock{now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}}
	o := Options{
		Store: r.store, Resolver: w, Dial: w.dial, Now: r.clock.Now,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Settings: func() Settings {
			return Settings{Hostname: "mx.here.test", Addresses: []string{"192.0.2.99"}, Retry: []time.Duration{time.Minute, time.Hour}}
		},
	}
	if change != nil {
		change(&o)
	}
	r.queue = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.queue.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the queue does not end")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) add(from, text string, to ...string) {
	r.store.add(r.clock.Now(), from, text, to...)
}

// until waits for a condition.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s\nqueue %+v\nlog:\n%s", what, r.store.state(), r.log.String())
		}
		time.Sleep(time.Millisecond)
	}
}

// empty waits until the queue is empty.
func (r *rig) empty() {
	r.t.Helper()
	r.until("the queue is empty", func() bool { return len(r.store.state()) == 0 })
}

// deferred waits until every entry has had n attempts and waits for another.
func (r *rig) deferred(n int) []store.QueueEntry {
	r.t.Helper()
	r.until(fmt.Sprintf("%d attempts", n), func() bool {
		es := r.store.state()
		return len(es) > 0 && !slices.ContainsFunc(es, func(e store.QueueEntry) bool { return e.Attempts != n })
	})
	return r.store.state()
}

// later moves the clock and wakes the queue.
func (r *rig) later(d time.Duration) {
	r.clock.add(d)
	r.queue.Wake()
}

var testCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

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
