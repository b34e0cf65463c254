package pop3

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// A Store has the mailboxes. [store.Store] is one.
type Store interface {
	Mailbox(ctx context.Context, account int64, name string) (*store.Mailbox, error)
	Messages(ctx context.Context, mailbox int64) ([]store.Message, uint64, error)
	OpenBody(ctx context.Context, body int64) (store.Body, error)
	Expunge(ctx context.Context, mailbox int64, uids []uint32) ([]uint32, error)
	LockMaildrop(account int64) (release func(), ok bool)
}

// An Authenticator checks passwords; package auth has it. Errors that matter
// here are auth.ErrInvalid and auth.ErrDisabled.
type Authenticator interface {
	Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error)
}

// InsecureAuth says who may log in with a password over a connection without
// TLS.
type InsecureAuth int

const (
	// InsecureAuthLoopback: peers on a loopback address, whose bytes never leave
	// the machine. The default.
	InsecureAuthLoopback InsecureAuth = iota
	// InsecureAuthNever: nobody.
	InsecureAuthNever
	// InsecureAuthAlways: everybody. For networks that are safe by other means.
	InsecureAuthAlways
)

// Options are what a server needs. Store and Auth are required.
type Options struct {
	// Hostname for the greeting.
	Hostname string
	// TLS is asked for each new connection, so that certificates can change. With
	// nil there is no STLS.
	TLS   func() *tls.Config
	Store Store
	Auth  Authenticator
	// InsecureAuth allows USER and AUTH without TLS.
	InsecureAuth InsecureAuth
	// Logger takes what an administrator wants to know; nil: nothing is logged.
	Logger *slog.Logger
	// Limits that are zero are those of [DefaultLimits].
	Limits Limits
	// LiveLimits are asked for at each new connection; those that are zero are those
	// of Limits. Nil: there are none.
	LiveLimits func() Limits
	// Limited is told of the limit that a client was refused by; nil: nobody is.
	Limited func(limit string)
}

// Limits bound what clients can use up.
type Limits struct {
	// Connections at once, of all clients and of one; ConnectionsPerMinute are those
	// that one client begins, 0: any number. See [sessions.Limits].
	Connections, ConnectionsPerClient, ConnectionsPerMinute int
	// Exempt are networks whose clients are not counted; loopback addresses are not
	// either.
	Exempt []netip.Prefix
	// BadCommands and FailedLogins end a connection.
	BadCommands, FailedLogins int
	// Idle is how long a client may be silent (RFC 1939 §3: at least 10 minutes),
	// Greeting how long before it has logged in.
	Idle, Greeting time.Duration
	// Block is how long a block of an answer, up to 32 KiB, may take to be sent.
	Block time.Duration
}

// DefaultLimits are the limits of a server that sets none.
func DefaultLimits() Limits {
	return Limits{
		Connections:          10000,
		ConnectionsPerClient: 100,
		BadCommands:          10,
		FailedLogins:         5,
		Idle:                 10 * time.Minute,
		Greeting:             2 * time.Minute,
		Block:                2 * time.Minute,
	}
}

func (l Limits) withDefaults() Limits { return l.or(DefaultLimits()) }

// bounds are those on connections.
func (l Limits) bounds() sessions.Limits {
	return sessions.Limits{
		Connections: l.Connections, ConnectionsPerClient: l.ConnectionsPerClient,
		ConnectionsPerMinute: l.ConnectionsPerMinute, Exempt: l.Exempt,
	}
}

// or takes those that are zero from others.
func (l Limits) or(d Limits) Limits {
	setDefault(&l.Connections, d.Connections)
	setDefault(&l.ConnectionsPerClient, d.ConnectionsPerClient)
	setDefault(&l.ConnectionsPerMinute, d.ConnectionsPerMinute)
	setDefault(&l.BadCommands, d.BadCommands)
	setDefault(&l.FailedLogins, d.FailedLogins)
	setDefault(&l.Idle, d.Idle)
	setDefault(&l.Greeting, d.Greeting)
	setDefault(&l.Block, d.Block)
	return l
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
