package store

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

type dkimAttrs struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Bits      int    `json:"bits"`
	TXT       string `json:"txt"` // decided here
}

func (a *dkimAttrs) key() string  { return a.Domain + "/" + a.Selector }
func (*dkimAttrs) parent() string { return "" }

func (a *dkimAttrs) check() error {
	a.TXT = ""
	if err := checkDomain("domain", a.Domain); err != nil {
		return err
	}
	if _, err := rdata.DKIMName(a.Selector, rdata.Name(a.Domain+".")); err != nil {
		return fmt.Errorf("selector %q: %w", a.Selector, err)
	}
	switch a.Algorithm {
	case "rsa":
		if a.Bits == 0 {
			a.Bits = 2048
		}
		// RFC 8301 §3.2: at least 1024; verifiers need not take more than 4096.
		if a.Bits < 1024 || a.Bits > 4096 || a.Bits%8 != 0 {
			return fmt.Errorf("bits is %d: an RSA key has 1024 to 4096, in steps of 8", a.Bits)
		}
	case "ed25519":
		if a.Bits != 0 {
			return fmt.Errorf("bits is %d: for ed25519 it is 0", a.Bits)
		}
	default:
		return fmt.Errorf("algorithm is %q: expected rsa or ed25519", a.Algorithm)
	}
	return nil
}

type mailDomainAttrs struct {
	Name string `json:"name"`
}

func (a *mailDomainAttrs) key() string  { return a.Name }
func (*mailDomainAttrs) parent() string { return "" }
func (a *mailDomainAttrs) check() error { return checkDomain("name", a.Name) }

type mailboxAttrs struct {
	Address      string   `json:"address"`
	PasswordHash []string `json:"password_hash"`
	Quota        int64    `json:"quota"` // bytes
	Protocols    []string `json:"protocols"`
	Mail         string   `json:"mail"`
	Sieve        string   `json:"sieve,omitempty"`
	Messages     int64    `json:"messages"` // only read
	Bytes        int64    `json:"bytes"`    // only read
}

func (a *mailboxAttrs) key() string  { return a.Address }
func (*mailboxAttrs) parent() string { return "" }

func (a *mailboxAttrs) check() error {
	a.PasswordHash, a.Protocols = notNil(a.PasswordHash), notNil(a.Protocols)
	a.Messages, a.Bytes = 0, 0
	if a.Mail == "" {
		a.Mail = mailEnabled
	}
	if err := checkAddress("address", a.Address); err != nil {
		return err
	}
	for i, h := range a.PasswordHash {
		if _, err := schema.ParsePasswordHash(h); err != nil {
			return fmt.Errorf("password_hash[%d]: %w", i, err)
		}
	}
	if a.Quota < 0 {
		return fmt.Errorf("quota is %d: it cannot be negative", a.Quota)
	}
	for _, p := range a.Protocols {
		if p != "imap" && p != "pop3" {
			return fmt.Errorf("protocols has %q: expected imap or pop3", p)
		}
	}
	if _, err := sieve.Parse(a.Sieve); err != nil {
		return fmt.Errorf("sieve: %w", err)
	}
	switch a.Mail {
	case mailEnabled, mailDisabled, mailForward:
		return nil
	}
	return fmt.Errorf("mail is %q: expected enabled, disabled or forward", a.Mail)
}

type routeAttrs struct {
	Address  string   `json:"address"`
	Type     string   `json:"type"`
	Members  []string `json:"members"`
	KeepCopy bool     `json:"keep_copy"`
}

func (a *routeAttrs) key() string  { return a.Address }
func (*routeAttrs) parent() string { return "" }

func (a *routeAttrs) check() error {
	a.Members = notNil(a.Members)
	domain, all := strings.CutPrefix(a.Address, "@")
	switch a.Type {
	case routeAlias, routeForward:
		if err := checkAddress("address", a.Address); err != nil {
			return err
		}
	case routeCatchAll:
		if !all {
			return fmt.Errorf("address is %q: that of a catch_all is @ and the domain", a.Address)
		}
		if err := checkDomain("address", domain); err != nil {
			return err
		}
	default:
		return fmt.Errorf("type is %q: expected alias, forward or catch_all", a.Type)
	}
	for _, m := range a.Members {
		if err := checkAddress("members", m); err != nil {
			return err
		}
	}
	return nil
}
