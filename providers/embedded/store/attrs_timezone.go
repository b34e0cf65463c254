package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mailform/mailform/schema"
)

type timeZoneAttrs struct {
	Owner string `json:"owner"`
	Name  string `json:"name"`
}

func (a *timeZoneAttrs) key() string  { return a.Owner }
func (*timeZoneAttrs) parent() string { return "" }

func (a *timeZoneAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if _, err := schema.ParseTimeZone(a.Name); err != nil {
		return fmt.Errorf("name is %q: %w", a.Name, err)
	}
	return nil
}

// TimeZones are those of the servers that have one, by the label of the server, as in
// the kind timezone.
func (s *Store) TimeZones(ctx context.Context) (map[string]*time.Location, error) {
	out := map[string]*time.Location{}
	var errs []error
	err := declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindTimeZone}, func(_ string, a timeZoneAttrs) {
		zone, err := schema.ParseTimeZone(a.Name) // it was one when it was stored
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.Name, err))
			return
		}
		out[a.Owner] = zone
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("list the time zones: %w", err)
	}
	return out, nil
}
