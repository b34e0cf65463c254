package rdata

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// An SPF says which servers may send mail for a domain (RFC 7208). Its record
// is a TXT record at the domain.
type SPF struct {
	// MX: the domain's mail exchangers may.
	MX bool
	// Hosts are further servers that may, by name.
	Hosts []Name
	// Networks that may.
	Networks []netip.Prefix
	// Include are domains whose senders may.
	Include []Name
	// Policy is what the others are: "fail", "softfail", "neutral", or "none" to
	// say nothing of them.
	Policy string
}

// MaxSPFLookups is how many DNS look-ups the check of one message may take
// (RFC 7208 §4.6.4). Who needs more has no valid policy.
const MaxSPFLookups = 10

// spfAll has no "pass": it would let everyone send in the domain's name.
var spfAll = map[string]string{"fail": "-all", "softfail": "~all", "neutral": "?all", "none": ""}

// Text is the text of the record.
func (s SPF) Text() (string, error) {
	all, ok := spfAll[s.Policy]
	if !ok {
		return "", fmt.Errorf("the policy %q is none: fail, softfail, neutral or none", s.Policy)
	}
	terms := []string{"v=spf1"}
	if s.MX {
		terms = append(terms, "mx")
	}
	for _, h := range s.Hosts {
		terms = append(terms, "a:"+h.Host())
	}
	for _, p := range s.Networks {
		term := "ip6:"
		if p.Addr().Is4() {
			term = "ip4:"
		}
		if p.IsSingleIP() {
			term += p.Addr().String()
		} else {
			term += p.Masked().String()
		}
		terms = append(terms, term)
	}
	for _, n := range s.Include {
		terms = append(terms, "include:"+n.Host())
	}
	if all != "" {
		terms = append(terms, all)
	}
	text := strings.Join(terms, " ")
	if n := SPFLookups(text); n > MaxSPFLookups {
		return "", fmt.Errorf("the policy takes %d look-ups, and RFC 7208 §4.6.4 allows %d; use networks instead of names", n, MaxSPFLookups)
	}
	return text, nil
}

// IsSPF reports whether the text of a TXT record is an SPF policy: the version,
// alone or with a space after it (RFC 7208 §4.5).
func IsSPF(text string) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// SPFLookups counts the terms of a policy that take a DNS look-up. What the
// included policies take comes on top; nothing is looked up here.
func SPFLookups(text string) int {
	n, all, redirect := 0, false, 0
	for _, term := range strings.Fields(strings.ToLower(text)) {
		if strings.HasPrefix(term, "redirect=") {
			redirect = 1
			continue
		}
		mechanism := strings.TrimLeft(term, "+-~?")
		if i := strings.IndexAny(mechanism, ":/"); i >= 0 {
			mechanism = mechanism[:i]
		}
		switch mechanism {
		case "a", "mx", "ptr", "include", "exists":
			n++
		case "all":
			all = true
		}
	}
	if all { // redirect is ignored then (§6.1)
		return n
	}
	return n + redirect
}

// ParseNetwork reads an address or a network of one family: 4 or 6.
func ParseNetwork(s string, family int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("this is neither an address nor a network")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4() != (family == 4) {
		return netip.Prefix{}, fmt.Errorf("this is not an IPv%d address", family)
	}
	return p.Masked(), nil
}

// A DMARC says what becomes of mail that fails its checks (RFC 7489 §6.3). Its
// record is a TXT record at _dmarc below the domain.
type DMARC struct {
	// Policy is "none", "quarantine" or "reject"; Subdomains the same for names
	// below, empty for Policy.
	Policy, Subdomains string
	// Reports and Failures are where reports go: addresses or URIs.
	Reports, Failures []string
	// Percent of the mail that the policy is for, 0 to 100.
	Percent int
	// StrictDKIM and StrictSPF ask for the very domain instead of one above or below.
	StrictDKIM, StrictSPF bool
}

// Text is the text of the record. Only what is not the default is written.
func (d DMARC) Text() (string, error) {
	for _, p := range []string{d.Policy, d.Subdomains} {
		switch p {
		case "none", "quarantine", "reject":
		case "":
			if d.Policy != "" {
				continue
			}
			fallthrough
		default:
			return "", fmt.Errorf("the policy %q is none: none, quarantine or reject", p)
		}
	}
	if d.Percent < 0 || d.Percent > 100 {
		return "", fmt.Errorf("%d percent is not between 0 and 100", d.Percent)
	}
	tags := []string{"v=DMARC1", "p=" + d.Policy}
	if d.Subdomains != "" {
		tags = append(tags, "sp="+d.Subdomains)
	}
	if d.StrictDKIM {
		tags = append(tags, "adkim=s")
	}
	if d.StrictSPF {
		tags = append(tags, "aspf=s")
	}
	if d.Percent != 100 {
		tags = append(tags, "pct="+strconv.Itoa(d.Percent))
	}
	if len(d.Reports) > 0 {
		tags = append(tags, "rua="+reportURIs(d.Reports))
	}
	if len(d.Failures) > 0 {
		tags = append(tags, "ruf="+reportURIs(d.Failures))
	}
	return strings.Join(tags, "; "), nil
}

// reportURIs writes a list of URIs. A comma, a semicolon and an exclamation mark
// mean something in the list (RFC 7489 §6.2), so they are encoded.
func reportURIs(list []string) string {
	encode := strings.NewReplacer(",", "%2C", ";", "%3B", "!", "%21")
	uris := make([]string, len(list))
	for i, s := range list {
		if !strings.Contains(s, ":") {
			s = "mailto:" + s
		}
		uris[i] = encode.Replace(s)
	}
	return strings.Join(uris, ",")
}

// DMARCName is the owner of a domain's DMARC record.
func DMARCName(domain Name) Name { return domain.Under("_dmarc") }

// A DKIM is the public half of a signing key (RFC 6376 §3.6.1).
type DKIM struct {
	// Algorithm is "rsa" or "ed25519".
	Algorithm string
	// Key is the public key: for rsa a SubjectPublicKeyInfo in DER, for ed25519
	// the 32 octets (RFC 8463 §4).
	Key []byte
}

// Text is the text of the record.
func (d DKIM) Text() string {
	return "v=DKIM1; k=" + d.Algorithm + "; p=" + base64.StdEncoding.EncodeToString(d.Key)
}

// DKIMName is the owner of the record of a key. A selector is one label or more
// (RFC 6376 §3.1).
func DKIMName(selector string, domain Name) (Name, error) {
	s, err := ParseName(selector)
	if err != nil {
		return "", err
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "", fmt.Errorf("the character %q cannot be in a selector", string(c))
		}
	}
	return checkLength(string(domain.Under(s.Host() + "._domainkey")))
}
