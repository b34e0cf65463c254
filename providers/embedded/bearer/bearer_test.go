package bearer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// An issuer is an authorization server.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	keys   []jose.JSONWebKey
	tokens map[string]string // what introspection answers
	asked  map[string]int    // by path
	down   bool
	ends   string // what is answered in place of anything
	now    time.Time
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	s := &issuer{tokens: map[string]string{}, asked: map[string]int{}, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *issuer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.URL.Path]++
	switch {
	case s.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case s.ends != "":
		_, _ = w.Write([]byte(s.ends))
	case r.URL.Path == "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
	case r.URL.Path == "/keys":
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: s.keys})
	case r.URL.Path == "/introspect":
		id, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || id != "mail%3Aform" || secret != "s%26cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, ok := s.tokens[r.PostFormValue("token")]
		if !ok {
			text = `{"active":false}`
		}
		_, _ = w.Write([]byte(text))
	case r.URL.Path == "/elsewhere":
		http.Redirect(w, r, "/introspect", http.StatusTemporaryRedirect)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *issuer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *issuer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *issuer) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// publish makes a key, which the issuer shows, and returns what signs with it.
func (s *issuer) publish(t *testing.T, name string) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.keys = append(s.keys, jose.JSONWebKey{Key: private.Public(), KeyID: name, Use: "sig"}) })
	return signer{jose.ES256, private, name}
}

type signer struct {
	algorithm jose.SignatureAlgorithm
	key       any
	kid       string
}

func (k signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.key, KeyID: k.kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// good are the claims of a token that is good.
func (s *issuer) good(change map[string]any) map[string]any {
	all := map[string]any{"iss": s.URL, "aud": "mail", "exp": s.clock().Add(time.Hour).Unix(), "email": "alice@example.com", "scope": "openid imap"}
	maps.Copy(all, change)
	for name, v := range all {
		if v == nil {
			delete(all, name)
		}
	}
	return all
}

func TestJWTs(t *testing.T) {
	s := newIssuer(t)
	key := s.publish(t, "one")
	other := s.publish(t, "two")
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.Signer{"ed": edwards, "rsa": old} {
		s.set(func() { s.keys = append(s.keys, jose.JSONWebKey{Key: private.Public(), KeyID: name}) })
	}
	s.set(func() {
		s.keys = append(s.keys, jose.JSONWebKey{Key: old.Public(), KeyID: "encrypts", Use: "enc"}, jose.JSONWebKey{Key: []byte("shared"), KeyID: "shared"})
	})
	c := New(Options{Issuer: s.URL, Audience: []string{"mail", "imap.example.com"}, Scopes: []string{"imap"}, Now: s.clock})
	encode := base64.RawURLEncoding.EncodeToString
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return encode(text)
	}
	unsigned := part(map[string]string{"alg": "none"}) + "." + part(s.good(nil)) + "."
	at := func(d time.Duration) int64 { return s.clock().Add(d).Unix() }
	for name, tc := range map[string]struct {
		token string
		want  error
	}{
		"a good token":                       {key.sign(t, s.good(nil)), nil},
		"signed by another key of theirs":    {other.sign(t, s.good(nil)), nil},
		"signed by an Edwards key":           {signer{jose.EdDSA, edwards, "ed"}.sign(t, s.good(nil)), nil},
		"signed by RSA":                      {signer{jose.RS256, old, "rsa"}.sign(t, s.good(nil)), nil},
		"without the name of its key":        {signer{jose.ES256, other.key, ""}.sign(t, s.good(nil)), nil},
		"for several":                        {key.sign(t, s.good(map[string]any{"aud": []string{"web", "imap.example.com"}})), nil},
		"with a list of scopes":              {key.sign(t, s.good(map[string]any{"scope": nil, "scp": []string{"imap"}})), nil},
		"of a clock that is a little behind": {key.sign(t, s.good(map[string]any{"exp": at(-30 * time.Second), "nbf": at(30 * time.Second)})), nil},
		"with a verified address":            {key.sign(t, s.good(map[string]any{"email_verified": true})), nil},

		"by the name of another key":       {signer{jose.ES256, key.key, "two"}.sign(t, s.good(nil)), auth.ErrInvalid},
		"by a key that encrypts":           {signer{jose.RS256, old, "encrypts"}.sign(t, s.good(nil)), auth.ErrInvalid},
		"by a shared secret":               {signer{jose.HS256, []byte(strings.Repeat("shared", 6)), "shared"}.sign(t, s.good(nil)), auth.ErrInvalid},
		"not signed":                       {unsigned, auth.ErrInvalid},
		"not a token":                      {"x", auth.ErrInvalid},
		"no claims":                        {"a.b.c", auth.ErrInvalid},
		"changed":                          {key.sign(t, s.good(nil)) + "A", auth.ErrInvalid},
		"expired":                          {key.sign(t, s.good(map[string]any{"exp": at(-2 * time.Minute)})), auth.ErrInvalid},
		"not good yet":                     {key.sign(t, s.good(map[string]any{"nbf": at(2 * time.Minute)})), auth.ErrInvalid},
		"with an end that is no time":      {key.sign(t, s.good(map[string]any{"exp": "soon"})), auth.ErrInvalid},
		"without an end":                   {key.sign(t, s.good(map[string]any{"exp": nil})), auth.ErrInvalid},
		"of another issuer":                {key.sign(t, s.good(map[string]any{"iss": "https://elsewhere.example"})), auth.ErrInvalid},
		"of no issuer":                     {key.sign(t, s.good(map[string]any{"iss": nil})), auth.ErrInvalid},
		"for somebody else":                {key.sign(t, s.good(map[string]any{"aud": "web"})), auth.ErrInvalid},
		"for nobody":                       {key.sign(t, s.good(map[string]any{"aud": nil})), auth.ErrInvalid},
		"without the scope":                {key.sign(t, s.good(map[string]any{"scope": "openid imaps"})), auth.ErrScope},
		"without an address":               {key.sign(t, s.good(map[string]any{"email": nil})), auth.ErrInvalid},
		"with an address that is a number": {key.sign(t, s.good(map[string]any{"email": 7})), auth.ErrInvalid},
		"with an address not verified":     {key.sign(t, s.good(map[string]any{"email_verified": false})), auth.ErrInvalid},
		"the same in words":                {key.sign(t, s.good(map[string]any{"email_verified": "false"})), auth.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Judge(t.Context(), tc.token)
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if err == nil && (got.User != "alice@example.com" || got.Until.IsZero()) {
				t.Errorf("%+v", got)
			}
			if err != nil && len(tc.token) > 5 && strings.Contains(err.Error(), tc.token) {
				t.Errorf("the error has the token: %v", err)
			}
		})
	}
	if n := s.count("/keys"); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if discovery, scope := c.Where(); discovery != s.URL+"/.well-known/openid-configuration" || scope != "imap" {
		t.Errorf("%s, %s", discovery, scope)
	}
}

