package queue

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/resolve"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tlsrpt"
)

// An authority vouches for what stands in a world, as far as a test wants.
type authority struct {
	w       *world
	trusted bool
	mx, ip  bool // authentic
	tlsa    []dns.RR
	tlsaOK  bool
	tlsaErr error
}

func (a *authority) Trusted() bool { return a.trusted }

func (a *authority) Query(_ context.Context, name string, typ uint16) (resolve.Answer, error) {
	switch typ {
	case dns.TypeMX:
		return resolve.Answer{Authentic: a.mx}, nil
	case dns.TypeTLSA:
		if !strings.HasPrefix(name, "_25._tcp.mx") {
			return resolve.Answer{}, errors.New("asked for " + name)
		}
		return resolve.Answer{Records: a.tlsa, Authentic: a.tlsaOK}, a.tlsaErr
	case dns.TypeA:
		return resolve.Answer{Authentic: a.ip, Records: []dns.RR{&dns.A{}}}, nil
	}
	return resolve.Answer{Authentic: a.ip}, nil
}

type policies struct {
	policy *mtasts.Policy
	err    error
}

func (p policies) Policy(context.Context, string) (*mtasts.Policy, error) { return p.policy, p.err }

type results struct {
	mu   sync.Mutex
	list []string
}

func (r *results) Note(_ context.Context, one tlsrpt.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := one.Policy.Type + " ok"
	if f := one.Failure; f != nil {
		text = one.Policy.Type + " " + f.Type
	}
	r.list = append(r.list, text)
}

func (r *results) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.list...)
}

// certificate is for one name, signed by itself, valid until a time.
func certificate(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-1000 * time.Hour), NotAfter: until, DNSNames: []string{name},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, c
}

func spki(c *x509.Certificate) []dns.RR {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return []dns.RR{&dns.TLSA{Usage: 3, Selector: 1, MatchingType: 1, Certificate: hex.EncodeToString(sum[:])}}
}

