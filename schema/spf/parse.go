package spf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailform/mailform/schema/rdata"
)

// A Policy is a policy taken apart.
type Policy struct {
	Mechanisms []Mechanism
	// Redirect and Explanation are the values of those modifiers, empty for none.
	Redirect, Explanation string
}

// A Mechanism is one term that a sender can match.
type Mechanism struct {
	Qualifier byte   // + - ~ ?
	Name      string // all, include, a, mx, ptr, ip4, ip6 or exists
	// Domain is the name behind the colon, with its macros; empty: the domain that
	// is checked.
	Domain string
	// Network of ip4 and ip6.
	Network netip.Prefix
	// Bits4 and Bits6 are the lengths of prefixes behind a and mx; 32 and 128 where
	// there are none.
	Bits4, Bits6 int
}

// Asks reports whether a mechanism takes a look-up (RFC 7208 §4.6.4).
func (m *Mechanism) Asks() bool {
	switch m.Name {
	case "include", "a", "mx", "ptr", "exists":
		return true
	}
	return false
}

// All reports whether there is an all in the policy, which ends it: nothing
// behind it is looked at, and redirect is not heeded (§5.1).
func (p *Policy) All() bool {
	return len(p.Mechanisms) > 0 && p.Mechanisms[len(p.Mechanisms)-1].Name == "all"
}

// errEmpty is the error of a term that needs a name and has none.
var errEmpty = errors.New("a domain has to follow")

// Parse takes the text of a policy apart. Mechanisms behind an all are checked
// and left out. Errors say which term is wrong; for receivers each of them makes
// the whole policy an error (§4.6).
func Parse(text string) (*Policy, error) {
	if !rdata.IsSPF(text) {
		return nil, errors.New("it does not begin with v=spf1")
	}
	p, ended, seen := &Policy{}, false, map[string]bool{}
	for term := range strings.SplitSeq(text[len("v=spf1"):], " ") {
		if term == "" {
			continue
		}
		if name, value, ok := modifier(term); ok {
			if (name == "redirect" || name == "exp") && seen[name] {
				return nil, fmt.Errorf("the modifier %s stands there twice (§6)", name)
			}
			seen[name] = true
			if err := p.modify(name, value); err != nil {
				return nil, fmt.Errorf("the term %q: %w", term, err)
			}
			continue
		}
		m, err := mechanism(term)
		if err != nil {
			return nil, fmt.Errorf("the term %q: %w", term, err)
		}
		if !ended {
			p.Mechanisms = append(p.Mechanisms, *m)
		}
		ended = ended || m.Name == "all"
	}
	return p, nil
}

// modifier divides NAME=VALUE (§4.6.1, §6): a name begins with a letter.
func modifier(term string) (name, value string, ok bool) {
	i := strings.IndexAny(term, "=:/")
	if i <= 0 || term[i] != '=' {
		return "", "", false
	}
	name = strings.ToLower(term[:i])
	if name[0] < 'a' || name[0] > 'z' {
		return "", "", false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "", "", false
		}
	}
	return name, term[i+1:], true
}

func (p *Policy) modify(name, value string) error {
	switch name {
	case "redirect", "exp":
		if value == "" {
			return errEmpty
		}
		if err := checkDomain(value); err != nil {
			return err
		}
		if name == "redirect" {
			p.Redirect = value
		} else {
			p.Explanation = value
		}
		return nil
	}
	return checkMacros(value) // of one that nobody knows, and that says nothing
}

func mechanism(term string) (*Mechanism, error) {
	m := &Mechanism{Qualifier: '+', Bits4: 32, Bits6: 128}
	rest := term
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		m.Qualifier, rest = rest[0], rest[1:]
	}
	i := strings.IndexAny(rest, ":/")
	if i < 0 {
		i = len(rest)
	}
	m.Name, rest = strings.ToLower(rest[:i]), rest[i:]
	switch m.Name {
	case "all":
		if rest != "" {
			return nil, errors.New("nothing follows all (§5.1)")
		}
		return m, nil
	case "ip4", "ip6":
		return m, m.network(rest)
	case "a", "mx", "include", "exists", "ptr":
	default:
		return nil, errors.New("there is no such mechanism (§4.6.1)")
	}
	if m.Name == "a" || m.Name == "mx" {
		var err error
		if rest, err = m.bits(rest); err != nil {
			return nil, err
		}
	}
	if rest != "" {
		if rest[0] != ':' {
			return nil, errors.New("it has no prefix length (§4.6.1)")
		}
		if m.Domain = rest[1:]; m.Domain == "" {
			return nil, errEmpty
		}
		return m, checkDomain(m.Domain)
	}
	if m.Name == "include" || m.Name == "exists" {
		return nil, errEmpty
	}
	return m, nil
}

// bits takes the lengths of prefixes off the end: /24, //64, /24//64 (§5.6).
func (m *Mechanism) bits(rest string) (string, error) {
	// A slash can be in a macro, so that only digits at the end count.
	cut := func(sep string, most int, into *int) error {
		i := strings.LastIndex(rest, sep)
		if i < 0 || strings.Trim(rest[i+len(sep):], "0123456789") != "" {
			return nil
		}
		digits := rest[i+len(sep):]
		n, err := strconv.Atoi(digits)
		if err != nil || n > most || len(digits) > 1 && digits[0] == '0' {
			return fmt.Errorf("the length of a prefix is a number from 0 to %d (§5.6)", most)
		}
		*into, rest = n, rest[:i]
		return nil
	}
	if err := cut("//", 128, &m.Bits6); err != nil {
		return "", err
	}
	if err := cut("/", 32, &m.Bits4); err != nil {
		return "", err
	}
	return rest, nil
}

func (m *Mechanism) network(rest string) error {
	if !strings.HasPrefix(rest, ":") || rest == ":" {
		return errors.New("an address has to follow (§5.6)")
	}
	p, err := rdata.ParseNetwork(rest[1:], int(m.Name[2]-'0'))
	if err != nil {
		return err
	}
	m.Network = p
	return nil
}

// checkDomain holds a name with macros to §7.1: it ends in a label or a macro.
func checkDomain(s string) error {
	if err := checkMacros(s); err != nil {
		return err
	}
	if hasMacros(s) {
		return nil
	}
	n, err := rdata.ParseName(s)
	if err != nil {
		return err
	}
	top := n.Host()[strings.LastIndexByte(n.Host(), '.')+1:]
	if strings.Trim(top, "0123456789") == "" || strings.Trim(top, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New("it is no domain name (§7.1)")
	}
	return nil
}

func checkMacros(s string) error {
	if s == "" {
		return nil
	}
	return rdata.CheckSPFMacros(s)
}

// hasMacros reports whether a name depends on the message.
func hasMacros(s string) bool { return strings.Contains(s, "%") }
