package bearer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// verify checks a JWT (RFC 9068 §4) as far as it is the issuer's.
func (c *Checker) verify(ctx context.Context, token string) (claims, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, refused("it is no JWT that is signed")
	}
	header := signed.Signatures[0].Header
	list, err := c.keys.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, key := range list {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		payload, err := signed.Verify(key.Key)
		if err != nil {
			continue
		}
		var is claims
		if json.Unmarshal(payload, &is) != nil {
			return nil, refused("it has no claims")
		}
		switch {
		case is.text("iss") != c.o.Issuer:
			return nil, refused("it is of another issuer")
		case is["exp"] == nil:
			return nil, refused("it has no end")
		}
		return is, nil
	}
	return nil, refused("its signature is wrong")
}

// introspect asks the authorization server about a token (RFC 7662 §2).
func (c *Checker) introspect(ctx context.Context, token string) (claims, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.Introspection, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.o.ClientID != "" {
		req.SetBasicAuth(url.QueryEscape(c.o.ClientID), url.QueryEscape(c.o.ClientSecret)) // RFC 6749 §2.3.1
	}
	var is claims
	if err := c.web.ask(req, &is); err != nil {
		return nil, fmt.Errorf("introspect a token: %w", err)
	}
	var active bool
	if json.Unmarshal(is["active"], &active) != nil {
		return nil, fmt.Errorf("introspect a token: %w: it does not say whether the token is active", errAnswer)
	}
	switch {
	case !active:
		return nil, refused("the issuer says so")
	case is["iss"] != nil && is.text("iss") != c.o.Issuer:
		return nil, refused("it is of another issuer")
	}
	return is, nil
}
