package mtasts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Modes of a policy.
const (
	Enforce = "enforce" // no mail where TLS is not as it should be
	Testing = "testing" // mail anyway, and a word in the report
	None    = "none"    // no policy any more
)

// A Policy is what a domain says.
type Policy struct {
	Mode string
	// MX are patterns of names in lower case: mail.example.com, *.example.net.
	MX []string
	// MaxAge is how long the policy holds.
	MaxAge time.Duration
}

// ErrPolicy says that a text is no policy.
var ErrPolicy = errors.New("not an MTA-STS policy")

// maxAge is the longest that a policy holds (RFC 8461 §3.2), in seconds.
const maxAge = 31557600

// Parse reads the text of a policy (RFC 8461 §3.2). Errors are [ErrPolicy].
func Parse(text string) (*Policy, error) {
	p := &Policy{MaxAge: -1}
	seen := map[string]bool{}
	for l := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.Trim(l, " \t") == "" {
			continue
		}
		key, value, ok := strings.Cut(l, ":")
		if !ok {
			return nil, fmt.Errorf("%w: the line %q has no colon", ErrPolicy, l)
		}
		value = strings.Trim(value, " \t")
		if key == "mx" {
			name, err := pattern(value)
			if err != nil {
				return nil, err
			}
			p.MX = append(p.MX, name)
			continue
		}
		if seen[key] {
			continue // the first counts
		}
		seen[key] = true
		switch key {
		case "version":
			if value != "STSv1" {
				return nil, fmt.Errorf("%w: its version is %q", ErrPolicy, value)
			}
		case "mode":
			if value != Enforce && value != Testing && value != None {
				return nil, fmt.Errorf("%w: its mode is %q", ErrPolicy, value)
			}
			p.Mode = value
		case "max_age":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil || len(value) > 10 {
				return nil, fmt.Errorf("%w: its max_age is %q", ErrPolicy, value)
			}
			p.MaxAge = time.Duration(min(n, maxAge)) * time.Second
		}
	}
	switch {
	case !seen["version"]:
		return nil, fmt.Errorf("%w: it has no version", ErrPolicy)
	case p.Mode == "":
		return nil, fmt.Errorf("%w: it has no mode", ErrPolicy)
	case p.MaxAge < 0:
		return nil, fmt.Errorf("%w: it has no max_age", ErrPolicy)
	case len(p.MX) == 0 && p.Mode != None:
		return nil, fmt.Errorf("%w: it names no mx", ErrPolicy)
	}
	return p, nil
}

// pattern reads the name of a server, or one with a star as its first label.
func pattern(s string) (string, error) {
	name, star := strings.CutPrefix(s, "*.")
	a, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || a == "" || strings.Contains(a, "*") {
		return "", fmt.Errorf("%w: its mx %q is no name of a server", ErrPolicy, s)
	}
	a = strings.ToLower(a)
	if star {
		return "*." + a, nil
	}
	return a, nil
}

// Matches says whether the policy names a server (RFC 8461 §4.1). A star stands
// for one label.
func (p *Policy) Matches(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, m := range p.MX {
		if m == host {
			return true
		}
		if rest, star := strings.CutPrefix(m, "*."); star {
			if _, parent, ok := strings.Cut(host, "."); ok && parent == rest {
				return true
			}
		}
	}
	return false
}

// Lines are the policy as reports quote it (RFC 8460 §4.4).
func (p *Policy) Lines() []string {
	lines := []string{"version: STSv1", "mode: " + p.Mode}
	for _, m := range p.MX {
		lines = append(lines, "mx: "+m)
	}
	return append(lines, "max_age: "+strconv.FormatInt(int64(p.MaxAge/time.Second), 10))
}

// String is the text of the policy, as [Parse] reads it.
func (p *Policy) String() string { return strings.Join(p.Lines(), "\r\n") + "\r\n" }

// parseRecord returns the id in the texts of _mta-sts.DOMAIN (RFC 8461 §3.1);
// false: they say nothing, or not one thing.
func parseRecord(texts []string) (string, bool) {
	found, n := "", 0
	for _, t := range texts {
		if version, _, _ := strings.Cut(t, ";"); strings.TrimRight(version, " \t") == "v=STSv1" {
			found, n = t, n+1
		}
	}
	if n != 1 {
		return "", false
	}
	for f := range strings.SplitSeq(found, ";") {
		if id, ok := strings.CutPrefix(strings.Trim(f, " \t"), "id="); ok {
			return id, validID(id)
		}
	}
	return "", false
}

func validID(id string) bool {
	return id != "" && len(id) <= 32 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}
