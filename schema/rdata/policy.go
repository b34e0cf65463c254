package rdata

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
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
	// Exists are names with macros (RFC 7208 §7) that exist for who may.
	Exists []string
	// Policy is what the others are: "fail", "softfail", "neutral", or "none" to
	// say nothing of them.
	Policy string
	// Redirect is the domain whose policy decides on the others, empty for none. It
	// needs the policy "none", since any other is the last word (§6.1).
	Redirect Name
}

// MaxSPFLookups is how many DNS look-ups the check of one message may take
// (RFC 7208 §4.6.4). Who needs more has no valid policy.
const MaxSPFLookups = 10

// The widest networks that anybody has. A wider one, and all the more two halves
// of everything, would say "pass" to strangers.
const (
	widestSPF4 = 8
	widestSPF6 = 12
)

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
		term, widest := "ip6:", widestSPF6
		if p.Addr().Is4() {
			term, widest = "ip4:", widestSPF4
		}
		if p.Bits() < widest {
			return "", fmt.Errorf("the network %s is wider than any that one sender has, and would let strangers send; write /%d or longer", p, widest)
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
	for _, x := range s.Exists {
		if err := CheckSPFMacros(x); err != nil {
			return "", err
		}
		terms = append(terms, "exists:"+x)
	}
	if all != "" {
		terms = append(terms, all)
	}
	if s.Redirect != "" {
		if all != "" {
			return "", fmt.Errorf("a redirect is only heeded where the policy is none, and it is %s (RFC 7208 §6.1)", s.Policy)
		}
		terms = append(terms, "redirect="+s.Redirect.Host())
	}
	text := strings.Join(terms, " ")
	if n := SPFLookups(text); n > MaxSPFLookups {
		return "", fmt.Errorf("the policy takes %d look-ups, and RFC 7208 §4.6.4 allows %d; use networks instead of names", n, MaxSPFLookups)
	}
	return text, nil
}

// macro is one expansion in a name (RFC 7208 §7.1). The letters c, r and t are
// for explanations only.
var macro = regexp.MustCompile(`^(?:%\{[slodiphvSLODIPHV][0-9]{0,3}[rR]?[-.+,/_=]*\}|%%|%_|%-)`)

// CheckSPFMacros holds a name with macros to its syntax (RFC 7208 §7.1).
func CheckSPFMacros(s string) error {
	if s == "" {
		return errors.New("the name is empty")
	}
	for rest := s; rest != ""; {
		if rest[0] <= ' ' || rest[0] > '~' {
			return fmt.Errorf("the name %q has a character that no macro has", s)
		}
		if rest[0] != '%' {
			rest = rest[1:]
			continue
		}
		m := macro.FindString(rest)
		if m == "" {
			return fmt.Errorf("the name %q has a %% that begins no macro; one is written as %%{i}, and the sign itself as %%%% (RFC 7208 §7.1)", s)
		}
		rest = rest[len(m):]
	}
	return nil
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
	// below, empty for Policy; Absent for names below that do not exist, empty for
	// Subdomains (RFC 9091 §2, tag np).
	Policy, Subdomains, Absent string
	// Reports and Failures are where reports go: addresses or URIs.
	Reports, Failures []string
	// Percent of the mail that the policy is for, 0 to 100.
	Percent int
	// StrictDKIM and StrictSPF ask for the very domain instead of one above or below.
	StrictDKIM, StrictSPF bool
	// Options say which failures are reported: "0" (all checks failed), "1" (any
	// did), "d" (DKIM), "s" (SPF). None: "0". Without Failures they mean nothing.
	Options []string
}

// Text is the text of the record. Only what is not the default is written.
func (d DMARC) Text() (string, error) {
	for _, p := range []string{d.Policy, d.Subdomains, d.Absent} {
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
	if d.Absent != "" {
		tags = append(tags, "np="+d.Absent)
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
	if len(d.Options) > 0 {
		if len(d.Failures) == 0 {
			return "", errors.New("options of failure reports mean nothing without an address for them (RFC 7489 §6.3, fo)")
		}
		tags = append(tags, "fo="+strings.Join(d.Options, ":"))
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

// DMARCReportName is the owner of the record by which a domain that receives reports
// says that it takes those on another domain (RFC 7489 §7.1). Its text is DMARCReportText.
func DMARCReportName(of, receiver Name) Name { return receiver.Under(of.Host() + "._report._dmarc") }

// DMARCReportText says that reports on a domain are welcome.
const DMARCReportText = "v=DMARC1"

// NullMX is the value of the one MX record of a domain that receives no mail (RFC 7505).
const NullMX = "0 ."

// NoKey is the text of a DKIM record whose key is withdrawn, or never was (RFC 6376 §3.6.1).
const NoKey = "v=DKIM1; p="

// A BIMI says which picture stands beside a domain's mail. Its record is a TXT record at
// SELECTOR._bimi below the domain (draft-brand-indicators-for-message-identification).
type BIMI struct {
	// Logo and Evidence are https URLs; without Evidence there is no mark certificate.
	Logo, Evidence string
}

// Text is the text of the record.
func (b BIMI) Text() string {
	text := "v=BIMI1; l=" + b.Logo + ";"
	if b.Evidence != "" {
		text += " a=" + b.Evidence + ";"
	}
	return text
}

// BIMIName is the owner of a domain's BIMI record.
func BIMIName(selector string, domain Name) Name { return domain.Under(selector + "._bimi") }
