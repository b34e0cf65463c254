package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type sendingAttrs struct {
	Owner          string   `json:"owner"`
	DelayWarning   int64    `json:"delay_warning"` // seconds
	Concurrency    int64    `json:"concurrency"`
	PerDestination int64    `json:"concurrency_per_destination"`
	VerifiedTLS    []string `json:"verified_tls"`
}

func (a *sendingAttrs) key() string  { return a.Owner }
func (*sendingAttrs) parent() string { return "" }

func (a *sendingAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if a.DelayWarning < 0 || a.DelayWarning > maxSeconds {
		return fmt.Errorf("delay_warning is %d: it cannot be negative or beyond %d seconds", a.DelayWarning, maxSeconds)
	}
	for name, n := range map[string]int64{"concurrency": a.Concurrency, "concurrency_per_destination": a.PerDestination} {
		if n < schema.SendingRange.Least || n > schema.SendingRange.Most {
			return fmt.Errorf("%s is %d: expected %d to %d", name, n, schema.SendingRange.Least, schema.SendingRange.Most)
		}
	}
	if a.VerifiedTLS == nil || !slices.IsSorted(a.VerifiedTLS) {
		return errors.New("verified_tls is null, or not sorted")
	}
	for _, d := range a.VerifiedTLS {
		if err := checkDomain("verified_tls", d); err != nil {
			return err
		}
	}
	return nil
}

// HandingOn is how mail for elsewhere is handed on, as in the kind sending.
type HandingOn struct {
	Owner string
	// DelayWarning is how long a message waits until its sender is told; 0: nobody is.
	DelayWarning time.Duration
	// Concurrency is how many deliveries there are at once, PerDestination how many
	// of them to one domain or smarthost.
	Concurrency, PerDestination int
	// VerifiedTLS are the domains whose servers have to show a good certificate.
	VerifiedTLS []string
}

// HandingOn is how the servers hand on mail that say so, by the labels of their
// blocks.
func (s *Store) HandingOn(ctx context.Context) (map[string]HandingOn, error) {
	all := map[string]HandingOn{}
	err := declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindSending}, func(_ string, a sendingAttrs) {
		all[a.Owner] = HandingOn{a.Owner, time.Duration(a.DelayWarning) * time.Second, int(a.Concurrency), int(a.PerDestination), a.VerifiedTLS}
	})
	if err != nil {
		return nil, fmt.Errorf("find out how mail is handed on: %w", err)
	}
	return all, nil
}