func TestWhatTLSAHostNeeds(t *testing.T) {
	clock := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	good, goodCert := certificate(t, "mx.far.test", clock.Add(time.Hour))
	stale, staleCert := certificate(t, "mx.far.test", clock.Add(-time.Hour))
	other, otherCert := certificate(t, "other.test", clock.Add(time.Hour))
	stranger, _ := certificate(t, "mx.far.test", clock.Add(time.Hour))
	roots := x509.NewCertPool()
	for _, c := range []*x509.Certificate{goodCert, staleCert, otherCert} {
		roots.AddCert(c)
	}
	enforce := &mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.far.test"}, MaxAge: time.Hour}
	rehearsal := &mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mx.far.test"}, MaxAge: time.Hour}
	elsewhere := &mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.other.test"}, MaxAge: time.Hour}
	rehearsed := &mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mx.other.test"}, MaxAge: time.Hour}
	signed := authority{trusted: true, mx: true, ip: true, tlsaOK: true}
	with := func(a authority, change func(*authority)) *authority { change(&a); return &a }
	dane := func(c *x509.Certificate) *authority { return with(signed, func(a *authority) { a.tlsa = spki(c) }) }
	for name, tt := range map[string]struct {
		cert    *tls.Certificate // nil: no STARTTLS
		a       *authority
		sts     policies
		require bool
		// verified: the settings ask for a good certificate.
		verified bool
		promise  bool   // the server offers REQUIRETLS
		text     string // of the message, if it matters
		tls      bool   // how the message went
		refused  string // status of what the queue says; empty: the message went
		results  []string
	}{
		"anything without a policy":                    {results: []string{"no-policy-found starttls-not-supported"}},
		"any certificate without a policy":             {cert: &stranger, tls: true, results: []string{"no-policy-found ok"}},
		"DANE: the right key":                          {cert: &stale, a: dane(staleCert), tls: true, results: []string{"tlsa ok"}},
		"DANE: another key":                            {cert: &stranger, a: dane(goodCert), refused: "4.7.5", results: []string{"tlsa validation-failure"}},
		"DANE: no TLS":                                 {a: dane(goodCert), refused: "4.7.5", results: []string{"tlsa starttls-not-supported"}},
		"DANE: records that cannot be used":            {cert: &stranger, a: with(signed, func(a *authority) { a.tlsa = []dns.RR{&dns.TLSA{Usage: 1}} }), tls: true, results: []string{"tlsa ok"}},
		"DANE: those, and no TLS":                      {a: with(signed, func(a *authority) { a.tlsa = []dns.RR{&dns.TLSA{Usage: 1}} }), refused: "4.7.5", results: []string{"tlsa starttls-not-supported"}},
		"DANE: nobody knows the records":               {cert: &good, a: with(signed, func(a *authority) { a.tlsaErr = errors.New("SERVFAIL") }), refused: "4.7.5", results: []string{"tlsa dnssec-invalid"}},
		"DANE: there are none":                         {a: with(signed, func(a *authority) { a.tlsaErr = &net.DNSError{IsNotFound: true} }), results: []string{"no-policy-found starttls-not-supported"}},
		"DANE: records without DNSSEC":                 {cert: &stranger, a: with(*dane(goodCert), func(a *authority) { a.tlsaOK = false }), tls: true, results: []string{"no-policy-found ok"}},
		"DANE: MX without DNSSEC":                      {cert: &stranger, a: with(*dane(goodCert), func(a *authority) { a.mx = false }), tls: true, results: []string{"no-policy-found ok"}},
		"DANE: addresses without DNSSEC":               {cert: &stranger, a: with(*dane(goodCert), func(a *authority) { a.ip = false }), tls: true, results: []string{"no-policy-found ok"}},
		"DANE: a resolver that is far away":            {cert: &stranger, a: with(*dane(goodCert), func(a *authority) { a.trusted = false }), tls: true, results: []string{"no-policy-found ok"}},
		"MTA-STS: a good certificate":                  {cert: &good, sts: policies{policy: enforce}, tls: true, results: []string{"sts ok"}},
		"MTA-STS: time is up":                          {cert: &stale, sts: policies{policy: enforce}, refused: "4.7.5", results: []string{"sts certificate-expired"}},
		"MTA-STS: another name":                        {cert: &other, sts: policies{policy: enforce}, refused: "4.7.5", results: []string{"sts certificate-host-mismatch"}},
		"MTA-STS: nobody's certificate":                {cert: &stranger, sts: policies{policy: enforce}, refused: "4.7.5", results: []string{"sts certificate-not-trusted"}},
		"MTA-STS: no TLS":                              {sts: policies{policy: enforce}, refused: "4.7.5", results: []string{"sts starttls-not-supported"}},
		"MTA-STS: a server that is not named":          {cert: &good, sts: policies{policy: elsewhere}, refused: "4.7.5", results: []string{"sts validation-failure"}},
		"MTA-STS rehearsed: a good certificate":        {cert: &good, sts: policies{policy: rehearsal}, tls: true, results: []string{"sts ok"}},
		"MTA-STS rehearsed: time is up":                {cert: &stale, sts: policies{policy: rehearsal}, tls: true, results: []string{"sts certificate-expired"}},
		"MTA-STS rehearsed: no TLS":                    {sts: policies{policy: rehearsal}, results: []string{"sts starttls-not-supported"}},
		"MTA-STS rehearsed: not named":                 {cert: &good, sts: policies{policy: rehearsed}, tls: true, results: []string{"sts validation-failure"}},
		"MTA-STS: no policy to be had":                 {cert: &stranger, sts: policies{err: &mtasts.FetchError{Domain: "far.test", Err: errors.New("404")}}, tls: true, results: []string{"sts sts-policy-fetch-error", "no-policy-found ok"}},
		"MTA-STS: nonsense, with one from before":      {cert: &good, sts: policies{policy: enforce, err: &mtasts.FetchError{Invalid: true, Err: errors.New("x")}}, tls: true, results: []string{"sts sts-policy-invalid", "sts ok"}},
		"MTA-STS: the cache is broken":                 {cert: &good, sts: policies{err: errors.New("disk full")}, refused: "4.4.3"},
		"both: DANE judges":                            {cert: &stale, a: dane(staleCert), sts: policies{policy: enforce}, tls: true, results: []string{"tlsa ok"}},
		"both: MTA-STS does not excuse":                {cert: &good, a: dane(staleCert), sts: policies{policy: enforce}, refused: "4.7.5", results: []string{"tlsa validation-failure"}},
		"both: a server that is not named":             {cert: &good, a: dane(goodCert), sts: policies{policy: elsewhere}, refused: "4.7.5", results: []string{"tlsa validation-failure"}},
		"a message that goes anyhow":                   {cert: &stranger, sts: policies{policy: enforce}, text: "Subject: x\r\ntls-required: no\r\n\r\nbody\r\n", tls: true, results: []string{"no-policy-found ok"}},
		"REQUIRETLS: a good server by MTA-STS":         {cert: &good, sts: policies{policy: rehearsal}, require: true, promise: true, tls: true, results: []string{"sts ok"}},
		"REQUIRETLS: a good server by DNSSEC":          {cert: &good, a: with(signed, func(a *authority) { a.tlsaErr = &net.DNSError{IsNotFound: true} }), require: true, promise: true, tls: true, results: []string{"no-policy-found ok"}},
		"REQUIRETLS: no promise":                       {cert: &good, sts: policies{policy: enforce}, require: true, refused: "5.7.30"},
		"verified: a good certificate":                 {cert: &good, verified: true, tls: true, results: []string{"no-policy-found ok"}},
		"verified: another name":                       {cert: &other, verified: true, refused: "4.7.5", results: []string{"no-policy-found certificate-host-mismatch"}},
		"verified: no TLS":                             {verified: true, refused: "4.7.5", results: []string{"no-policy-found starttls-not-supported"}},
		"verified: DANE judges":                        {cert: &stale, a: dane(staleCert), verified: true, tls: true, results: []string{"tlsa ok"}},
		"verified: a rehearsal does not excuse":        {cert: &stale, sts: policies{policy: rehearsal}, verified: true, refused: "4.7.5", results: []string{"sts certificate-expired"}},
		"verified: nor a message that would go anyhow": {cert: &stranger, verified: true, text: "Subject: x\r\ntls-required: no\r\n\r\nbody\r\n", refused: "4.7.5", results: []string{"no-policy-found certificate-not-trusted"}},
		"REQUIRETLS: nothing vouches":                  {cert: &good, require: true, promise: true, refused: "5.7.30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, func(srv *gosmtp.Server) {
				srv.EnableREQUIRETLS = tt.promise
				if tt.cert != nil {
					srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*tt.cert}}
				}
			})
			w, noted := single(s), &results{}
			r := newRig(t, w, func(o *Options) {
				o.Policies, o.Results, o.Roots = tt.sts, noted, roots
				if tt.a != nil {
					o.Authority = tt.a
				}
				if set := o.Settings(); tt.verified {
					set.VerifiedTLS = []string{"far.test"}
					o.Settings = func() Settings { return set }
				}
			})
			body := tt.text
			if body == "" {
				body = text
			}
			now := r.clock.Now()
			r.store.put(store.QueueEntry{From: "alice@here.test", To: "a@far.test", Created: now, Next: now, Wishes: store.Wishes{RequireTLS: tt.require}}, body)
			switch {
			case tt.refused == "" || tt.refused[0] == '5':
				r.empty()
			default:
				r.deferred(1)
			}
			got := s.got()
			if (len(got) == 1) != (tt.refused == "") {
				t.Fatalf("delivered: %+v\n%s", got, r.log.String())
			}
			if len(got) == 1 && got[0].tls != tt.tls {
				t.Errorf("with TLS: %v", got[0].tls)
			}
			if tt.refused != "" && !strings.Contains(r.log.String(), "status="+tt.refused+" ") {
				t.Errorf("no %s in\n%s", tt.refused, r.log.String())
			}
			if d := cmp.Diff(tt.results, noted.got()); d != "" {
				t.Errorf("results (-want +got):\n%s", d)
			}
		})
	}
}

