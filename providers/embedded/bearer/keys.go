package bearer

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms that a token may be signed with: those of key pairs alone. With a shared
// secret whoever checks could forge, and "none" is nobody's.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

const (
	// keysAge is for how long keys are good without a look.
	keysAge = time.Hour
	// keysPause is between two looks at least, whatever tokens there are.
	keysPause = 10 * time.Second
	// keysKept is for how long keys are good where nobody can look.
	keysKept = 24 * time.Hour
)

// keys are the public keys of an issuer.
type keys struct {
	web    web
	issuer string
	url    string // empty: the issuer says
	now    func() time.Time

	mu      sync.Mutex
	have    []jose.JSONWebKey
	fetched time.Time // have
	tried   time.Time
	trouble error // of that try
}

// find returns the keys that may have signed a token: those of its name, where it has
// one. They are fetched where there are none, or they are old.
func (k *keys) find(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	fit := k.named(kid)
	if len(fit) > 0 && now.Sub(k.fetched) < keysAge {
		return fit, nil
	}
	if now.Sub(k.tried) >= keysPause || k.tried.IsZero() {
		k.tried = now
		var list []jose.JSONWebKey
		if list, k.trouble = k.fetch(ctx); k.trouble == nil {
			k.have, k.fetched = list, now
		}
		fit = k.named(kid)
	}
	switch {
	case len(fit) > 0 && now.Sub(k.fetched) < keysKept:
		return fit, nil
	case k.trouble != nil:
		return nil, fmt.Errorf("find the keys of %s: %w", k.issuer, k.trouble)
	}
	return nil, refused("it is signed with a key that the issuer has not")
}

func (k *keys) named(kid string) (fit []jose.JSONWebKey) {
	for _, key := range k.have {
		if kid == "" || key.KeyID == kid {
			fit = append(fit, key)
		}
	}
	return fit
}

// fetch asks for the keys.
func (k *keys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	from := k.url
	if from == "" {
		var err error
		if from, err = k.web.discover(ctx, k.issuer); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.web.get(ctx, from, &set); err != nil {
		return nil, err
	}
	var list []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// One of a kind that is not known is for others (RFC 7517 §5).
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			list = append(list, key)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s has no key that signs", errAnswer, from)
	}
	return list, nil
}
