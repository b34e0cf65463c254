package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailform/mailform/providers/embedded/dnsbl"
	"github.com/mailform/mailform/providers/embedded/milter"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// Mode is what a server is for.
type Mode int

const (
	// MTA takes mail for local recipients from anyone and offers no AUTH.
	MTA Mode = iota
	// Submission takes mail for anywhere from users who have logged in
	// (RFC 6409).
	Submission
)

// Store is what the server needs of the store; *store.Store is one.
type Store interface {
	Resolve(ctx context.Context, rcpt string) (store.Resolution, error)
	LocalDomain(ctx context.Context, name string) (bool, error)
	AddressesOf(ctx context.Context, account int64) ([]string, error)
	SenderOf(ctx context.Context, sender, forwarder string) (string, error)
	AccountByID(ctx context.Context, id int64) (*store.Account, error)
	MaySend(ctx context.Context, m store.Sending) error
	CheckQuota(ctx context.Context, account, size int64) error
	NewDraft(limit int64) *store.Draft
	Accept(ctx context.Context, e *store.Envelope) error
}

// Authenticator checks passwords and slows down those who guess;
// *auth.Authenticator is one. Any error that is not a verdict about the
// credentials (auth.ErrInvalid, auth.ErrDisabled) is answered as temporary.
type Authenticator interface {
	Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error)
}

// Signer makes DKIM-Signature fields for a message, each with its CRLF. It
// returns nothing when it has no key for the domain.
type Signer interface {
	Sign(ctx context.Context, domain string, message io.Reader) ([]byte, error)
}

// Settings can change while the server runs: they are asked for at each new
// connection and at the start of TLS. Sizes are asked for with each message.
type Settings struct {
	// Hostname is the name in the greeting and in Received fields.
	Hostname string
	// TLS is used for STARTTLS and on TLS listeners; nil: there is no TLS.
	TLS *tls.Config
	// MaxSize is the largest message accepted, in bytes; 0: DefaultMaxSize.
	MaxSize int64
	// Checks say how the senders of mail are looked at, in MTA mode.
	Checks verify.Policy
	// Exempt are networks whose clients are taken at their word: none of the
	// checks is made.
	Exempt []netip.Prefix
	// Lists are asked about clients, in MTA mode; none: nobody is asked.
	Lists []dnsbl.List
	// Greylist says how senders that nobody knows are put off; nil: they are not.
	Greylist *Greylisting
	// Limits and Timeouts: a field that is zero is as in the Options.
	Limits   Limits
	Timeouts Timeouts
	// PostmasterDomain is the domain of a bare <postmaster> (RFC 5321 §4.5.1);
	// empty: Hostname or the nearest domain above it that is local.
	PostmasterDomain string
}

// Greylisting says how senders that nobody knows are put off.
type Greylisting struct {
	store.Greylisting
	// PassSPF: whom SPF lets pass is not put off.
	PassSPF bool
	// Exempt are networks whose clients are not put off.
	Exempt []netip.Prefix
}

// DefaultMaxSize is the largest message where the settings do not say: 50 MiB.
const DefaultMaxSize = 50 << 20

func (s Settings) maxSize() int64 {
	if s.MaxSize <= 0 {
		return DefaultMaxSize
	}
	return s.MaxSize
}

// Options make a Server. Settings and Store are needed, Auth in Submission mode.
type Options struct {
	Mode Mode
	// Settings is called several times for each message, from any goroutine.
	Settings func() Settings
	Store    Store
	Auth     Authenticator
	Signer   Signer // nil: nothing is signed
	// Filters are asked for at the first message of a connection; nil: there are none.
	Filters func() []milter.Filter
	// Checker looks at senders; nil: nothing does.
	Checker Checker
	// Lists asks the lists of the settings; nil: nobody does.
	Lists dnsbl.Resolver
	// Greylist knows senders; nil: nobody does.
	Greylist Greylist
	Logger   *slog.Logger
	Limits   Limits
	Timeouts Timeouts
	// Limited is told of each limit that a client has met; nil: nobody is.
	Limited func(limit string)
	Now     func() time.Time // nil: time.Now; dates in messages
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limited == nil {
		o.Limited = func(string) {}
	}
	o.Limits, o.Timeouts = o.Limits.or(DefaultLimits()), o.Timeouts.or(DefaultTimeouts())
}
