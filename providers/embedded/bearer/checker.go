package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// Options of a checker.
type Options struct {
	// Issuer is the authorization server, by the URL that its tokens have as "iss".
	Issuer string
	// Audience has names of this server, of which a token has to be for one ("aud");
	// empty: it can be for any, which only introspection may allow.
	Audience []string
	// Scopes that a token has to have, all of them ("scope").
	Scopes []string
	// Claim that has the address of the user; empty: "email".
	Claim string
	// Introspection is the URL of the endpoint; empty: tokens are JWTs.
	Introspection string
	// ClientID and ClientSecret are what this server is to the endpoint.
	ClientID, ClientSecret string
	// KeysURL is where the keys of JWTs are; empty: where the document of the issuer
	// says.
	KeysURL string
	// Client asks; nil: one with Timeout.
	Client *http.Client
	// Timeout of a question; 0: 5 seconds.
	Timeout time.Duration
	// Now tells the time; nil: that of the system.
	Now func() time.Time
}

// A Checker judges tokens. It implements auth.Tokens, and is safe for concurrent use.
type Checker struct {
	o    Options
	web  web
	keys *keys
	// asking bounds how many questions about tokens are on their way.
	asking chan struct{}
}

// concurrent is how many tokens are asked about at once.
const concurrent = 16

// leeway is by how much the clocks may differ.
const leeway = time.Minute

// New makes a checker. It asks nobody before there is a token.
func New(o Options) *Checker {
	if o.Claim == "" {
		o.Claim = "email"
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	c := &Checker{o: o, web: newWeb(o.Client, o.Timeout), asking: make(chan struct{}, concurrent)}
	c.keys = &keys{web: c.web, issuer: o.Issuer, url: o.KeysURL, now: o.Now}
	return c
}

// Where implements auth.Tokens.
func (c *Checker) Where() (discovery, scope string) {
	return discoveryURL(c.o.Issuer), strings.Join(c.o.Scopes, " ")
}

// Judge implements auth.Tokens.
func (c *Checker) Judge(ctx context.Context, token string) (auth.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var claims claims
	var err error
	if c.o.Introspection != "" {
		select {
		case c.asking <- struct{}{}:
			defer func() { <-c.asking }()
		case <-ctx.Done():
			return auth.Token{}, fmt.Errorf("introspect a token: %w", ctx.Err())
		}
		claims, err = c.introspect(ctx, token)
	} else {
		claims, err = c.verify(ctx, token)
	}
	if err != nil {
		return auth.Token{}, err
	}
	return c.accept(claims)
}

// accept judges what is said of a token that is the issuer's.
func (c *Checker) accept(is claims) (auth.Token, error) {
	now := c.o.Now()
	until, limited, err := is.time("exp")
	if err != nil || limited && !now.Before(until.Add(leeway)) {
		return auth.Token{}, refused("it has expired")
	}
	if from, there, err := is.time("nbf"); err != nil || there && now.Add(leeway).Before(from) {
		return auth.Token{}, refused("it is not good yet")
	}
	if len(c.o.Audience) > 0 && !slices.ContainsFunc(is.texts("aud"), func(a string) bool { return slices.Contains(c.o.Audience, a) }) {
		return auth.Token{}, refused("it is for somebody else")
	}
	scopes := is.scopes()
	for _, s := range c.o.Scopes {
		if !slices.Contains(scopes, s) {
			return auth.Token{}, fmt.Errorf("%w %q", auth.ErrScope, s)
		}
	}
	user := is.text(c.o.Claim)
	if user == "" {
		return auth.Token{}, refused(fmt.Sprintf("it has no claim %q", c.o.Claim))
	}
	if c.o.Claim == "email" && is.denies("email_verified") {
		return auth.Token{}, refused("its address is not verified")
	}
	t := auth.Token{User: user}
	if limited {
		t.Until = until
	}
	return t, nil
}

// refused is an auth.ErrInvalid with its reason, which is for the log alone.
func refused(why string) error {
	return fmt.Errorf("%w: the token is not good: %s", auth.ErrInvalid, why)
}

// errAnswer: what an authorization server has answered is not what it should.
var errAnswer = errors.New("the answer is not what it should be")
