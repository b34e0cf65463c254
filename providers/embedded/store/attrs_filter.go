package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type filterAttrs struct {
	Owner     string   `json:"owner"`
	Service   string   `json:"service"`
	Name      string   `json:"name"`
	Position  int      `json:"position"`
	Type      string   `json:"type"`
	Address   string   `json:"address"`
	OnFailure string   `json:"on_failure"`
	Timeout   int64    `json:"timeout"` // seconds
	Junk      []string `json:"junk"`
}

func (a *filterAttrs) key() string  { return a.Owner + "/" + a.Service + "/" + a.Name }
func (*filterAttrs) parent() string { return "" }

func (a *filterAttrs) check() error {
	a.Junk = notNil(a.Junk)
	switch {
	case a.Owner == "" || a.Name == "":
		return errors.New("owner or name is empty")
	case a.Service != "smtp" && a.Service != "submission":
		return fmt.Errorf("service is %q: expected smtp or submission", a.Service)
	case a.Position < 1:
		return fmt.Errorf("position is %d: the first is 1", a.Position)
	case !slices.ContainsFunc(schema.FilterTypes, func(t struct{ Type, Address string }) bool { return t.Type == a.Type }):
		return fmt.Errorf("type is %q: there is no such filter", a.Type)
	case !slices.Contains([]string{"accept", "tempfail", "reject"}, a.OnFailure):
		return fmt.Errorf("on_failure is %q: expected accept, tempfail or reject", a.OnFailure)
	case a.Timeout < 1 || a.Timeout > 3600:
		return fmt.Errorf("timeout is %d: expected 1 to 3600 seconds", a.Timeout)
	}
	if canonical, err := schema.ParseFilterAddress(a.Address); err != nil || canonical != a.Address {
		return fmt.Errorf("address is %q: expected host:port or unix: and a path", a.Address)
	}
	for _, j := range a.Junk {
		if canonical, err := schema.ParseJunkField(j); err != nil || canonical != j {
			return fmt.Errorf("junk has %q: expected a header field", j)
		}
	}
	if !slices.IsSorted(a.Junk) {
		return errors.New("junk is not sorted")
	}
	return nil
}

// A Filter judges the mail that a service of a server takes, as in the kind filter.
type Filter struct {
	Owner, Service, Name string
	Type                 string
	Address              string // host:port, or unix: and a path
	OnFailure            string
	Timeout              time.Duration
	Junk                 []string
}

// Filters lists the filters of all services, those of one in their order.
func (s *Store) Filters(ctx context.Context) ([]Filter, error) {
	type placed struct {
		position int
		f        Filter
	}
	var list []placed
	err := declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindFilter}, func(_ string, a filterAttrs) {
		list = append(list, placed{a.Position, Filter{
			Owner: a.Owner, Service: a.Service, Name: a.Name, Type: a.Type, Address: a.Address,
			OnFailure: a.OnFailure, Timeout: time.Duration(a.Timeout) * time.Second, Junk: a.Junk,
		}})
	})
	if err != nil {
		return nil, fmt.Errorf("list filters: %w", err)
	}
	slices.SortStableFunc(list, func(a, b placed) int { return a.position - b.position })
	out := make([]Filter, len(list))
	for i, p := range list {
		out[i] = p.f
	}
	return out, nil
}
