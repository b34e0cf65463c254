package dkim

import (
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"time"

	"github.com/mailform/mailform/providers/embedded/arc"
)

// Seal returns the fields of an ARC set for a message that is handed on from a domain,
// each with its CRLF: what was found when it came, sealed with a key of the domain. chain
// are the sets that it came with. There are none where the domain has no key, or the chain
// does not hold. RSA goes before Ed25519, which hardly anybody verifies in ARC.
func (s *Signer) Seal(ctx context.Context, domain string, message io.Reader, chain *arc.Chain, results string) ([]byte, error) {
	keys, err := s.keys.DKIMKeys(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("DKIM keys of %s: %w", domain, err)
	}
	var best arc.Key
	for _, k := range keys {
		private, err := s.private(k)
		if err != nil {
			return nil, fmt.Errorf("seal for %s with selector %s: %w", domain, k.Selector, err)
		}
		_, isRSA := private.(*rsa.PrivateKey)
		if best.Private == nil || isRSA {
			best = arc.Key{Domain: k.Domain, Selector: k.Selector, Private: private}
		}
		if isRSA {
			break
		}
	}
	if best.Private == nil {
		return nil, nil
	}
	return arc.Seal(message, chain, results, best, time.Now())
}
