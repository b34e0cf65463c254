package queue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dane"
	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/resolve"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

// Authority is a resolver that says what it knows to be authentic;
// *resolve.Resolver is one.
type Authority interface {
	Query(ctx context.Context, name string, typ uint16) (resolve.Answer, error)
	// Trusted: what it says of authenticity can be relied on.
	Trusted() bool
}

// Policies knows what domains say about TLS; *mtasts.Client is one.
type Policies interface {
	Policy(ctx context.Context, domain string) (*mtasts.Policy, error)
}

// Results takes down how connections were protected, for the domains that want to
// know.
type Results interface {
	Note(ctx context.Context, r tlsrpt.Result)
}

// A level is how much TLS a connection needs.
type level int

const (
	noTLS       level = iota
	mayTLS            // where it is offered, with whomever (RFC 7435)
	mustTLS           // with whomever
	knownTLS          // with a server that the certificate is of
	implicitTLS       // that, from the first byte
)

// A protection is what a connection to one host needs.
type protection struct {
	level level
	// roots vouch for the host; nil: those of the system. records do in their
	// place, if there are any, for names.
	roots   *x509.CertPool
	records []*dns.TLSA
	names   []string
	// require: the server must promise TLS for the rest of the way.
	require bool
	login   *Login
	// testing: the certificate is looked at, and a bad one changes nothing.
	testing bool
	// flaw is what was wrong with the certificate then.
	flaw *tlsError
	// policy is what is reported to have been applied.
	policy tlsrpt.Policy
	now    func() time.Time
}

// key tells connections apart that cannot stand in for each other.
func (p *protection) key(name string, addr netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d %v", name, addr, p.level, p.require)
	for _, r := range p.records {
		b.WriteString(" " + r.String())
	}
	if p.login != nil {
		// Quoted, so that no name runs into what follows.
		b.WriteString(" " + strconv.Quote(p.login.Username) + strconv.Quote(p.login.Password))
	}
	return b.String()
}

// config is for one handshake.
func (p *protection) config(host string) *tls.Config {
	return &tls.Config{
		ServerName: host,
		// Opportunistic TLS has nobody to refuse a bad certificate to. What has to be
		// checked is, below: by records or by names that need not be the host's.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			err := p.verify(host, s.PeerCertificates)
			switch {
			case err == nil:
				return nil
			case p.testing:
				p.flaw = err
				return nil
			}
			return err
		},
	}
}

// verify checks the certificates of a server as far as the protection wants.
func (p *protection) verify(host string, certs []*x509.Certificate) *tlsError {
	if p.level < knownTLS && !p.testing || len(certs) == 0 {
		return nil
	}
	if len(p.records) > 0 {
		if err := dane.Verify(p.records, certs, p.names, p.now()); err != nil {
			return &tlsError{tlsrpt.Invalid, err}
		}
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{DNSName: host, Roots: p.roots, Intermediates: between, CurrentTime: p.now()}); err != nil {
		return &tlsError{flawOf(err), err}
	}
	return nil
}

// flawOf is the word of RFC 8460 for what is wrong with a certificate.
func flawOf(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		return tlsrpt.HostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return tlsrpt.Expired
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return tlsrpt.NotTrusted
	}
	return tlsrpt.Invalid
}

// protect decides what a connection to a host needs. The outcome is set where the
// host must not be used now.
func (q *Queue) protect(ctx context.Context, rt *route, h host, m *message) (*protection, *outcome) {
	p := &protection{level: mayTLS, roots: q.o.Roots, now: q.o.Now, require: m.job.entries[0].RequireTLS,
		policy: tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: rt.domain}}
	if rt.relay != nil {
		p.level, p.login = rt.relay.level(), rt.relay.login()
		if p.require && p.level < knownTLS {
			p.level = knownTLS
		}
		return p, nil
	}
	if m.anyhow && !slices.Contains(q.o.Settings().VerifiedTLS, rt.domain) {
		return p, nil
	}
	refused := func(kind, text string) *outcome {
		q.tally(ctx, rt, p, &tlsrpt.Failure{Type: kind, MX: h.name, Reason: text})
		return &outcome{kind: deferred, status: "4.7.5", host: h.name, text: text}
	}
	records, found, err := q.tlsa(ctx, rt, h)
	switch {
	case err != nil:
		p.policy = tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: rt.domain, MX: []string{h.name}}
		return nil, refused(tlsrpt.DNSSECInvalid, "TLSA records of "+h.name+" cannot be looked up: "+err.Error())
	case found:
		p.policy = tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: rt.domain, MX: []string{h.name}}
		for _, r := range records {
			p.policy.Text = append(p.policy.Text, fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.MatchingType, r.Certificate))
		}
		if len(records) == 0 {
			p.level = mustTLS
		} else {
			p.level, p.records, p.names = knownTLS, records, []string{h.name, rt.domain}
		}
	}
	if s := rt.sts; s != nil {
		fits := s.Matches(h.name)
		if !found {
			p.policy = tlsrpt.Policy{Type: tlsrpt.STS, Text: s.Lines(), Domain: rt.domain, MX: s.MX}
		}
		text := h.name + " is not among the mail servers of " + rt.domain + "'s MTA-STS policy"
		switch {
		case s.Mode == mtasts.Enforce && !fits:
			return nil, refused(tlsrpt.Invalid, text)
		case s.Mode == mtasts.Enforce && !found:
			p.level = knownTLS
		case s.Mode == mtasts.Testing && !found && !fits:
			q.tally(ctx, rt, p, &tlsrpt.Failure{Type: tlsrpt.Invalid, MX: h.name, Reason: text})
			p.policy.Type = "" // told
		case s.Mode == mtasts.Testing && !found:
			p.testing = true
		}
	}
	if slices.Contains(q.o.Settings().VerifiedTLS, rt.domain) {
		p.level, p.testing = max(p.level, knownTLS), false
	}
	if p.require {
		// RFC 8689 §4.2.1: the name of the host must be known to be the domain's.
		if !rt.authentic && (rt.sts == nil || !rt.sts.Matches(h.name)) {
			return nil, &outcome{kind: failed, status: "5.7.30", host: h.name,
				text: "the sender requires TLS, and nothing vouches for " + h.name + " being a mail server of " + rt.domain + " (neither DNSSEC nor MTA-STS)"}
		}
		p.level = max(p.level, knownTLS)
	}
	return p, nil
}

