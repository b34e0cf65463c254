package queue

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// A Relay is a server that mail is handed to in place of those of its domains (a
// smarthost).
type Relay struct {
	// Host is host:port.
	Host string
	// Senders and Recipients are the domains whose mail goes there; none: all.
	Senders, Recipients []string
	// Username logs in; empty: nobody does.
	Username, Password string
	// TLS is "opportunistic", "verified", "implicit", or empty for what the rest
	// suggests: a password and port 465 are worth more.
	TLS string
}

// level is how much TLS the connection needs. A password never goes without.
func (r *Relay) level() level {
	_, port, _ := net.SplitHostPort(r.Host)
	switch {
	case r.TLS == "implicit" || r.TLS == "" && port == "465":
		return implicitTLS
	case r.TLS == "verified" || r.Username != "":
		return knownTLS
	}
	return mayTLS
}

func (r *Relay) login() *Login {
	if r.Username == "" {
		return nil
	}
	return &Login{r.Username, r.Password}
}

// key tells relays apart.
func (r *Relay) key() string {
	return "relay " + r.Host + " " + strconv.Quote(r.Username) + " " + r.TLS
}

// fits says how well a relay is meant for a message: -1, it is not.
func (r *Relay) fits(from, to string) int {
	score := 0
	for i, of := range []struct {
		domains []string
		domain  string
	}{{r.Senders, from}, {r.Recipients, to}} {
		switch {
		case len(of.domains) == 0:
		case slices.Contains(of.domains, of.domain):
			score += i + 1
		default:
			return -1
		}
	}
	return score
}

// relayFor is where mail from one domain to another goes; nil: to the servers of
// its domain. What names the recipient's domain comes before what names the
// sender's, and both before either.
func (s *Settings) relayFor(from, to string) *Relay {
	var best *Relay
	if s.RelayHost != "" {
		best = &Relay{Host: s.RelayHost}
	}
	most := 0
	for i := range s.Relays {
		if n := s.Relays[i].fits(from, to); n > most || n == most && (best == nil || n == 0) {
			best, most = &s.Relays[i], n
		}
	}
	return best
}

// A Login is a name with a password.
type Login struct{ Username, Password string }

// login logs in, by the best way that the server offers.
func (c *client) login(l *Login) error {
	offered := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	for _, m := range []struct {
		name string
		make func() sasl.Client
	}{
		{"SCRAM-SHA-256", func() sasl.Client { return newSCRAM(l) }},
		{"PLAIN", func() sasl.Client { return sasl.NewPlainClient("", l.Username, l.Password) }},
		{"LOGIN", func() sasl.Client { return &loginClient{l: l} }},
	} {
		if slices.Contains(offered, m.name) {
			return c.authenticate(m.make())
		}
	}
	return &loginError{errors.New(c.host + " offers none of SCRAM-SHA-256, PLAIN and LOGIN")}
}

// A loginClient logs in by LOGIN, which has no RFC. go-sasl's sends the name before
// it is asked for, and takes no word but one for the question after the password.
type loginClient struct {
	l     *Login
	asked int
}

// Start implements sasl.Client.
func (*loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements sasl.Client.
func (c *loginClient) Next([]byte) ([]byte, error) {
	switch c.asked++; c.asked {
	case 1:
		return []byte(c.l.Username), nil
	case 2:
		return []byte(c.l.Password), nil
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// A loginError says that a relay does not let us in.
type loginError struct{ err error }

func (e *loginError) Error() string { return "log in: " + e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// isAddress says whether a relay is named by its address.
func isAddress(name string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(name)
	return a, err == nil
}