// What stands in the clear behind the answer to STARTTLS is not taken for an answer
// within TLS, and there is no TLS with whoever has put it there.
func TestNothingIsInjectedBeforeOutgoingTLS(t *testing.T) {
	t.Parallel()
	good, cert := certificate(t, "mx.far.test", time.Date(2024, 1, 1, 1, 0, 0, 0, time.UTC))
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	for _, injected := range []string{"250 injected\r\n", "250-injected\r\n250 SIZE 1\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n", "x"} {
		w := single(nil)
		script(t, w, "192.0.2.1", func(c net.Conn, br *bufio.Reader) {
			fmt.Fprint(c, "220 x\r\n")
			for _, reply := range []string{"250-x\r\n250 STARTTLS\r\n", "220 go\r\n" + injected} {
				if _, err := br.ReadString('\n'); err != nil {
					return
				}
				fmt.Fprint(c, reply)
			}
			if err := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{good}}).Handshake(); err == nil {
				t.Errorf("TLS begins behind %q", injected)
			}
		})
		r := newRig(t, w, func(o *Options) {
			o.Roots = roots
			set := o.Settings()
			set.VerifiedTLS = []string{"far.test"}
			o.Settings = func() Settings { return set }
		})
		r.add("alice@here.test", text, "a@far.test")
		if es := r.deferred(1); !strings.Contains(es[0].LastErr, "between its answer to STARTTLS and TLS") {
			t.Errorf("behind %q: %q", injected, es[0].LastErr)
		}
	}
}

