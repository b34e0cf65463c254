package rdata

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An MTASTS is a policy of how mail to a domain is to be sent under TLS
// (RFC 8461). Its text is served as https://mta-sts.DOMAIN/.well-known/mta-sts.txt,
// and a TXT record at _mta-sts below the domain says which version it is.
type MTASTS struct {
	// Mode is "enforce", "testing", or "none" for a policy that is being taken back.
	Mode string
	// Hosts are names of the domain's MX, or patterns whose first label is "*".
	Hosts []string
	// MaxAge is how long senders remember the policy, up to MaxSTSAge.
	MaxAge time.Duration
}

// MaxSTSAge is the longest that a policy can be remembered (RFC 8461 §3.2).
const MaxSTSAge = 31557600 * time.Second

// Text is the policy as it is served, lines ended by CRLF.
func (m MTASTS) Text() (string, error) {
	switch m.Mode {
	case "enforce", "testing", "none":
	default:
		return "", fmt.Errorf("the mode %q is none: enforce, testing or none", m.Mode)
	}
	if len(m.Hosts) == 0 && m.Mode != "none" {
		return "", fmt.Errorf("a policy of mode %s names at least one MX (RFC 8461 §3.2)", m.Mode)
	}
	if m.MaxAge < 0 || m.MaxAge > MaxSTSAge || m.MaxAge%time.Second != 0 {
		return "", fmt.Errorf("the age has to be whole seconds up to %d, a year (RFC 8461 §3.2)", int(MaxSTSAge.Seconds()))
	}
	lines := []string{"version: STSv1", "mode: " + m.Mode}
	for _, h := range m.Hosts {
		name, err := stsHost(h)
		if err != nil {
			return "", err
		}
		lines = append(lines, "mx: "+name)
	}
	lines = append(lines, "max_age: "+strconv.Itoa(int(m.MaxAge.Seconds())))
	return strings.Join(lines, "\r\n") + "\r\n", nil
}

// stsHost reads a name or a pattern of a policy.
func stsHost(s string) (string, error) {
	host, wild := strings.CutPrefix(s, "*.")
	n, err := ParseName(host)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is no host name: %w", s, err)
	case strings.Contains(string(n), "*") || !strings.Contains(n.Host(), "."):
		return "", fmt.Errorf("%q is no host name; a * can only be the whole first label (RFC 8461 §4.1)", s)
	case wild:
		return "*." + n.Host(), nil
	}
	return n.Host(), nil
}

// STSID makes the version of a policy out of its text, so that it is another
// one exactly when the policy is.
func STSID(policy string) string {
	sum := sha256.Sum256([]byte(policy))
	return hex.EncodeToString(sum[:])[:32] // as many as the record takes
}

// STSText is the text of the TXT record for a version: 1 to 32 letters and
// digits (RFC 8461 §3.1).
func STSText(id string) (string, error) {
	if id == "" || len(id) > 32 {
		return "", fmt.Errorf("the id has %d characters, and has to have 1 to 32 (RFC 8461 §3.1)", len(id))
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "", fmt.Errorf("the id holds %q, and has to be letters and digits (RFC 8461 §3.1)", c)
		}
	}
	return "v=STSv1; id=" + id, nil
}

// TLSRPTText is the text of the TXT record at _smtp._tls below a domain: where
// reports on TLS go (RFC 8460 §3), mail addresses or https URIs.
func TLSRPTText(reports []string) (string, error) {
	if len(reports) == 0 {
		return "", errors.New("there is nobody to report to (RFC 8460 §3)")
	}
	for _, r := range reports {
		scheme, _, ok := strings.Cut(r, ":")
		if !ok || scheme == "mailto" {
			continue
		}
		if u, err := url.Parse(r); err != nil || scheme != "https" || u.Host == "" {
			return "", fmt.Errorf("reports go by mail or to an https URI, and %q is neither (RFC 8460 §3)", r)
		}
	}
	return "v=TLSRPTv1; rua=" + reportURIs(reports), nil
}