func TestKeysOfAnIssuer(t *testing.T) {
	s := newIssuer(t)
	first := s.publish(t, "first")
	c := New(Options{Issuer: s.URL, Audience: []string{"mail"}, Now: s.clock})
	judge := func(k signer, want string) {
		t.Helper()
		_, err := c.Judge(t.Context(), k.sign(t, s.good(nil)))
		got := "good"
		switch {
		case errors.Is(err, auth.ErrInvalid):
			got = "refused"
		case err != nil:
			got = "later"
		}
		if got != want {
			t.Errorf("%s (%v), want %s", got, err, want)
		}
	}
	pass := func(d time.Duration) { s.set(func() { s.now = s.now.Add(d) }) }

	// Nobody gets in as long as there are no keys, and the issuer is not asked for each.
	s.set(func() { s.down = true })
	judge(first, "later")
	judge(first, "later")
	if n := s.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	s.set(func() { s.down = false })
	pass(keysPause)
	judge(first, "good")

	// Forged tokens do not have them fetched again and again; a new key is found.
	second := s.publish(t, "second")
	judge(second, "refused")
	before := s.count("/keys")
	forged := signer{jose.ES256, second.key, "forged"}
	for range 5 {
		judge(forged, "refused")
	}
	pass(keysPause)
	judge(second, "good")
	if n := s.count("/keys") - before; n != 1 {
		t.Errorf("they were fetched %d times", n)
	}

	// They outlast an issuer that is down, for a day; and what it shows then is not
	// believed where it is nothing.
	s.set(func() { s.down = true })
	pass(2 * keysAge)
	judge(first, "good")
	s.set(func() { s.down, s.ends = false, `{"issuer":"https://elsewhere.example","jwks_uri":"`+s.URL+`/keys"}` })
	pass(keysPause)
	judge(first, "good")
	pass(keysKept)
	judge(first, "later")
	for _, answer := range []string{"not JSON", `{}`, `{"issuer":"` + s.URL + `","jwks_uri":"http://keys.example/"}`, strings.Repeat(" ", maxAnswer+1)} {
		s.set(func() { s.ends = answer })
		pass(keysPause)
		judge(first, "later")
	}

	// A key that is withdrawn is not good any more, after an hour.
	s.set(func() { s.ends, s.keys = "", s.keys[1:] })
	pass(keysPause)
	judge(second, "good")
	judge(first, "refused")
	s.set(func() { s.keys = nil })
	pass(keysAge)
	judge(second, "good") // no keys at all is a mistake
}

