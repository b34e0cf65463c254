package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/sieve"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// attributes are the attributes of a resource as package schema defines them for
// its kind. Decoded, checked and encoded again they have one canonical text.
type attributes interface {
	// key is the natural identity; empty where the attributes do not tell.
	key() string
	// parent is the key of what the resource is a part of, or empty.
	parent() string
	// check fills in what may be left out and says what is wrong.
	check() error
}

// Values of the attribute "mail" of a mailbox.
const (
	mailEnabled  = "enabled"
	mailDisabled = "disabled"
	mailForward  = "forward"
)

// Values of the attribute "type" of a route.
const (
	routeAlias    = "alias"
	routeForward  = "forward"
	routeCatchAll = "catch_all"
)

// newAttributes returns empty attributes of a kind; nil for one that the store
// does not keep.
func newAttributes(kind string) attributes {
	switch kind {
	case schema.KindDKIMKey:
		return &dkimAttrs{}
	case schema.KindSetting:
		return &settingAttrs{}
	case schema.KindMailDomain:
		return &mailDomainAttrs{}
	case schema.KindMailbox:
		return &mailboxAttrs{}
	case schema.KindRoute:
		return &routeAttrs{}
	case schema.KindAppPassword:
		return &appPasswordAttrs{}
	case schema.KindOAuth:
		return &oauthAttrs{}
	case schema.KindSharing:
		return &sharingAttrs{}
	case schema.KindLocation:
		return &locationAttrs{}
	case schema.KindLookup:
		return &lookupAttrs{}
	case schema.KindFilter:
		return &filterAttrs{}
	case schema.KindListener:
		return &listenerAttrs{}
	case schema.KindSending:
		return &sendingAttrs{}
	case schema.KindUpkeep:
		return &upkeepAttrs{}
	case schema.KindInbound:
		return &inboundAttrs{}
	case schema.KindResolver:
		return &resolverAttrs{}
	case schema.KindRateLimit:
		return &rateLimitAttrs{}
	case schema.KindDNSBL:
		return &dnsblAttrs{}
	case schema.KindGreylist:
		return &greylistAttrs{}
	case schema.KindLimit:
		return &clientLimitAttrs{}
	case schema.KindProxy:
		return &proxyAttrs{}
	case schema.KindTimeZone:
		return &timeZoneAttrs{}
	case schema.KindWebsite:
		return &websiteAttrs{}
	case schema.KindWebDomain:
		return &webDomainAttrs{}
	case schema.KindSmarthost:
		return &smarthostAttrs{}
	case schema.KindSecondary:
		return &secondaryAttrs{}
	case schema.KindDNSSEC:
		return &dnssecAttrs{}
	case schema.KindZone:
		return &zoneAttrs{}
	case schema.KindRRset:
		return &rrsetAttrs{}
	}
	return nil
}

