package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mailform/mailform/schema"
)

type inboundAttrs struct {
	Owner          string   `json:"owner"`
	SPF            string   `json:"spf"`
	DKIM           string   `json:"dkim"`
	ARC            string   `json:"arc"`
	DMARC          string   `json:"dmarc"`
	TrustedSealers []string `json:"trusted_sealers"`
	Exempt         []string `json:"exempt"`
}

func (a *inboundAttrs) key() string  { return a.Owner }
func (*inboundAttrs) parent() string { return "" }

func (a *inboundAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	for _, w := range []struct {
		name, value string
		words       []string
	}{
		{"spf", a.SPF, []string{"enforce", "report", "off"}}, {"dkim", a.DKIM, []string{"report", "off"}},
		{"arc", a.ARC, []string{"report", "off"}}, {"dmarc", a.DMARC, []string{"enforce", "report", "off"}},
	} {
		if !slices.Contains(w.words, w.value) {
			return fmt.Errorf("%s is %q: expected one of %q", w.name, w.value, w.words)
		}
	}
	if a.TrustedSealers == nil || !slices.IsSorted(a.TrustedSealers) {
		return errors.New("trusted_sealers is null, or not sorted")
	}
	for _, s := range a.TrustedSealers {
		if err := checkDomain("trusted_sealers", s); err != nil {
			return err
		}
	}
	return checkNetworks("exempt", a.Exempt)
}

// checkNetworks takes only the canonical form of a list of networks.
func checkNetworks(field string, list []string) error {
	if list == nil || !slices.IsSorted(list) {
		return fmt.Errorf("%s is null, or not sorted", field)
	}
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err != nil || p != p.Masked() {
			return fmt.Errorf("%s has %q: expected networks", field, s)
		}
	}
	return nil
}

func networks(list []string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i], _ = netip.ParsePrefix(text) // checked when it was stored
	}
	return out
}

// Inbound says how a server treats mail from others, as in the kind inbound.
type Inbound struct {
	Owner                 string
	SPF, DKIM, ARC, DMARC string // "enforce", "report", "off"
	TrustedSealers        []string
	Exempt                []netip.Prefix
}

// Inbound lists how servers treat mail from others, of those that say it.
func (s *Store) Inbound(ctx context.Context) (list []Inbound, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindInbound}, func(_ string, a inboundAttrs) {
		list = append(list, Inbound{
			Owner: a.Owner, SPF: a.SPF, DKIM: a.DKIM, ARC: a.ARC, DMARC: a.DMARC,
			TrustedSealers: a.TrustedSealers, Exempt: networks(a.Exempt),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list how mail is treated: %w", err)
	}
	return list, nil
}

type resolverAttrs struct {
	Owner   string   `json:"owner"`
	Servers []string `json:"servers"`
}

func (a *resolverAttrs) key() string  { return a.Owner }
func (*resolverAttrs) parent() string { return "" }

func (a *resolverAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if len(a.Servers) == 0 {
		return errors.New("servers is empty")
	}
	for _, s := range a.Servers {
		if _, err := netip.ParseAddrPort(s); err != nil {
			return fmt.Errorf("servers has %q: expected an address and a port", s)
		}
	}
	return nil
}

// Resolvers are the resolvers that servers ask, by the label of their block; those
// that name none are not there.
func (s *Store) Resolvers(ctx context.Context) (map[string][]string, error) {
	byOwner := map[string][]string{}
	err := declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindResolver}, func(_ string, a resolverAttrs) {
		byOwner[a.Owner] = a.Servers
	})
	if err != nil {
		return nil, fmt.Errorf("list resolvers: %w", err)
	}
	return byOwner, nil
}
