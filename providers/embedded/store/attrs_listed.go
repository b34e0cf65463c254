package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type dnsblAttrs struct {
	Owner   string   `json:"owner"`
	Zone    string   `json:"zone"`
	Action  string   `json:"action"`
	Weight  int      `json:"weight"`
	Answers []string `json:"answers"`
}

func (a *dnsblAttrs) key() string  { return a.Owner + "/" + a.Zone + "/" + a.Action }
func (*dnsblAttrs) parent() string { return "" }

func (a *dnsblAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if z, err := schema.ParsePolicyDomain(a.Zone); err != nil || z != a.Zone {
		return fmt.Errorf("zone is %q: expected a domain name", a.Zone)
	}
	if !slices.Contains(schema.DNSBLActions, a.Action) {
		return fmt.Errorf("action is %q: expected one of %q", a.Action, schema.DNSBLActions)
	}
	if a.Weight < 1 || a.Weight > schema.DNSBLEnough {
		return fmt.Errorf("weight is %d: expected 1 to %d", a.Weight, schema.DNSBLEnough)
	}
	if err := checkNetworks("answers", a.Answers); err != nil {
		return err
	}
	for _, s := range a.Answers {
		if _, err := schema.ParseDNSBLAnswer(s); err != nil {
			return fmt.Errorf("answers has %q: %w", s, err)
		}
	}
	return nil
}

// A DNSBL is a list that a server asks about its clients, as in the kind dnsbl.
type DNSBL struct {
	Owner, Zone, Action string
	Weight              int
	Answers             []netip.Prefix
}

// DNSBLs lists them all.
func (s *Store) DNSBLs(ctx context.Context) (list []DNSBL, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindDNSBL}, func(_ string, a dnsblAttrs) {
		list = append(list, DNSBL{Owner: a.Owner, Zone: a.Zone, Action: a.Action, Weight: a.Weight, Answers: networks(a.Answers)})
	})
	if err != nil {
		return nil, fmt.Errorf("list the lists of clients: %w", err)
	}
	return list, nil
}

type greylistAttrs struct {
	Owner       string   `json:"owner"`
	Delay       int64    `json:"delay"`
	RetryWithin int64    `json:"retry_within"`
	Keep        int64    `json:"keep"`
	KnownAfter  int      `json:"known_after"`
	PassSPF     bool     `json:"pass_spf"`
	Exempt      []string `json:"exempt"`
}

func (a *greylistAttrs) key() string  { return a.Owner }
func (*greylistAttrs) parent() string { return "" }

func (a *greylistAttrs) check() error {
	const longest = 100 * 365 * 24 * 3600
	switch {
	case a.Owner == "":
		return errors.New("owner is empty")
	case a.Delay < 1 || a.Delay > schema.MaxGreyDelay:
		return fmt.Errorf("delay is %d: expected 1 to %d", a.Delay, schema.MaxGreyDelay)
	case a.RetryWithin <= a.Delay || a.RetryWithin > longest:
		return fmt.Errorf("retry_within is %d: expected more than delay", a.RetryWithin)
	case a.Keep < a.RetryWithin || a.Keep > longest:
		return fmt.Errorf("keep is %d: expected retry_within at least", a.Keep)
	case a.KnownAfter < 0 || a.KnownAfter > 100:
		return fmt.Errorf("known_after is %d: expected 0 to 100", a.KnownAfter)
	}
	return checkNetworks("exempt", a.Exempt)
}

// A DeclaredGreylist says how a server puts off senders, as in the kind greylist.
type DeclaredGreylist struct {
	Owner string
	Greylisting
	PassSPF bool
	Exempt  []netip.Prefix
}

// Greylists lists how servers put off senders, of those that do.
func (s *Store) Greylists(ctx context.Context) (list []DeclaredGreylist, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindGreylist}, func(_ string, a greylistAttrs) {
		list = append(list, DeclaredGreylist{
			Owner: a.Owner, PassSPF: a.PassSPF, Exempt: networks(a.Exempt),
			Greylisting: Greylisting{
				Delay: time.Duration(a.Delay) * time.Second, RetryWithin: time.Duration(a.RetryWithin) * time.Second,
				Keep: time.Duration(a.Keep) * time.Second, KnownAfter: a.KnownAfter,
			},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list how senders are put off: %w", err)
	}
	return list, nil
}
