package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// fakeTokens knows tokens by heart.
type fakeTokens struct {
	users map[string]Token
	err   error
	asked int
}

func (f *fakeTokens) Judge(_ context.Context, token string) (Token, error) {
	f.asked++
	if f.err != nil {
		return Token{}, f.err
	}
	if token == "narrow" {
		return Token{}, ErrScope
	}
	t, ok := f.users[token]
	if !ok {
		return Token{}, ErrInvalid
	}
	return t, nil
}

func (*fakeTokens) Where() (discovery, scope string) {
	return "https://login.example.com/.well-known/openid-configuration", "imap"
}

func newTokens() *fakeTokens {
	return &fakeTokens{users: map[string]Token{
		"alices": {User: "alice@example.com"}, "nobodys": {User: "nobody@example.com"}, "offs": {User: "off@example.com"}, "pias": {User: "pia@example.com"},
	}}
}

func TestBearer(t *testing.T) {
	const (
		invalid = `{"status":"invalid_token","scope":"imap","openid-configuration":"https://login.example.com/.well-known/openid-configuration"}`
		old     = `{"status":"401","schemes":"bearer","scope":"imap"}`
	)
	for name, tc := range map[string]struct {
		mechanism, said string
		challenge       string
		want            error
	}{
		"a token":                              {OAuthBearer, "n,,\x01auth=Bearer alices\x01\x01", "", nil},
		"with a user":                          {OAuthBearer, "n,a=Alice@Example.com,\x01host=mail.example.com\x01port=993\x01auth=Bearer alices\x01\x01", "", nil},
		"by a client that could bind":          {OAuthBearer, "y,a=alice@example.com,\x01auth=bearer alices\x01\x01", "", nil},
		"by XOAUTH2":                           {XOAuth2, "user=alice@example.com\x01auth=Bearer alices\x01\x01", "", nil},
		"a token that is not good":             {OAuthBearer, "n,,\x01auth=Bearer x\x01\x01", invalid, ErrInvalid},
		"the same by XOAUTH2":                  {XOAuth2, "user=alice@example.com\x01auth=Bearer x\x01\x01", old, ErrInvalid},
		"one for something else":               {OAuthBearer, "n,,\x01auth=Bearer narrow\x01\x01", strings.Replace(invalid, "invalid_token", "insufficient_scope", 1), ErrInvalid},
		"somebody else's":                      {OAuthBearer, "n,a=bob@example.com,\x01auth=Bearer alices\x01\x01", invalid, ErrInvalid},
		"of somebody who has no account":       {OAuthBearer, "n,,\x01auth=Bearer nobodys\x01\x01", invalid, ErrInvalid},
		"of somebody whose mail is disabled":   {OAuthBearer, "n,,\x01auth=Bearer offs\x01\x01", "", ErrDisabled},
		"of somebody who has POP3 alone":       {OAuthBearer, "n,,\x01auth=Bearer pias\x01\x01", "", ErrDisabled},
		"no token":                             {OAuthBearer, "n,,\x01\x01", "", ErrResponse},
		"another scheme":                       {OAuthBearer, "n,,\x01auth=Basic alices\x01\x01", "", ErrResponse},
		"two tokens":                           {OAuthBearer, "n,,\x01auth=Bearer alices\x01auth=Bearer alices\x01\x01", "", ErrResponse},
		"a channel binding":                    {OAuthBearer, "p=tls-exporter,,\x01auth=Bearer alices\x01\x01", "", ErrResponse},
		"a name that is none":                  {OAuthBearer, "n,a=x=2Dy,\x01auth=Bearer alices\x01\x01", "", ErrResponse},
		"no end":                               {OAuthBearer, "n,,\x01auth=Bearer alices\x01", "", ErrResponse},
		"a token with a blank":                 {OAuthBearer, "n,,\x01auth=Bearer ali ces\x01\x01", "", ErrResponse},
		"XOAUTH2 without a user":               {XOAuth2, "user=\x01auth=Bearer alices\x01\x01", "", ErrResponse},
		"the message of the other mechanism":   {XOAuth2, "n,,\x01auth=Bearer alices\x01\x01", "", ErrResponse},
		"more than anybody has to say":         {OAuthBearer, "n,,\x01auth=Bearer " + strings.Repeat("x", maxToken) + "\x01\x01", "", ErrResponse},
		"the message of PLAIN":                 {OAuthBearer, "\x00alice@example.com\x00secret", "", ErrResponse},
		"a user of XOAUTH2 who is another one": {XOAuth2, "user=bob@example.com\x01auth=Bearer alices\x01\x01", old, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				a, dir, _ := newFixture(t, Options{})
				dir.set(store.Account{ID: 2, Address: "off@example.com", IMAP: true, Mail: "disabled"})
				dir.set(store.Account{ID: 3, Address: "pia@example.com", POP3: true, Mail: "enabled"})
				x := NewBearer(newTokens()).Begin(t.Context(), a, tc.mechanism, Peer{Service: ServiceIMAP, Remote: loopback})
				if !first { // without an initial response
					if challenge, done, err := x.Next(nil); string(challenge) != "" || challenge == nil || done || err != nil {
						t.Fatalf("%q, %t, %v", challenge, done, err)
					}
				}
				challenge, done, err := x.Next([]byte(tc.said))
				if string(challenge) != tc.challenge {
					t.Errorf("%s", challenge)
				}
				if tc.challenge != "" {
					if done || err != nil {
						t.Fatalf("%t, %v", done, err)
					}
					_, done, err = x.Next([]byte("\x01"))
				}
				if !errors.Is(err, tc.want) || done != (tc.want == nil) {
					t.Fatalf("%t, %v; want %v", done, err, tc.want)
				}
				if done && x.Account().Address != "alice@example.com" {
					t.Errorf("%+v", x.Account())
				}
				if _, done, err := x.Next([]byte(tc.said)); done || err == nil {
					t.Errorf("it goes on: %t, %v", done, err)
				}
			}
		})
	}
	a, _, _ := newFixture(t, Options{})
	if x := NewBearer(newTokens()).Begin(t.Context(), a, Plain, Peer{}); x != nil {
		t.Errorf("it has PLAIN: %v", x)
	}
	x := NewBearer(newTokens()).Begin(t.Context(), a, OAuthBearer, Peer{Service: ServiceIMAP})
	for range 2 {
		_, _, err := x.Next([]byte{})
		if _, _, err2 := x.Next([]byte{}); err == nil && !errors.Is(err2, ErrResponse) {
			t.Errorf("nothing at all, again and again: %v", err2)
		}
	}
}