func TestIntrospection(t *testing.T) {
	s := newIssuer(t)
	o := Options{Issuer: s.URL, Introspection: s.URL + "/introspect", ClientID: "mail:form", ClientSecret: "s&cret", Claim: "username", Now: s.clock}
	for name, tc := range map[string]struct {
		answer string
		change func(o *Options)
		want   string // the error; empty: none
	}{
		"a good token":                       {answer: `{"active":true,"username":"alice@example.com"}`},
		"one of the issuer":                  {answer: `{"active":true,"username":"alice@example.com","iss":"` + s.URL + `"}`},
		"one with an end":                    {answer: `{"active":true,"username":"alice@example.com","exp":1795694400}`},
		"for us":                             {answer: `{"active":true,"username":"alice@example.com","aud":["mail"]}`, change: func(o *Options) { o.Audience = []string{"mail"} }},
		"one that is not active":             {`{"active":false,"username":"alice@example.com"}`, nil, "refused"},
		"one that has expired all the same":  {`{"active":true,"username":"alice@example.com","exp":1764158400}`, nil, "refused"},
		"of another issuer":                  {`{"active":true,"username":"alice@example.com","iss":"https://elsewhere.example"}`, nil, "refused"},
		"for nobody, where it has to be":     {`{"active":true,"username":"alice@example.com"}`, func(o *Options) { o.Audience = []string{"mail"} }, "refused"},
		"without the scope":                  {`{"active":true,"username":"alice@example.com"}`, func(o *Options) { o.Scopes = []string{"imap"} }, "refused"},
		"without a user":                     {`{"active":true}`, nil, "refused"},
		"an answer that does not say":        {`{"username":"alice@example.com"}`, nil, "later"},
		"active in words":                    {`{"active":"true","username":"alice@example.com"}`, nil, "later"},
		"an answer that is not JSON":         {`<html>`, nil, "later"},
		"an answer that is a list":           {`[]`, nil, "later"},
		"a secret that the issuer knows not": {`{"active":true,"username":"alice@example.com"}`, func(o *Options) { o.ClientSecret = "x" }, "later"},
		"a redirection":                      {`{"active":true,"username":"alice@example.com"}`, func(o *Options) { o.Introspection = s.URL + "/elsewhere" }, "later"},
		"nobody there":                       {`{"active":true,"username":"alice@example.com"}`, func(o *Options) { o.Introspection = "http://127.0.0.1:1/" }, "later"},
	} {
		t.Run(name, func(t *testing.T) {
			s.set(func() { s.tokens = map[string]string{"token": tc.answer} })
			o := o
			if tc.change != nil {
				tc.change(&o)
			}
			got, err := New(o).Judge(t.Context(), "token")
			is := ""
			switch {
			case errors.Is(err, auth.ErrInvalid):
				is = "refused"
			case err != nil:
				is = "later"
			}
			if is != tc.want {
				t.Fatalf("%q: %v, want %q", is, err, tc.want)
			}
			if err == nil && got.User != "alice@example.com" {
				t.Errorf("%+v", got)
			}
			if err != nil && (strings.Contains(err.Error(), "s&cret") || strings.Contains(err.Error(), "s%26cret")) {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

// A server that does not answer holds nobody up for longer than the time-out, and
// whoever has gone away not at all.
func TestAnIssuerThatDoesNotAnswer(t *testing.T) {
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer s.Close()
	defer close(stuck)
	for name, o := range map[string]Options{
		"introspection": {Issuer: s.URL, Introspection: s.URL, Timeout: 20 * time.Millisecond},
		"keys":          {Issuer: s.URL, Audience: []string{"mail"}, Timeout: 20 * time.Millisecond},
	} {
		issuer := newIssuer(t)
		token := issuer.publish(t, "one").sign(t, issuer.good(nil))
		if _, err := New(o).Judge(context.Background(), token); err == nil || errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		o.Timeout = time.Hour
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := New(o).Judge(gone, token); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("a.b.c", `{"active":true,"email":"a@example.com","exp":1e308,"aud":[1],"scope":{}}`)
	f.Add("eyJhbGciOiJub25lIn0.e30.", `{"active":true,"email":["a"],"email_verified":null,"nbf":-1}`)
	f.Fuzz(func(t *testing.T, token, answer string) {
		c := New(Options{Issuer: "https://login.example.com", Audience: []string{"mail"}, KeysURL: "http://127.0.0.1:1/", Now: time.Now})
		c.keys.tried = time.Now() // nobody is asked
		if _, err := c.Judge(t.Context(), token); err == nil {
			t.Errorf("%q is good, and nobody has keys", token)
		}
		var is claims
		if json.Unmarshal([]byte(answer), &is) == nil {
			_, _ = c.accept(is)
		}
	})
}
