package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/mailform/mailform/providers/embedded/certs"
	"github.com/mailform/mailform/providers/embedded/store"
)

// scramDirectory is a directory whose users all have verifiers for SCRAM.
type scramDirectory struct {
	*fakeDirectory
	have store.SCRAM
}

func (d *scramDirectory) SCRAM(context.Context) (store.SCRAM, error) { return d.have, nil }

func newScram(t *testing.T) (*Authenticator, *scramDirectory, *fakeClock) {
	t.Helper()
	_, dir, clock := newFixture(t, Options{})
	dir.set(store.Account{ID: 1, Address: "alice@example.com", PasswordHashes: []string{cheap, scramSecret}, IMAP: true, Mail: "enabled"})
	dir.set(store.Account{ID: 2, Address: "pia@example.com", PasswordHashes: []string{scramSecret}, POP3: true, Mail: "enabled"})
	dir.set(store.Account{ID: 3, Address: "plain@example.com", PasswordHashes: []string{cheap}, IMAP: true, Mail: "enabled"})
	dir.set(store.Account{ID: 4, Address: "a,b=c@example.com", PasswordHashes: []string{scramSecret}, IMAP: true, Mail: "enabled"})
	d := &scramDirectory{dir, store.SCRAM{Everybody: true, Sample: scramSecret, Key: []byte("a secret of the store")}}
	return New(d, Options{Clock: clock}), d, clock
}

// converse runs a login of a client to its end. tamper may change what the client
// says.
func converse(x Exchange, client *scram.ClientConversation, tamper func(step int, text string) string) (*store.Account, error) {
	challenge := ""
	for step := 1; ; step++ {
		say, err := client.Step(challenge)
		if err != nil {
			return nil, err
		}
		if tamper != nil {
			say = tamper(step, say)
		}
		next, done, err := x.Next([]byte(say))
		if err != nil {
			return nil, err
		}
		if done {
			return x.Account(), nil
		}
		challenge = string(next)
		if client.Done() {
			return nil, errors.New("the server goes on")
		}
	}
}