// tlsa finds the TLSA records of a host (RFC 7672 §2.2). found says that there are
// some, which may all be unusable. An error means that nobody can say.
func (q *Queue) tlsa(ctx context.Context, rt *route, h host) (records []*dns.TLSA, found bool, err error) {
	if !rt.authentic || !q.authenticHost(ctx, h.name) {
		return nil, false, nil
	}
	a, err := q.o.Authority.Query(ctx, "_"+strconv.Itoa(smtpPort)+"._tcp."+h.name+".", dns.TypeTLSA)
	switch {
	case notFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !a.Authentic || len(a.Records) == 0:
		return nil, false, nil
	}
	return dane.Usable(a.Records), true, nil
}

// authenticHost says whether the addresses of a host are known to be its own.
func (q *Queue) authenticHost(ctx context.Context, name string) bool {
	some := false
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, err := q.o.Authority.Query(ctx, name+".", typ)
		if err != nil || !a.Authentic {
			return false
		}
		some = some || len(a.Records) > 0
	}
	return some
}

// authenticMX says whether the mail servers of a domain are known to be its own.
func (q *Queue) authenticMX(ctx context.Context, domain string) bool {
	if q.o.Authority == nil || !q.o.Authority.Trusted() {
		return false
	}
	a, err := q.o.Authority.Query(ctx, domain+".", dns.TypeMX)
	return err == nil && a.Authentic
}

// note takes down how a connection was protected.
func (q *Queue) note(ctx context.Context, rt *route, name string, addr netip.AddrPort, p *protection, c *client, te *tlsError) {
	if rt.relay != nil || p.policy.Type == "" {
		return
	}
	if te == nil {
		te = p.flaw
	}
	if te == nil && c != nil && !c.secure {
		te = &tlsError{tlsrpt.NoSTARTTLS, errors.New(name + " does not offer it")}
	}
	switch {
	case te != nil:
		f := &tlsrpt.Failure{Type: te.kind, MX: name, IP: addr.Addr().String(), Reason: te.err.Error()}
		if c != nil {
			if host, _, err := net.SplitHostPort(c.conn.LocalAddr().String()); err == nil {
				f.SendIP = host
			}
		}
		q.tally(ctx, rt, p, f)
	case c != nil:
		q.tally(ctx, rt, p, nil)
	}
}

func (q *Queue) tally(ctx context.Context, rt *route, p *protection, f *tlsrpt.Failure) {
	if q.o.Results != nil && ctx.Err() == nil {
		q.o.Results.Note(ctx, tlsrpt.Result{Domain: rt.domain, Policy: p.policy, Failure: f})
	}
}

// sts finds the MTA-STS policy of a route's domain.
func (q *Queue) sts(ctx context.Context, rt *route) *outcome {
	if q.o.Policies == nil {
		return nil
	}
	policy, err := q.o.Policies.Policy(ctx, rt.domain)
	rt.sts = policy
	var fe *mtasts.FetchError
	switch {
	case err == nil:
	case errors.As(err, &fe):
		kind := tlsrpt.STSFetchError
		var unknown *tls.CertificateVerificationError
		switch {
		case fe.Invalid:
			kind = tlsrpt.STSPolicyInvalid
		case errors.As(err, &unknown):
			kind = tlsrpt.STSWebPKIInvalid
		}
		q.o.Logger.Warn("queue: no new MTA-STS policy", "domain", rt.domain, "error", err)
		q.tally(ctx, rt, &protection{policy: tlsrpt.Policy{Type: tlsrpt.STS, Domain: rt.domain}}, &tlsrpt.Failure{Type: kind, Reason: fe.Err.Error()})
	default:
		return &outcome{kind: deferred, status: "4.4.3", text: err.Error()}
	}
	return nil
}
