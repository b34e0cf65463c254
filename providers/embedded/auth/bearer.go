package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/store"
)

// Names of SASL mechanisms for tokens of an authorization server.
const (
	// OAuthBearer is OAUTHBEARER (RFC 7628).
	OAuthBearer = "OAUTHBEARER"
	// XOAuth2 is what Google had before that was an RFC, and what many clients have.
	XOAuth2 = "XOAUTH2"
)

// ErrScope is an [ErrInvalid] about a token that is good, and not for mail.
var ErrScope = fmt.Errorf("%w: the token has not the scope", ErrInvalid)

// A Token is what is known of one that is good.
type Token struct {
	// User is the address of whose it is.
	User string
	// Until is when it ends; zero: nobody knows.
	Until time.Time
}

// Tokens judge bearer tokens (RFC 6750).
type Tokens interface {
	// Judge says whose a token is. Errors are [ErrInvalid], [ErrScope], and others
	// where that cannot be told now.
	Judge(ctx context.Context, token string) (Token, error)
	// Where tells a client that has been refused where it gets a token: the document
	// that describes the authorization server, and the scope to ask for.
	Where() (discovery, scope string)
}

// maxToken bounds what a client says, in bytes: what the line of an exchange can be
// (RFC 4954 §4), decoded.
const maxToken = 9216

// Bounds of what is remembered of tokens. Until it is asked about again, one that was
// taken back is good.
const (
	rememberedTokens = 16384
	rememberToken    = time.Minute
)

// A Bearer lets in who has a token. It is safe for concurrent use.
type Bearer struct {
	tokens Tokens
	recent *expiring[cacheKey, Token]
}

// NewBearer makes one.
func NewBearer(t Tokens) *Bearer {
	return &Bearer{t, newExpiring[cacheKey, Token](rememberedTokens)}
}

// Begin begins a login by a token; nil: there is no such mechanism.
func (b *Bearer) Begin(ctx context.Context, a *Authenticator, mechanism string, p Peer) Exchange {
	switch mechanism {
	case OAuthBearer:
		return &bearerLogin{ctx: ctx, a: a, b: b, peer: p, parse: parseOAuthBearer}
	case XOAuth2:
		return &bearerLogin{ctx: ctx, a: a, b: b, peer: p, parse: parseXOAuth2, old: true}
	}
	return nil
}

// judge says whose a token is, as it was said a short time ago.
func (b *Bearer) judge(ctx context.Context, a *Authenticator, token string) (Token, error) {
	now := a.clock.Now()
	key := cacheKey(keyed(a.key[:], "token"+token))
	if t, ok := b.recent.get(key, now); ok {
		return t, nil
	}
	t, err := b.tokens.Judge(ctx, token)
	if err != nil {
		return Token{}, err
	}
	until := now.Add(rememberToken)
	if !t.Until.IsZero() && t.Until.Before(until) {
		until = t.Until
	}
	b.recent.put(key, t, until, now)
	return t, nil
}

// A bearerLogin is one login by a token.
type bearerLogin struct {
	who
	ctx   context.Context
	a     *Authenticator
	b     *Bearer
	peer  Peer
	parse func(string) (user, token string, err error)
	old   bool // XOAUTH2, whose refusals look otherwise

	asked   bool
	over    bool
	refused error // the client has been told why, and has to say that it has heard
}

// Next implements [Exchange].
func (x *bearerLogin) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.refused != nil: // whatever the client says: RFC 7628 §3.2.3
		err, x.refused = x.refused, nil
		return nil, false, err
	case len(response) == 0 && !x.asked: // the client waits for a challenge
		x.asked = true
		return []byte{}, false, nil
	case x.over, len(response) > maxToken:
		return nil, false, ErrResponse
	}
	x.over = true
	user, token, err := x.parse(string(response))
	if err != nil {
		return nil, false, err
	}
	x.account, err = x.login(user, token)
	if errors.Is(err, ErrInvalid) {
		x.refused = ErrInvalid
		return x.refusal(err), false, nil
	}
	return nil, err == nil, err
}

