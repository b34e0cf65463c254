package spf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema/rdata"
)

// Limits of the check of one message (RFC 7208 §4.6.4).
const (
	MaxLookups = rdata.MaxSPFLookups
	MaxVoid    = 2
	// MaxHosts is how many names one mx may have, and of ptr are looked at.
	MaxHosts = 10
)

// enough bounds what is counted of a policy that is beyond all limits.
const enough = 100

// A Resolver knows records.
type Resolver interface {
	// Lookup returns the canonical values of the records of a name and type, those
	// that an alias leads to included. The error is an ErrNone where there are none,
	// and an ErrUnknown where the resolver does not know; any other may be another
	// one the next time.
	Lookup(ctx context.Context, name rdata.Name, rrtype string) ([]string, error)
}

// Errors of a Resolver.
var (
	// ErrNone: the name does not exist, or has no records of the type.
	ErrNone = errors.New("there are no such records")
	// ErrUnknown: this resolver cannot tell.
	ErrUnknown = errors.New("that is not known here")
)

// Errors of a policy, in Result.Problems. Receivers take all but the last for a
// permanent error, with which the policy says nothing (§2.6.7).
var (
	ErrSyntax   = errors.New("syntax")
	ErrLookups  = errors.New("too many look-ups")
	ErrVoid     = errors.New("too many look-ups in vain")
	ErrHosts    = errors.New("too many hosts")
	ErrLoop     = errors.New("policies that include one another")
	ErrNoPolicy = errors.New("no policy where one is included")
	ErrMultiple = errors.New("more than one policy")
	// ErrTemporary: something could not be looked up.
	ErrTemporary = errors.New("temporary error")
)

// A Result is what the check of a message takes at worst.
type Result struct {
	// Lookups are the terms that ask, Void those that ask for what is not there.
	Lookups, Void int
	// Unknown are the names that the resolver could not look into: what is behind
	// them comes on top.
	Unknown []rdata.Name
	// Problems wrap the errors of this package, each with what it is about.
	Problems []*Problem
}

// Count follows a policy of a domain.
func Count(ctx context.Context, r Resolver, domain rdata.Name, text string) Result {
	c := &counter{ctx: ctx, r: r}
	c.policy(domain, text, []rdata.Name{domain})
	if c.out.Lookups > MaxLookups {
		more := ""
		if c.out.Lookups >= enough {
			more = " or more"
		}
		c.problem(ErrLookups, "4.6.4", "takes %d%s look-ups, and a receiver does at most %d", c.out.Lookups, more, MaxLookups)
	}
	if c.out.Void > MaxVoid {
		c.problem(ErrVoid, "4.6.4", "has %d look-ups that find nothing, and a receiver does at most %d of that sort", c.out.Void, MaxVoid)
	}
	return c.out
}

type counter struct {
	ctx context.Context
	r   Resolver
	out Result
}

// A Problem is one of the errors of this package with a sentence about it.
type Problem struct {
	Kind error
	// Text goes on from "the policy of example.com".
	Text string
	// Section of RFC 7208; empty where it is none of that.
	Section string
}

func (p *Problem) Error() string {
	text := "the policy " + p.Text
	if p.Section != "" {
		text += " (RFC 7208 §" + p.Section + ")"
	}
	return text
}
func (p *Problem) Unwrap() error { return p.Kind }

func (c *counter) problem(kind error, section, format string, args ...any) {
	p := &Problem{kind, fmt.Sprintf(format, args...), section}
	if !slices.ContainsFunc(c.out.Problems, func(o *Problem) bool { return o.Text == p.Text }) {
		c.out.Problems = append(c.out.Problems, p)
	}
}

// policy counts one policy; path are the domains that have led to it, its own last.
func (c *counter) policy(domain rdata.Name, text string, path []rdata.Name) {
	p, err := Parse(text)
	if err != nil {
		c.problem(ErrSyntax, "4.6", "needs that of %s, which is none: %v", domain.Host(), err)
		return
	}
	for i := range p.Mechanisms {
		m := &p.Mechanisms[i]
		if !m.Asks() {
			continue
		}
		if c.out.Lookups >= enough {
			return
		}
		c.out.Lookups++
		name, ok := nameOf(m.Domain, domain)
		if !ok {
			continue // it depends on the message
		}
		switch m.Name {
		case "include":
			c.follow(name, path, "includes")
		case "a", "exists":
			c.look(name, "A", "AAAA")
		case "mx":
			if hosts := c.look(name, "MX"); len(hosts) > MaxHosts {
				c.problem(ErrHosts, "4.6.4", "names the MX records of %s, of which there are %d, and a receiver looks at no more than %d", name.Host(), len(hosts), MaxHosts)
			}
		}
	}
	if p.Redirect == "" || p.All() || c.out.Lookups >= enough {
		return
	}
	c.out.Lookups++
	if name, ok := nameOf(p.Redirect, domain); ok {
		c.follow(name, path, "redirects to")
	}
}

// nameOf is the name that a term is about; false where macros make it.
func nameOf(term string, domain rdata.Name) (rdata.Name, bool) {
	if term == "" {
		return domain, true
	}
	if hasMacros(term) {
		return "", false
	}
	n, err := rdata.ParseName(term)
	return n, err == nil
}

// look asks for records of some types at once, and counts what is not there.
func (c *counter) look(name rdata.Name, types ...string) []string {
	var found []string
	none := true
	for _, t := range types {
		values, err := c.r.Lookup(c.ctx, name, t)
		switch {
		case err == nil:
			found = append(found, values...)
			none = false
		case errors.Is(err, ErrNone):
		case errors.Is(err, ErrUnknown):
			none = false
		default:
			none = false
			c.problem(ErrTemporary, "", "needs %s %s, which could not be looked up: %v", name.Host(), t, err)
		}
	}
	if none {
		c.out.Void++
	}
	return found
}

// via words that another policy than the first says something.
func (c *counter) via(from rdata.Name, path []rdata.Name) string {
	if len(path) == 1 {
		return ""
	}
	return "leads to that of " + from.Host() + ", which "
}

// follow goes on with the policy of another domain.
func (c *counter) follow(name rdata.Name, path []rdata.Name, verb string) {
	from := path[len(path)-1]
	if i := slices.Index(path, name); i >= 0 {
		var way []string
		for _, n := range append(slices.Clone(path[i:]), name) {
			way = append(way, n.Host())
		}
		c.problem(ErrLoop, "", "leads into a circle: %s", strings.Join(way, " → "))
		return
	}
	texts, err := c.r.Lookup(c.ctx, name, "TXT")
	switch {
	case errors.Is(err, ErrUnknown):
		if !slices.Contains(c.out.Unknown, name) {
			c.out.Unknown = append(c.out.Unknown, name)
		}
		return
	case errors.Is(err, ErrNone):
		c.out.Void++
	case err != nil:
		c.problem(ErrTemporary, "", "needs that of %s, which could not be looked up: %v", name.Host(), err)
		return
	}
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !rdata.IsSPF(s) })
	switch len(texts) {
	case 0:
		c.problem(ErrNoPolicy, "5.2", "%s%s %s, which has none", c.via(from, path), verb, name.Host())
	case 1:
		c.policy(name, texts[0], append(slices.Clone(path), name))
	default:
		c.problem(ErrMultiple, "3.2", "%s%s %s, which has %d", c.via(from, path), verb, name.Host(), len(texts))
	}
}