func client(t *testing.T, user, password, identity string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, identity)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoginBySCRAM(t *testing.T) {
	a, _, _ := newScram(t)
	for name, tc := range map[string]struct {
		user, password, identity, service string
		want                              error
	}{
		"the right password":                        {"alice@example.com", "secret", "", "imap", nil},
		"the address in capitals":                   {"ALICE@Example.com", "secret", "", "imap", nil},
		"as oneself, in so many words":              {"alice@example.com", "secret", "alice@example.com", "imap", nil},
		"as somebody else":                          {"alice@example.com", "secret", "pia@example.com", "imap", ErrInvalid},
		"the wrong password":                        {"alice@example.com", "Secret", "", "imap", ErrInvalid},
		"nobody":                                    {"nobody@example.com", "secret", "", "imap", ErrInvalid},
		"somebody without a verifier":               {"plain@example.com", "secret", "", "imap", ErrInvalid},
		"a service that the account may not use":    {"pia@example.com", "secret", "", "imap", ErrDisabled},
		"a name with characters that SCRAM escapes": {"a,b=c@example.com", "secret", "", "imap", nil},
	} {
		t.Run(name, func(t *testing.T) {
			x := Start(t.Context(), a, "scram-sha-256", Peer{Service: tc.service, Remote: loopback})
			account, err := converse(x, client(t, tc.user, tc.password, tc.identity).NewConversation(), nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if err == nil && !strings.EqualFold(account.Address, tc.user) {
				t.Errorf("%s is logged in", account.Address)
			}
		})
	}
}

func TestSCRAMIsOfferedWhereEverybodyCanUseIt(t *testing.T) {
	a, dir, _ := newScram(t)
	offered := func(p Peer) string { return strings.Join(Mechanisms(t.Context(), a, p), " ") }
	if got := offered(Peer{}); got != "SCRAM-SHA-256 PLAIN" {
		t.Errorf("without TLS %s is offered", got)
	}
	_, server := handshake(t, &tls.Config{})
	if got := offered(Peer{TLS: server, Old: true}); got != "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" {
		t.Errorf("with TLS %s is offered", got)
	}
	dir.have.Everybody = false
	if got := offered(Peer{TLS: server}); got != "PLAIN" {
		t.Errorf("where somebody cannot use it, %s is offered", got)
	}
	if Start(t.Context(), a, SCRAM, Peer{}) != nil {
		t.Error("what is not offered can be begun")
	}
}

// handshake makes a connection and returns how both sides see it.
func handshake(t *testing.T, config *tls.Config) (client, server *tls.ConnectionState) {
	t.Helper()
	m, err := certs.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Set([]certs.Name{{Hostname: "mail.example.com"}}); err != nil {
		t.Fatal(err)
	}
	c, s := net.Pipe()
	defer c.Close()
	defer s.Close()
	config.InsecureSkipVerify, config.ServerName = true, "mail.example.com"
	there, here := tls.Server(s, m.Config("mail.example.com")), tls.Client(c, config)
	done := make(chan error, 1)
	go func() { done <- there.Handshake() }()
	if err := here.Handshake(); err != nil {
		t.Fatal(err)
	}
	go here.Read(make([]byte, 1)) // tickets
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	a, b := here.ConnectionState(), there.ConnectionState()
	return &a, &b
}

func TestSCRAMIsBoundToItsConnection(t *testing.T) {
	a, _, _ := newScram(t)
	for version, config := range map[string]*tls.Config{
		"TLS 1.3": {MinVersion: tls.VersionTLS13},
		"TLS 1.2": {MaxVersion: tls.VersionTLS12},
	} {
		client13, server := handshake(t, config.Clone())
		other, _ := handshake(t, config.Clone())
		exporter := func(s *tls.ConnectionState) scram.ChannelBinding {
			b, err := scram.NewTLSExporterBinding(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		unique := scram.NewTLSUniqueBinding(client13.TLSUnique)
		alice := func() *scram.Client { return client(t, "alice@example.com", "secret", "") }
		only12 := error(nil)
		if version == "TLS 1.3" {
			only12 = ErrResponse // there is no such binding
			unique = scram.NewTLSUniqueBinding([]byte("something"))
		}
		for name, tc := range map[string]struct {
			mechanism string
			talk      *scram.ClientConversation
			want      error
		}{
			"bound by tls-exporter":                       {SCRAMPlus, alice().NewConversationWithChannelBinding(exporter(client13)), nil},
			"bound by tls-unique":                         {SCRAMPlus, alice().NewConversationWithChannelBinding(unique), only12},
			"bound to another connection":                 {SCRAMPlus, alice().NewConversationWithChannelBinding(exporter(other)), ErrInvalid},
			"the wrong password":                          {SCRAMPlus, client(t, "alice@example.com", "x", "").NewConversationWithChannelBinding(exporter(client13)), ErrInvalid},
			"a type that nobody has":                      {SCRAMPlus, alice().NewConversationWithChannelBinding(scram.ChannelBinding{Type: "tls-other", Data: []byte("x")}), ErrResponse},
			"not bound, under the name of the bound one":  {SCRAMPlus, alice().NewConversation(), ErrResponse},
			"bound, under the name of the other":          {SCRAM, alice().NewConversationWithChannelBinding(exporter(client13)), ErrResponse},
			"not bound":                                   {SCRAM, alice().NewConversation(), nil},
			"a client that was told we do not bind (n→y)": {SCRAM, alice().NewConversationAdvertisingChannelBinding(), ErrInvalid},
		} {
			t.Run(version+", "+name, func(t *testing.T) {
				x := Start(t.Context(), a, tc.mechanism, Peer{Service: "imap", Remote: loopback, TLS: server})
				if _, err := converse(x, tc.talk, nil); !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			})
		}
	}
}

func TestSCRAMDoesNotTellWhoExists(t *testing.T) {
	a, dir, _ := newScram(t)
	salt := func(user string) string {
		x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: loopback})
		challenge, _, err := x.Next([]byte("n,,n=" + user + ",r=abc"))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(challenge), ",")
		return after
	}
	known, unknown := salt("alice@example.com"), salt("nobody@example.com")
	if len(known) != len(unknown) || known[strings.LastIndex(known, ","):] != unknown[strings.LastIndex(unknown, ","):] {
		t.Errorf("the answers do not look alike: %s and %s", known, unknown)
	}
	if again := salt("NOBODY@example.com"); again != unknown {
		t.Errorf("the salt of nobody changes: %s and %s", unknown, again)
	}
	if other := salt("nobody2@example.com"); other == unknown {
		t.Error("all that are nobody have one salt")
	}
	if without := salt("plain@example.com"); len(without) != len(known) {
		t.Errorf("somebody without a verifier: %s", without)
	}
	a2 := New(dir, Options{})
	a = a2 // the server starts again
	if again := salt("nobody@example.com"); again != unknown {
		t.Errorf("after a restart the salt of nobody is another one: %s and %s", unknown, again)
	}
}

