package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

type secondaryAttrs struct {
	Owner        string `json:"owner"`
	Address      string `json:"address"`
	Unsigned     bool   `json:"unsigned"`
	KeyName      string `json:"key_name"`
	KeyAlgorithm string `json:"key_algorithm"`
	KeySecret    string `json:"key_secret"`
}

// The key of a secondary is the label of its name server and a name, which its
// attributes do not have.
func (*secondaryAttrs) key() string    { return "" }
func (*secondaryAttrs) parent() string { return "" }

// tsigAlgorithms are those of RFC 8945 §6 that are still good for something.
var tsigAlgorithms = []string{"hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}

func (a *secondaryAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if a.Address != "" {
		if _, err := netip.ParseAddrPort(a.Address); err != nil {
			return fmt.Errorf("address is %q: expected an IP address with a port", a.Address)
		}
	}
	if a.Unsigned && a.Address == "" {
		return errors.New("unsigned is set without an address")
	}
	if a.KeyName == "" {
		if a.KeyAlgorithm != "" || a.KeySecret != "" {
			return errors.New("key_algorithm and key_secret belong to a key_name")
		}
		return nil
	}
	if err := checkAbsolute("key_name", a.KeyName); err != nil {
		return err
	}
	if !slices.Contains(tsigAlgorithms, a.KeyAlgorithm) {
		return fmt.Errorf("key_algorithm is %q: expected one of %s", a.KeyAlgorithm, strings.Join(tsigAlgorithms, ", "))
	}
	if secret, err := base64.StdEncoding.DecodeString(a.KeySecret); err != nil || len(secret) == 0 {
		return errors.New("key_secret is not in base64")
	}
	return nil
}

type dnssecAttrs struct {
	Zone              string   `json:"zone"`
	Denial            string   `json:"denial"`
	SignatureLifetime int64    `json:"signature_lifetime"` // seconds
	ZSKLifetime       int64    `json:"zsk_lifetime"`       // seconds
	KSKLifetime       int64    `json:"ksk_lifetime"`       // seconds
	Propagation       int64    `json:"propagation"`        // seconds
	ParentalAgents    []string `json:"parental_agents"`
	Withdraw          bool     `json:"withdraw"`
	DS                []string `json:"ds,omitempty"` // decided here
}

func (a *dnssecAttrs) key() string  { return rdata.Name(a.Zone).Host() }
func (*dnssecAttrs) parent() string { return "" }

// Limits of lifetimes: a signature has to outlive a day without the daemon, and a
// key the time that it takes to make its successor known.
const (
	minSignatureLifetime = 4 * 24 * time.Hour
	maxSignatureLifetime = 365 * 24 * time.Hour
	minKeyLifetime       = 24 * time.Hour
)

func (a *dnssecAttrs) check() error {
	a.DS = nil
	a.ParentalAgents = notNil(a.ParentalAgents)
	if err := checkAbsolute("zone", a.Zone); err != nil {
		return err
	}
	if d := dnssec.Denial(a.Denial); d != dnssec.NSEC3 && d != dnssec.NSEC {
		return fmt.Errorf("denial is %q: expected nsec3 or nsec", a.Denial)
	}
	if n := a.SignatureLifetime; n < int64(minSignatureLifetime/time.Second) || n > int64(maxSignatureLifetime/time.Second) {
		return fmt.Errorf("signature_lifetime is %d: expected %d to %d seconds", n,
			int64(minSignatureLifetime/time.Second), int64(maxSignatureLifetime/time.Second))
	}
	for _, f := range []struct {
		name    string
		seconds int64
	}{{"zsk_lifetime", a.ZSKLifetime}, {"ksk_lifetime", a.KSKLifetime}} {
		if f.seconds != 0 && (f.seconds < int64(minKeyLifetime/time.Second) || f.seconds > maxSeconds) {
			return fmt.Errorf("%s is %d: expected 0, or at least %d seconds", f.name, f.seconds, int64(minKeyLifetime/time.Second))
		}
	}
	if a.Propagation < 0 || a.Propagation > int64(7*24*time.Hour/time.Second) {
		return fmt.Errorf("propagation is %d: expected at most a week, in seconds", a.Propagation)
	}
	for _, s := range a.ParentalAgents {
		if _, err := netip.ParseAddrPort(s); err != nil {
			return fmt.Errorf("parental_agents has %q: expected IP addresses with a port", s)
		}
	}
	return nil
}

// policy is what the attributes say to the signer.
func (a *dnssecAttrs) policy() dnssec.Policy {
	p := dnssec.DefaultPolicy()
	p.Denial = dnssec.Denial(a.Denial)
	p.SignatureLifetime = time.Duration(a.SignatureLifetime) * time.Second
	p.ZSKLifetime = time.Duration(a.ZSKLifetime) * time.Second
	p.KSKLifetime = time.Duration(a.KSKLifetime) * time.Second
	p.Propagation = time.Duration(a.Propagation) * time.Second
	p.Withdraw = a.Withdraw
	return p
}

// dsTexts are the data of the DS records that the parent is to have.
func dsTexts(keys []*dnssec.Key, p dnssec.Policy) []string {
	out := []string{}
	for _, ds := range dnssec.DS(keys, p) {
		out = append(out, strings.TrimPrefix(ds.String(), ds.Hdr.String()))
	}
	slices.Sort(out)
	return out
}

// zoneName is the canonical name of the zone of a key.
func zoneName(key string) string {
	if key == "." {
		return "."
	}
	return dns.CanonicalName(key)
}

// A Secondary is who may copy the zones, as in the kind secondary.
type Secondary struct {
	Key     string         // "ns1/ns2"
	Address netip.AddrPort // invalid: nobody is told of changes
	// Unsigned: the address may copy zones without a key.
	Unsigned bool
	// KeyName is empty where there is no key; Secret is in base64: never log it.
	KeyName, KeyAlgorithm, Secret string
}

// Secondaries lists those who may copy the zones.
func (s *Store) Secondaries(ctx context.Context) (list []Secondary, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindSecondary}, func(key string, a secondaryAttrs) {
		one := Secondary{Key: key, Unsigned: a.Unsigned, KeyName: a.KeyName, KeyAlgorithm: a.KeyAlgorithm, Secret: a.KeySecret}
		if a.Address != "" {
			one.Address, _ = netip.ParseAddrPort(a.Address) // checked when it was stored
		}
		list = append(list, one)
	})
	if err != nil {
		return nil, fmt.Errorf("list secondaries: %w", err)
	}
	return list, nil
}
