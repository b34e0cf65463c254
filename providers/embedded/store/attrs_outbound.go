package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mailform/mailform/schema"
)

type smarthostAttrs struct {
	Owner      string   `json:"owner"`
	Host       string   `json:"host"`
	Senders    []string `json:"senders"`
	Recipients []string `json:"recipients"`
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	TLS        string   `json:"tls"`
}

func (a *smarthostAttrs) key() string  { return a.Owner + "/" + a.Host }
func (*smarthostAttrs) parent() string { return "" }

func (a *smarthostAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if h, err := schema.ParseHostPort(a.Host); err != nil || h != a.Host {
		return fmt.Errorf("host is %q: expected a host and a port", a.Host)
	}
	for field, domains := range map[string][]string{"senders": a.Senders, "recipients": a.Recipients} {
		if domains == nil || !slices.IsSorted(domains) {
			return fmt.Errorf("%s is null, or not sorted", field)
		}
		for _, d := range domains {
			if err := checkDomain(field, d); err != nil {
				return err
			}
		}
	}
	if (a.Username == "") != (a.Password == "") {
		return errors.New("username and password belong together")
	}
	if !slices.Contains([]string{"opportunistic", "verified", "implicit"}, a.TLS) {
		return fmt.Errorf("tls is %q: expected opportunistic, verified or implicit", a.TLS)
	}
	if a.TLS == "opportunistic" && a.Username != "" {
		return errors.New("tls is opportunistic: a password needs a server that is known")
	}
	return nil
}

// A Smarthost is a server that mail is handed to, as in the kind smarthost. Never
// log it.
type Smarthost struct {
	Host                string
	Senders, Recipients []string
	Username, Password  string
	TLS                 string
}

// Smarthosts lists the servers that mail is handed to.
func (s *Store) Smarthosts(ctx context.Context) (list []Smarthost, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindSmarthost}, func(_ string, a smarthostAttrs) {
		list = append(list, Smarthost{a.Host, a.Senders, a.Recipients, a.Username, a.Password, a.TLS})
	})
	if err != nil {
		return nil, fmt.Errorf("list smarthosts: %w", err)
	}
	return list, nil
}