// A server that is not as it has to be does not keep the next one from the mail.
func TestTheNextHostMayBeProtected(t *testing.T) {
	good, cert := certificate(t, "mx2.far.test", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC))
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	bad, fine := newSink(t, nil), newSink(t, func(srv *gosmtp.Server) { srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{good}} })
	w := newWorld()
	w.mx["far.test"] = []*net.MX{{Host: "mx1.far.test.", Pref: 10}, {Host: "mx2.far.test.", Pref: 20}}
	w.host("mx1.far.test", "192.0.2.1", bad)
	w.host("mx2.far.test", "192.0.2.2", fine)
	r := newRig(t, w, func(o *Options) {
		o.Roots = roots
		o.Policies = policies{policy: &mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"*.far.test"}}}
	})
	r.add("alice@here.test", text, "a@far.test")
	r.empty()
	if len(bad.got()) != 0 || len(fine.got()) != 1 || !fine.got()[0].tls {
		t.Errorf("%+v %+v", bad.got(), fine.got())
	}
}

// Messages for one server share its connections.
func TestConnectionsAreUsedAgain(t *testing.T) {
	s := newSink(t, func(srv *gosmtp.Server) { srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{testCert()}} })
	s.onRcpt = func(to string) error {
		if strings.HasPrefix(to, "lost") {
			return smtpErr(550, 5, 1, 1, "nobody here")
		}
		return nil
	}
	r := newRig(t, single(s), func(o *Options) { o.PerDestination = 1 })
	for _, to := range []string{"a@far.test", "lost@far.test", "b@far.test", "c@far.test"} {
		r.add("alice@here.test", text, to)
	}
	r.empty()
	if n := len(s.got()); n != 3 {
		t.Errorf("%d messages", n)
	}
	if n := len(r.world.dials()); n != 1 {
		t.Errorf("%d connections", n)
	}
	// One that the server has closed meanwhile is not the message's fault.
	s.dropAll()
	r.add("alice@here.test", text, "d@far.test")
	r.empty()
	if n := len(s.got()); n != 4 {
		t.Errorf("%d messages", n)
	}
}