// decodeAttributes reads JSON strictly. Its errors do not quote values: they may
// be secret.
func decodeAttributes(kind string, raw json.RawMessage) (attributes, error) {
	a := newAttributes(kind)
	if a == nil {
		return nil, fmt.Errorf("the store keeps no %q", kind)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(a); err != nil {
		return nil, fmt.Errorf("decode attributes: %w", withoutValue(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("decode attributes: there is more than one object")
	}
	return a, a.check()
}

func withoutValue(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		return fmt.Errorf("%s should be of type %s", te.Field, te.Type)
	}
	return err
}

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

type settingAttrs struct {
	Hostname         string   `json:"hostname"`
	Addresses        []string `json:"addresses"`
	MessageSizeLimit int64    `json:"message_size_limit"` // bytes
	Retention        int64    `json:"retention"`          // seconds
	TLSCertificate   string   `json:"tls_certificate"`
	TLSKey           string   `json:"tls_key"`
	RelayHost        string   `json:"relay_host"`
	Retry            []int64  `json:"retry"` // seconds
}

// The key of a setting is the label of its block, which its attributes do not have.
func (*settingAttrs) key() string    { return "" }
func (*settingAttrs) parent() string { return "" }

// maxSeconds is the longest duration that time.Duration holds.
const maxSeconds = math.MaxInt64 / int64(time.Second)

func (a *settingAttrs) check() error {
	a.Addresses = notNil(a.Addresses)
	if a.Retry == nil {
		a.Retry = []int64{}
	}
	if err := checkHost("hostname", a.Hostname); err != nil {
		return err
	}
	if a.MessageSizeLimit < 0 {
		return fmt.Errorf("message_size_limit is %d: it cannot be negative", a.MessageSizeLimit)
	}
	if a.Retention < 0 || a.Retention > maxSeconds {
		return fmt.Errorf("retention is %d: it cannot be negative or beyond %d seconds", a.Retention, maxSeconds)
	}
	for _, s := range a.Retry {
		if s <= 0 || s > maxSeconds {
			return fmt.Errorf("retry has %d: expected seconds, at least 1", s)
		}
	}
	if (a.TLSCertificate == "") != (a.TLSKey == "") {
		return errors.New("tls_certificate and tls_key belong together")
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

type listenerAttrs struct {
	Owner     string   `json:"owner"`
	Service   string   `json:"service"`
	Hostname  string   `json:"hostname"`
	Listen    []string `json:"listen"`
	ListenTLS []string `json:"listen_tls"`
}

func (a *listenerAttrs) key() string  { return a.Owner + "/" + a.Service }
func (*listenerAttrs) parent() string { return "" }

func (a *listenerAttrs) check() error {
	a.Listen, a.ListenTLS = notNil(a.Listen), notNil(a.ListenTLS)
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if !slices.Contains([]string{"smtp", "submission", "imap", "pop3", "managesieve", "dns", "metrics", "web"}, a.Service) {
		return fmt.Errorf("service is %q: expected smtp, submission, imap, pop3, managesieve, dns, metrics or web", a.Service)
	}
	if err := checkHost("hostname", a.Hostname); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		list []string
	}{{"listen", a.Listen}, {"listen_tls", a.ListenTLS}} {
		for _, l := range f.list {
			if _, err := schema.ParseListen(l); err != nil {
				return fmt.Errorf("%s: %q is nothing to listen on: %w", f.name, l, err)
			}
		}
	}
	return nil
}

type zoneAttrs struct {
	Name        string `json:"name"`
	Primary     string `json:"primary"`
	Contact     string `json:"contact"`
	Refresh     uint32 `json:"refresh"`
	Retry       uint32 `json:"retry"`
	Expire      uint32 `json:"expire"`
	NegativeTTL uint32 `json:"negative_ttl"`
}

func (a *zoneAttrs) key() string  { return rdata.Name(a.Name).Host() }
func (*zoneAttrs) parent() string { return "" }

func (a *zoneAttrs) check() error {
	for _, n := range [][2]string{{"name", a.Name}, {"primary", a.Primary}, {"contact", a.Contact}} {
		if err := checkAbsolute(n[0], n[1]); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name    string
		seconds uint32
	}{{"refresh", a.Refresh}, {"retry", a.Retry}, {"expire", a.Expire}, {"negative_ttl", a.NegativeTTL}} {
		if t.seconds > math.MaxInt32 { // RFC 2181 §8
			return fmt.Errorf("%s is %d: it cannot be more than %d seconds", t.name, t.seconds, math.MaxInt32)
		}
	}
	return nil
}

type rrsetAttrs struct {
	Zone   string   `json:"zone"`
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	TTL    uint32   `json:"ttl"`
	Values []string `json:"values"`
}

func (a *rrsetAttrs) key() string {
	return rdata.Name(a.Zone).Host() + "/" + a.Name + "/" + a.Type
}
func (a *rrsetAttrs) parent() string { return rdata.Name(a.Zone).Host() }

func (a *rrsetAttrs) check() error {
	for _, n := range [][2]string{{"zone", a.Zone}, {"name", a.Name}} {
		if err := checkAbsolute(n[0], n[1]); err != nil {
			return err
		}
	}
	if !rdata.Name(a.Name).In(rdata.Name(a.Zone)) {
		return fmt.Errorf("name %q does not lie in the zone %q", a.Name, a.Zone)
	}
	if t, err := rdata.ParseType(a.Type); err != nil || t != a.Type {
		return fmt.Errorf("type %q is not the type of a record set", a.Type)
	}
	if a.TTL > math.MaxInt32 { // RFC 2181 §8
		return fmt.Errorf("ttl is %d: it cannot be more than %d", a.TTL, math.MaxInt32)
	}
	if len(a.Values) == 0 {
		return errors.New("values is empty: a record set has at least one record")
	}
	for _, v := range a.Values {
		if _, err := rdata.RR(rdata.Name(a.Name), a.TTL, a.Type, v); err != nil {
			return fmt.Errorf("values: %q: %w", v, err)
		}
	}
	return nil
}

// notNil makes the JSON of an empty list [] and not null.
func notNil(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// The checks below take only the canonical form: another one would be kept
// beside it as something else.

func checkAddress(field, s string) error {
	a, err := schema.ParseAddress(s)
	if err != nil {
		return fmt.Errorf("%s: %q is not an address: %w", field, s, err)
	}
	if a.String() != s {
		return fmt.Errorf("%s: %q is not in canonical form, which is %q", field, s, a.String())
	}
	return nil
}

func checkDomain(field, s string) error {
	name, err := schema.ParseDomainName(s)
	if err != nil {
		return fmt.Errorf("%s: %q is not a domain name: %w", field, s, err)
	}
	if name != s {
		return fmt.Errorf("%s: %q is not in canonical form, which is %q", field, s, name)
	}
	return nil
}

func checkHost(field, s string) error {
	if _, err := schema.ParseHostName(s); err != nil {
		return fmt.Errorf("%s: %q is not a host name: %w", field, s, err)
	}
	return nil
}

func checkAbsolute(field, s string) error {
	name, err := rdata.ParseName(s)
	if err != nil {
		return fmt.Errorf("%s: %q is not a domain name: %w", field, s, err)
	}
	if string(name) != s {
		return fmt.Errorf("%s: %q is not in canonical form, which is %q", field, s, string(name))
	}
	return nil
}
