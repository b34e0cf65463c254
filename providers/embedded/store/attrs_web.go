package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/clients"
)

// A Website is a web server, as in the kind website.
type Website struct {
	Owner          string   `json:"owner"`
	Hostname       string   `json:"hostname"`
	Addresses      []string `json:"addresses"`
	TLSCertificate string   `json:"tls_certificate"`
	TLSKey         string   `json:"tls_key"`
}

type websiteAttrs Website

func (a *websiteAttrs) key() string  { return a.Owner }
func (*websiteAttrs) parent() string { return "" }

func (a *websiteAttrs) check() error {
	a.Addresses = notNil(a.Addresses)
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if (a.TLSCertificate == "") != (a.TLSKey == "") {
		return errors.New("tls_certificate and tls_key belong together")
	}
	return checkHost("hostname", a.Hostname)
}

// A WebDomain is what a web server tells about a domain, as in the kind webdomain.
type WebDomain struct {
	Domain    string   `json:"domain"`
	Owner     string   `json:"owner"`
	Doors     []string `json:"doors"`
	Authority bool     `json:"authority"`
	Policy    string   `json:"policy"`
}

type webDomainAttrs WebDomain

func (a *webDomainAttrs) key() string  { return a.Domain }
func (*webDomainAttrs) parent() string { return "" }

func (a *webDomainAttrs) check() error {
	a.Doors = notNil(a.Doors)
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	for _, d := range a.Doors {
		if _, err := clients.ParseDoor(d); err != nil {
			return fmt.Errorf("doors: %w", err)
		}
	}
	if a.Policy != "" && !strings.HasPrefix(a.Policy, "version: STSv1\r\n") {
		return fmt.Errorf("policy is %q: expected an MTA-STS policy (RFC 8461 §3.2)", a.Policy)
	}
	return checkDomain("domain", a.Domain)
}

// Websites are the web servers, by their labels.
func (s *Store) Websites(ctx context.Context) (list []Website, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindWebsite}, func(_ string, a websiteAttrs) { list = append(list, Website(a)) })
	if err != nil {
		return nil, fmt.Errorf("list the web servers: %w", err)
	}
	return list, nil
}

// WebDomains are what web servers tell about domains, by their names.
func (s *Store) WebDomains(ctx context.Context) (list []WebDomain, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindWebDomain}, func(_ string, a webDomainAttrs) { list = append(list, WebDomain(a)) })
	if err != nil {
		return nil, fmt.Errorf("list the domains of web servers: %w", err)
	}
	return list, nil
}
