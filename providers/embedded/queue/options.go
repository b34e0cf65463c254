package queue

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
)

// Store is what the queue needs of the store; *store.Store is one.
type Store interface {
	QueueDue(ctx context.Context, now time.Time, limit int) ([]store.QueueEntry, error)
	QueueFinish(ctx context.Context, results []store.QueueResult) error
	QueueWake() <-chan struct{}
	NextDue(ctx context.Context) (time.Time, bool, error)
	OpenBody(ctx context.Context, body int64) (store.Body, error)
	NewDraft(limit int64) *store.Draft
	Resolve(ctx context.Context, rcpt string) (store.Resolution, error)
	CheckQuota(ctx context.Context, account, size int64) error
}

// Resolver looks up names; *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Settings can change while the queue runs.
type Settings struct {
	// Hostname is the name in EHLO and in reports.
	Hostname string
	// Addresses are this server's own. An MX record that leads to one of them is
	// a loop.
	Addresses []string
	// RelayHost is host:port that all mail is handed to; empty: delivery by MX.
	RelayHost string
	// Relays are those for some of the mail; they come before RelayHost.
	Relays []Relay
	// Retry holds the waiting times between attempts. When an attempt fails after
	// the last of them, the message bounces. Empty: DefaultRetry.
	Retry []time.Duration
	// DelayWarning is how long a message waits until its sender is told that it
	// does; zero: DefaultDelayWarning; negative: nobody is told.
	DelayWarning time.Duration
	// Concurrency and PerDestination are those of Options, where they are not zero.
	Concurrency, PerDestination int
	// VerifiedTLS are domains whose servers need a good certificate for their names in
	// the MX records, or TLSA records that fit.
	VerifiedTLS []string
}

// DefaultDelayWarning is in the middle of what RFC 5321 §4.5.4.1 and custom have.
const DefaultDelayWarning = schema.DefaultDelayWarning

// warns says whether the sender of an entry that waits is to be told so now.
func (s *Settings) warns(e store.QueueEntry, now time.Time) bool {
	after := s.DelayWarning
	if after == 0 {
		after = DefaultDelayWarning
	}
	return after > 0 && !e.Warned && e.Asked.Delay() && now.Sub(e.Created) >= after
}

// DefaultRetry tries for a bit more than three days.
var DefaultRetry = []time.Duration{
	5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour,
	24 * time.Hour, 24 * time.Hour,
}

// Timeouts of a connection (RFC 5321 §4.5.3.2). The zero value of a field means
// its default.
type Timeouts struct {
	Dial     time.Duration // 30 s
	Command  time.Duration // greeting, EHLO, MAIL, RCPT; 5 min
	DataInit time.Duration // 2 min
	Block    time.Duration // for a piece of the message to be taken; 3 min
	DataEnd  time.Duration // 10 min
	Grace    time.Duration // for attempts under way when Run is told to stop; 30 s
}

// Options make a Queue. Store and Settings are needed.
type Options struct {
	Store    Store
	Settings func() Settings
	Resolver Resolver
	// System looks up relays, which may be known to this machine alone; nil: Resolver.
	System Resolver
	// Dial opens a TCP connection; addr has an IP address and a port.
	// Authority, where it is trusted, has mail servers judged by their TLSA records
	// (DANE); nil: nobody's are.
	Authority Authority
	// Policies knows what domains say about TLS (MTA-STS); nil: no domain does.
	Policies Policies
	// Results is told how connections were protected; nil: nobody is.
	Results Results
	// Roots vouch for certificates; nil: those of the system.
	Roots  *x509.CertPool
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	Now    func() time.Time
	Logger *slog.Logger
	// Concurrency is how many deliveries run at a time, PerDestination how many
	// of them to one domain, Recipients how many recipients one of them has.
	Concurrency, PerDestination, Recipients int // 50, 5, 100
	Timeouts                                Timeouts
}

// smtpPort is where mail for a domain is delivered.
const smtpPort = 25

func (o *Options) setDefaults() {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.System == nil {
		o.System = o.Resolver
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, v := range []struct {
		n   *int
		def int
	}{{&o.Concurrency, schema.DefaultConcurrency}, {&o.PerDestination, schema.DefaultConcurrencyPerDestination}, {&o.Recipients, 100}} {
		if *v.n <= 0 {
			*v.n = v.def
		}
	}
	t := &o.Timeouts
	for _, v := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&t.Dial, 30 * time.Second}, {&t.Command, 5 * time.Minute}, {&t.DataInit, 2 * time.Minute},
		{&t.Block, 3 * time.Minute}, {&t.DataEnd, 10 * time.Minute}, {&t.Grace, 30 * time.Second},
	} {
		if *v.d <= 0 {
			*v.d = v.def
		}
	}
}

// reader reads a stored message from its start.
func reader(b store.Body) *io.SectionReader { return io.NewSectionReader(b, 0, b.Size()) }
