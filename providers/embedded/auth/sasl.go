package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/embedded/store"
)

// Names of SASL mechanisms.
const (
	// Plain is PLAIN (RFC 4616).
	Plain = "PLAIN"
	// OldLogin is LOGIN (draft-murchison-sasl-login), which was never an RFC, and
	// which old clients want.
	OldLogin = "LOGIN"
	// SCRAM and SCRAMPlus are SCRAM-SHA-256 (RFC 5802, RFC 7677), the second bound
	// to the TLS connection.
	SCRAM     = "SCRAM-SHA-256"
	SCRAMPlus = "SCRAM-SHA-256-PLUS"
)

// ErrResponse: what a client has sent is no response of the mechanism.
var ErrResponse = errors.New("malformed response")

// A Peer is the connection over which somebody logs in.
type Peer struct {
	// Service is what the login is for: see [Authenticator.Login].
	Service string
	// Remote is where the peer is; it may be nil.
	Remote net.Addr
	// TLS is nil where the connection has none.
	TLS *tls.ConnectionState
	// Old: mechanisms of old clients are spoken, too.
	Old bool
}

// PeerOn is the peer of a connection: raw is the one that was accepted, current
// the same or the TLS over it.
func PeerOn(raw, current net.Conn, service string) Peer {
	p := Peer{Service: service, Remote: raw.RemoteAddr()}
	if c, ok := current.(*tls.Conn); ok {
		state := c.ConnectionState()
		p.TLS = &state
	}
	return p
}

// An Exchange is one login by SASL (RFC 4422), on the side of the server. It is
// a sasl.Server of emersion's.
type Exchange interface {
	// Next takes what the client has said, decoded, and returns what to ask it. nil
	// stands for a client that has sent no initial response; an empty response is
	// empty, not nil. After done, or an error, there is nothing more to say.
	//
	// Errors are [ErrResponse] and those of [Authenticator.Login].
	Next(response []byte) (challenge []byte, done bool, err error)
	// Account is who has logged in, after done.
	Account() *store.Account
}

// Logins checks passwords; [Authenticator] is one.
type Logins interface {
	Login(ctx context.Context, address, password, service string, remote net.Addr) (*store.Account, error)
}

// Mechanic is an ability of some [Logins]: mechanisms that do not send a password.
type Mechanic interface {
	// SASLMechanisms lists what may be offered to a peer, the best first.
	SASLMechanisms(ctx context.Context, p Peer) []string
	// SASL begins a login; nil: there is no such mechanism.
	SASL(ctx context.Context, mechanism string, p Peer) Exchange
}

// Mechanisms lists what to offer to a peer that may send a password, the best
// first.
func Mechanisms(ctx context.Context, l Logins, p Peer) []string {
	var names []string
	if m, ok := l.(Mechanic); ok {
		names = m.SASLMechanisms(ctx, p)
	}
	names = append(names, Plain)
	if p.Old {
		names = append(names, OldLogin)
	}
	return names
}

// Start begins a login by a mechanism, in any letter case; nil: it is not offered.
func Start(ctx context.Context, l Logins, mechanism string, p Peer) Exchange {
	mechanism = strings.ToUpper(mechanism)
	if !slices.Contains(Mechanisms(ctx, l, p), mechanism) {
		return nil
	}
	check := func(user, password string) (*store.Account, error) {
		return l.Login(ctx, user, password, p.Service, p.Remote)
	}
	switch mechanism {
	case Plain:
		return &plain{check: check}
	case OldLogin:
		return &oldLogin{check: check}
	}
	return l.(Mechanic).SASL(ctx, mechanism, p)
}

// who is the part of an exchange that remembers who has logged in.
type who struct{ account *store.Account }

// Account implements [Exchange].
func (w *who) Account() *store.Account { return w.account }

// plain is the server side of PLAIN.
type plain struct {
	who
	check func(user, password string) (*store.Account, error)
}

// Next implements [Exchange].
func (x *plain) Next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, ErrResponse
	}
	identity, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	if identity != "" && !strings.EqualFold(identity, user) {
		// Acting for others does not exist; the answer is that to any wrong login.
		return nil, false, ErrInvalid
	}
	var err error
	x.account, err = x.check(user, password)
	return nil, err == nil, err
}

// oldLogin is the server side of LOGIN. The user name may come with the command.
type oldLogin struct {
	who
	check  func(user, password string) (*store.Account, error)
	user   string
	asking int // 0: nothing yet, 1: the user, 2: the password
}

// Next implements [Exchange].
func (x *oldLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.asking == 0 && response == nil:
		x.asking = 1
		return []byte("Username:"), false, nil
	case x.asking < 2:
		x.user, x.asking = string(response), 2
		return []byte("Password:"), false, nil
	}
	x.account, err = x.check(x.user, string(response))
	return nil, err == nil, err
}