func TestWrongTokensAreSlowedDown(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	b := NewBearer(newTokens())
	login := func(token string) error {
		x := b.Begin(t.Context(), a, OAuthBearer, Peer{Service: ServiceIMAP, Remote: stranger})
		_, done, err := x.Next([]byte("n,,\x01auth=Bearer " + token + "\x01\x01"))
		if !done && err == nil {
			_, _, err = x.Next([]byte("\x01"))
		}
		return err
	}
	for range maxFailures {
		if err := login("guess"); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if clock.takeSlept() == 0 {
		t.Error("nobody had to wait")
	}
	if err := login("alices"); err != nil || clock.takeSlept() == 0 {
		t.Errorf("a good token did not have to wait for its turn: %v", err)
	}
	if _, err := a.Login(t.Context(), "alice@example.com", "wrong", "imap", stranger); !errors.Is(err, ErrInvalid) || clock.takeSlept() == 0 {
		t.Errorf("a password did not have to wait: %v", err)
	}
}

func TestTokensAreRememberedForAWhile(t *testing.T) {
	a, _, clock := newFixture(t, Options{})
	tokens := newTokens()
	tokens.users["short"] = Token{User: "alice@example.com", Until: clock.Now().Add(10 * time.Second)}
	b := NewBearer(tokens)
	login := func(token string) error {
		x := b.Begin(t.Context(), a, OAuthBearer, Peer{Service: ServiceIMAP, Remote: loopback})
		_, done, err := x.Next([]byte("n,,\x01auth=Bearer " + token + "\x01\x01"))
		if !done && err == nil {
			_, _, err = x.Next([]byte("\x01"))
		}
		return err
	}
	for _, token := range []string{"alices", "alices", "short", "short"} {
		if err := login(token); err != nil {
			t.Fatal(err)
		}
	}
	if tokens.asked != 2 {
		t.Errorf("asked %d times", tokens.asked)
	}
	clock.pass(10 * time.Second)
	tokens.users = nil
	if err := login("short"); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token that has ended: %v", err)
	}
	if err := login("alices"); err != nil {
		t.Errorf("a token that was good a short time ago: %v", err)
	}
	clock.pass(rememberToken)
	if err := login("alices"); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token that was taken back: %v", err)
	}
	tokens.err = errors.New("nobody answers")
	if err := login("alices"); err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, ErrResponse) {
		t.Errorf("an authorization server that is away: %v", err)
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("n,a=alice@example.com,\x01auth=Bearer alices\x01\x01")
	f.Add("user=alice@example.com\x01auth=Bearer alices\x01\x01")
	f.Add("y,,\x01host=x\x01port=1\x01auth=bearer  a.b-c_d~e+f/g==\x01\x01")
	f.Fuzz(func(t *testing.T, said string) {
		for _, parse := range []func(string) (string, string, error){parseOAuthBearer, parseXOAuth2} {
			user, token, err := parse(said)
			switch {
			case err != nil && !errors.Is(err, ErrResponse):
				t.Errorf("%q: %v", said, err)
			case err == nil && (!isToken(token) || strings.Contains(user, "\x01")):
				t.Errorf("%q: user %q, token %q", said, user, token)
			}
		}
	})
}