// login finds the account of a token. Who guesses has to wait as with a password.
func (x *bearerLogin) login(user, token string) (*store.Account, error) {
	keys := x.a.throttleKeys(user, x.peer.Remote)
	if err := x.a.takeTurn(x.ctx, keys); err != nil {
		return nil, err
	}
	failed := func(err error) error {
		x.a.throttle.failed(keys, x.a.clock.Now())
		return err
	}
	t, err := x.b.judge(x.ctx, x.a, token)
	switch {
	case errors.Is(err, ErrInvalid):
		x.a.log.Info("auth: a token is refused", "service", x.peer.Service, "error", err)
		return nil, failed(err)
	case err != nil:
		return nil, fmt.Errorf("ask about a token: %w", err)
	case user != "" && !strings.EqualFold(user, t.User):
		return nil, failed(ErrInvalid) // a token of somebody else
	}
	account, err := x.a.dir.Account(x.ctx, t.User)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, failed(ErrInvalid)
	case err != nil:
		return nil, fmt.Errorf("find account: %w", err)
	}
	return permit(account, x.peer.Service)
}

// refusal tells the client why (RFC 7628 §3.2.2).
func (x *bearerLogin) refusal(why error) []byte {
	discovery, scope := x.b.tokens.Where()
	said := struct {
		Status    string `json:"status"`
		Schemes   string `json:"schemes,omitempty"`
		Scope     string `json:"scope,omitempty"`
		Discovery string `json:"openid-configuration,omitempty"`
	}{"invalid_token", "", scope, discovery}
	if errors.Is(why, ErrScope) {
		said.Status = "insufficient_scope"
	}
	if x.old {
		said.Status, said.Schemes, said.Discovery = "401", "bearer", ""
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if enc.Encode(said) != nil {
		return []byte(`{"status":"invalid_token"}`)
	}
	return bytes.TrimSpace(text.Bytes())
}

// parseOAuthBearer reads a client's message (RFC 7628 §3.1): a GS2 header, which may
// name the user, and pairs that end with ^A each, of which only the token is looked at.
func parseOAuthBearer(said string) (user, token string, err error) {
	header, pairs, ok := strings.Cut(said, "\x01")
	if !ok {
		return "", "", ErrResponse
	}
	flag, name, ok := strings.Cut(header, ",")
	if !ok || flag != "n" && flag != "y" { // there is no channel binding
		return "", "", ErrResponse
	}
	name, ok = strings.CutSuffix(name, ",")
	if !ok {
		return "", "", ErrResponse
	}
	if name != "" {
		if user, ok = strings.CutPrefix(name, "a="); !ok || user == "" {
			return "", "", ErrResponse
		}
		if user, ok = saslName(user); !ok {
			return "", "", ErrResponse
		}
	}
	token, err = bearerToken(pairs)
	return user, token, err
}

// parseXOAuth2 reads a client's message: the user and the token, each with its ^A,
// and another one.
func parseXOAuth2(said string) (user, token string, err error) {
	first, pairs, ok := strings.Cut(said, "\x01")
	if !ok {
		return "", "", ErrResponse
	}
	if user, ok = strings.CutPrefix(first, "user="); !ok || user == "" {
		return "", "", ErrResponse
	}
	token, err = bearerToken(pairs)
	return user, token, err
}

// bearerToken finds the token among pairs.
func bearerToken(pairs string) (token string, err error) {
	pairs, ok := strings.CutSuffix(pairs, "\x01\x01")
	if !ok {
		return "", ErrResponse
	}
	found := false
	for pair := range strings.SplitSeq(pairs, "\x01") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return "", ErrResponse
		}
		if !strings.EqualFold(key, "auth") {
			continue
		}
		scheme, rest, _ := strings.Cut(value, " ")
		if found || !strings.EqualFold(scheme, "bearer") {
			return "", ErrResponse
		}
		found, token = true, strings.TrimLeft(rest, " ")
	}
	if !found || !isToken(token) {
		return "", ErrResponse
	}
	return token, nil
}

// isToken reports whether a text is a b64token (RFC 6750 §2.1).
func isToken(s string) bool {
	return strings.Trim(s, "=") != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/=", r)
	})
}

// saslName takes the escapes out of a name (RFC 5801 §4).
func saslName(s string) (string, bool) {
	plain := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	escapes := strings.Count(s, "=2C") + strings.Count(s, "=3D")
	return plain, strings.Count(s, "=") == escapes && !strings.ContainsAny(s, ",\x00")
}
