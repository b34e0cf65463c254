package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
)

func TestWhichRelayMailTakes(t *testing.T) {
	s := Settings{RelayHost: "all.test:25", Relays: []Relay{
		{Host: "from.test:25", Senders: []string{"here.test", "sister.test"}},
		{Host: "to.test:25", Recipients: []string{"far.test"}},
		{Host: "both.test:25", Senders: []string{"here.test"}, Recipients: []string{"far.test"}},
	}}
	for name, tt := range map[string]struct{ from, to, want string }{
		"the sender's":               {"here.test", "x.test", "from.test:25"},
		"the other sender's":         {"sister.test", "x.test", "from.test:25"},
		"the recipient's before":     {"sister.test", "far.test", "to.test:25"},
		"both before either":         {"here.test", "far.test", "both.test:25"},
		"that of all":                {"x.test", "x.test", "all.test:25"},
		"the recipient's of reports": {"", "far.test", "to.test:25"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.relayFor(tt.from, tt.to); got == nil || got.Host != tt.want {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := (&Settings{}).relayFor("a", "b"); got != nil {
		t.Errorf("without relays: %+v", got)
	}
	one := Settings{RelayHost: "old.test:25", Relays: []Relay{{Host: "all.test:587", Username: "u"}}}
	if got := one.relayFor("a", "b"); got.Host != "all.test:587" {
		t.Errorf("a relay for all: %+v", got)
	}
}

// A doorSession lets in who knows the password.
type doorSession struct {
	*sinkSession
	offers []string
	in     *[]string // how somebody came in
}

func (d *doorSession) AuthMechanisms() []string { return d.offers }

func (d *doorSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "us" || password != "secret" {
			return errors.New("no")
		}
		*d.in = append(*d.in, mech)
		return nil
	}
	if mech == "PLAIN" {
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	}
	return &loginServer{check: check}, nil
}

// A loginServer asks for a name and a password.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch {
	case l.step == 1:
		return []byte("Username:"), false, nil
	case l.step == 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

func TestLoginAtARelay(t *testing.T) {
	good, cert := certificate(t, "relay.test", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC))
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	for name, tt := range map[string]struct {
		relay   Relay
		offers  []string
		plain   bool // the server has no TLS
		want    []string
		refused string
	}{
		"PLAIN":                 {relay: Relay{Username: "us", Password: "secret"}, offers: []string{"LOGIN", "PLAIN"}, want: []string{"PLAIN"}},
		"LOGIN":                 {relay: Relay{Username: "us", Password: "secret"}, offers: []string{"LOGIN"}, want: []string{"LOGIN"}},
		"implicit TLS":          {relay: Relay{Username: "us", Password: "secret", TLS: "implicit"}, offers: []string{"PLAIN"}, want: []string{"PLAIN"}},
		"another password":      {relay: Relay{Username: "us", Password: "other"}, offers: []string{"PLAIN"}, refused: "refused AUTH"},
		"no way that is known":  {relay: Relay{Username: "us", Password: "secret"}, offers: []string{"GSSAPI"}, refused: "offers none of"},
		"no TLS, no password":   {relay: Relay{Username: "us", Password: "secret", TLS: "opportunistic"}, offers: []string{"PLAIN"}, plain: true, refused: "TLS with relay.test"},
		"another's certificate": {relay: Relay{Host: "other.test:25", Username: "us", Password: "secret"}, offers: []string{"PLAIN"}, refused: "TLS with other.test"},
		"nobody logs in":        {relay: Relay{}, offers: []string{"PLAIN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in []string
			s := newSink(t, func(srv *gosmtp.Server) {
				srv.AllowInsecureAuth = true
				if !tt.plain {
					srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{good}}
				}
			})
			s.srv.Backend = gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
				return &doorSession{&sinkSession{s: s, c: c}, tt.offers, &in}, nil
			})
			addr := s.l.Addr().String()
			if tt.relay.TLS == "implicit" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				go func() { s.srv.Serve(tls.NewListener(l, s.srv.TLSConfig)); close(done) }()
				t.Cleanup(func() { l.Close(); s.srv.Close(); <-done })
				addr = l.Addr().String()
			}
			w := newWorld()
			w.ip["relay.test"], w.ip["other.test"] = "192.0.2.7", "192.0.2.7"
			w.servers["192.0.2.7:25"] = addr
			relay := tt.relay
			if relay.Host == "" {
				relay.Host = "relay.test:25"
			}
			r := newRig(t, w, func(o *Options) {
				o.Roots = roots
				o.Settings = func() Settings { return Settings{Hostname: "mx.here.test", Relays: []Relay{relay}} }
			})
			r.add("alice@here.test", text, "a@far.test")
			if tt.refused == "" {
				r.empty()
			} else if es := r.deferred(1); !strings.Contains(es[0].LastErr, tt.refused) {
				t.Errorf("%q", es[0].LastErr)
			}
			r.stop()
			if d := cmp.Diff(tt.want, in); d != "" {
				t.Errorf("came in by (-want +got):\n%s", d)
			}
			if strings.Contains(r.log.String(), "secret") {
				t.Errorf("the password is in the log:\n%s", r.log.String())
			}
		})
	}
}

// The exchange of RFC 7677 §3.
func TestSCRAM(t *testing.T) {
	s := scramWith("user", "pencil", "rOprNGfwEbeRWgbNEkqO")
	name, first, err := s.Start()
	if err != nil || name != "SCRAM-SHA-256" || string(first) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Fatalf("%s %s %v", name, first, err)
	}
	last, err := s.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if err != nil || string(last) != want {
		t.Fatalf("%s %v", last, err)
	}
	if _, err := s.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil {
		t.Error(err)
	}
	for name, challenge := range map[string]string{
		"another nonce": "r=xOprNGfwEbeRWgbNEkqOy,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "the same nonce": "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"no salt": "r=rOprNGfwEbeRWgbNEkqOy,i=4096", "no end of work": "r=rOprNGfwEbeRWgbNEkqOy,s=W22Z,i=999999999", "an extension": "m=x,r=rOprNGfwEbeRWgbNEkqOy,s=W22Z,i=4096", "nothing": "",
		"no work at all": "r=rOprNGfwEbeRWgbNEkqOy,s=W22Z,i=0", "work twice": "r=rOprNGfwEbeRWgbNEkqOy,s=W22Z,i=4096,i=999999999",
	} {
		s := scramWith("user", "pencil", "rOprNGfwEbeRWgbNEkqO")
		s.Start()
		if _, err := s.Next([]byte(challenge)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s = scramWith("user", "pencil", "rOprNGfwEbeRWgbNEkqO")
	s.Start()
	s.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if _, err := s.Next([]byte("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err == nil {
		t.Error("a server that does not know the password is believed")
	}
}
