package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

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
