package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mailform/mailform/schema"
)

type proxyAttrs struct {
	Owner string   `json:"owner"`
	From  []string `json:"from"`
}

func (a *proxyAttrs) key() string  { return a.Owner }
func (*proxyAttrs) parent() string { return "" }

func (a *proxyAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	return checkNetworks("from", a.From)
}

// Proxies are the networks of the proxies that may speak for clients, by the label of
// the server, as in the kind proxy.
func (s *Store) Proxies(ctx context.Context) (map[string][]netip.Prefix, error) {
	out := map[string][]netip.Prefix{}
	err := declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindProxy}, func(_ string, a proxyAttrs) {
		out[a.Owner] = networks(a.From)
	})
	if err != nil {
		return nil, fmt.Errorf("list the proxies: %w", err)
	}
	return out, nil
}