func TestGuessingBySCRAMIsSlowedDown(t *testing.T) {
	a, _, clock := newScram(t)
	for range freeFailures {
		x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: stranger})
		if _, err := converse(x, client(t, "alice@example.com", "x", "").NewConversation(), nil); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if d := clock.takeSlept(); d != 0 {
		t.Errorf("the first failures waited %v", d)
	}
	// The count is one for all ways to log in.
	if _, err := a.Login(t.Context(), "alice@example.com", "x", "pop3", stranger); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	if d := clock.takeSlept(); d != firstDelay {
		t.Errorf("a password after failures by SCRAM waited %v", d)
	}
	x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: stranger})
	if _, err := converse(x, client(t, "alice@example.com", "x", "").NewConversation(), nil); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	if d := clock.takeSlept(); d != 2*firstDelay {
		t.Errorf("SCRAM after a wrong password waited %v", d)
	}
}

func TestWhatIsNoSCRAM(t *testing.T) {
	a, _, _ := newScram(t)
	for name, lines := range map[string][]string{
		"nothing":                   {""},
		"noise":                     {"\x00\xff"},
		"too long":                  {"n,,n=" + strings.Repeat("x", maxSCRAM) + ",r=abc"},
		"no nonce":                  {"n,,n=alice@example.com"},
		"no such binding":           {"p=tls-exporter,,n=alice@example.com,r=abc"},
		"an extension that we must": {"n,,m=x,n=alice@example.com,r=abc"},
	} {
		t.Run(name, func(t *testing.T) {
			x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: loopback})
			for _, l := range lines {
				if _, _, err := x.Next([]byte(l)); !errors.Is(err, ErrResponse) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
	x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: loopback})
	if _, _, err := x.Next([]byte("n,,n=alice@example.com,r=abc")); err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{"c=biws,r=abc,p=AAAA", "", "c=biws"} {
		if _, done, err := x.Next([]byte(l)); err == nil || done {
			t.Errorf("%q: done %v, %v", l, done, err)
		}
	}
}

func TestAVerifierForSCRAM(t *testing.T) {
	for _, password := range []string{"secret", "pässwörd", "a\u00a0b", "Ⅸ", strings.Repeat("x", MaxPassword)} {
		h, err := HashSCRAM([]byte(password))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := parseSCRAM(h); err != nil || c.Iters != scramIterations {
			t.Errorf("%s: %v", h, err)
		}
		if ok, err := Verify([]string{h}, []byte(password)); !ok || err != nil {
			t.Errorf("%.10q is not the password: %v", password, err)
		}
		if ok, _ := Verify([]string{h}, []byte(password+"x")); ok {
			t.Errorf("%.10q: another password is right", password)
		}
	}
	for _, password := range []string{"", strings.Repeat("x", MaxPassword+1), "bell\a", "\u00ad"} {
		if _, err := HashSCRAM([]byte(password)); err == nil || strings.Contains(err.Error(), "bell") {
			t.Errorf("%.10q: %v", password, err)
		}
	}
}

func TestGsaslMakesTheSameVerifier(t *testing.T) {
	gsasl, err := exec.LookPath("gsasl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gsasl is not installed; .ci/peers installs it")
		}
		t.Skip("SKIPPED: gsasl is not installed")
	}
	out, err := exec.Command(gsasl, "--mkpasswd", "-m", SCRAM, "-p", "secret").Output()
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Verify([]string{strings.TrimSpace(string(out))}, []byte("secret")); !ok || err != nil {
		t.Errorf("%s: %v", out, err)
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=alice@example.com,r=abc", "c=biws,r=abc,p=AAAA")
	f.Add("p=tls-exporter,a=x,n=a=2Cb,r=abc", "c=biws")
	dir := &scramDirectory{&fakeDirectory{}, store.SCRAM{Everybody: true, Sample: scramSecret, Key: []byte("x")}}
	dir.set(store.Account{ID: 1, Address: "alice@example.com", PasswordHashes: []string{scramSecret}, IMAP: true, Mail: "enabled"})
	a := New(dir, Options{})
	f.Fuzz(func(t *testing.T, first, final string) {
		x := Start(t.Context(), a, SCRAM, Peer{Service: "imap", Remote: loopback})
		if _, _, err := x.Next([]byte(first)); err != nil {
			return
		}
		if _, _, err := x.Next([]byte(final)); err == nil {
			t.Errorf("nobody knows the password, and is let in: %q, %q", first, final)
		}
	})
}
