package verify

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"
)

// DMARC is the result for the author's domain.
type DMARC struct {
	Result Result // empty: not checked
	Domain string // of the author
	Policy string // as the domain publishes it: "none", "quarantine", "reject"
	// Override says why the policy is not applied; empty: it is, or is "none".
	Override string
}

// A record is the DMARC record that goes for an author's domain.
type record struct {
	author string
	policy *dmarc.Record
	// below is set where it is that of the organisation, above the domain.
	below bool
	// failed is TempError or PermError where there is none because of that.
	failed Result
}

// record finds the policy of a domain: its own or that of its organisation
// (RFC 7489 §6.6.3).
func (c *Checker) record(ctx context.Context, author string) record {
	r := record{author: author}
	names := []string{author}
	if org := organisation(author); org != author {
		names = append(names, org)
	}
	for i, name := range names {
		texts, err := c.Resolver.LookupTXT(ctx, "_dmarc."+name)
		if temporary(err) {
			r.failed = TempError
			return r
		}
		texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !isPolicy(s) })
		if len(texts) != 1 {
			// None, or several, which is as if there were none.
			continue
		}
		r.policy, err = dmarc.Parse(normal(texts[0]))
		if err != nil {
			r.failed = PermError
			return r
		}
		r.below = i > 0
		return r
	}
	return r
}

const version = "v=DMARC1"

// isPolicy tells a DMARC record from other texts at the same name.
func isPolicy(s string) bool {
	rest, ok := strings.CutPrefix(s, version)
	return ok && (rest == "" || strings.HasPrefix(strings.TrimLeft(rest, " \t"), ";"))
}

// normal brings a record into the spelling that the library knows: values are in
// any letter case. Addresses for reports are not used here.
func normal(s string) string { return version + strings.ToLower(s[len(version):]) }

// organisation is the domain that somebody has registered (RFC 7489 §3.2).
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil { // a public suffix itself
		return domain
	}
	return org
}

// aligned says whether what speaks for one domain speaks for an author's.
func aligned(mode dmarc.AlignmentMode, domain, author string) bool {
	if domain == author {
		return domain != ""
	}
	return mode != dmarc.AlignmentStrict && domain != "" && organisation(domain) == organisation(author)
}

// dmarc decides for each author, and keeps the result that is worst: a message
// with several has to be from all of them.
func (c *Checker) dmarc(v *Verdict, p Policy, records []record) {
	if len(records) == 0 {
		v.DMARC = DMARC{Result: PermError} // no From that one could read
		return
	}
	for i, r := range records {
		d, disposition := c.judge(v, p, r)
		if i == 0 || disposition > v.Disposition || disposition == v.Disposition && d.Result != Pass && v.DMARC.Result == Pass {
			v.DMARC = d
		}
		if disposition > v.Disposition {
			v.Disposition, v.refusedBy = disposition, "dmarc"
		}
	}
}

func (c *Checker) judge(v *Verdict, p Policy, r record) (DMARC, Disposition) {
	d := DMARC{Result: None, Domain: r.author}
	if r.policy == nil {
		if r.failed != "" {
			d.Result = r.failed
		}
		return d, Deliver
	}
	policy := r.policy.Policy
	if r.below && r.policy.SubdomainPolicy != "" {
		policy = r.policy.SubdomainPolicy
	}
	d.Policy = string(policy)
	d.Result = v.speaksFor(r)
	if d.Result == Pass || p.DMARC != Enforce {
		return d, Deliver
	}
	disposition := Deliver
	switch d.Policy {
	case dmarc.PolicyQuarantine:
		disposition = Junk
	case dmarc.PolicyReject:
		disposition = Refuse
	}
	// The tag pct: the policy goes for this part of the messages, and for the
	// others the next milder one (RFC 7489 §6.6.4).
	if pct := r.policy.Percent; pct != nil && disposition > Deliver && c.roll() >= *pct {
		d.Override = "pct"
		disposition = map[Disposition]Disposition{Refuse: Junk, Junk: Deliver}[disposition]
	}
	if disposition > Deliver && v.ARC.sawPass(p.TrustedSealers) {
		d.Override = "arc"
		return d, Deliver
	}
	if disposition > Deliver && d.Result == TempError {
		return d, Defer
	}
	return d, disposition
}

// speaksFor says whether SPF or DKIM speaks for an author's domain: Pass, Fail, or
// TempError where one might that could not be looked up.
func (v *Verdict) speaksFor(r record) Result {
	result := Fail
	consider := func(found Result, mode dmarc.AlignmentMode, domain string) {
		switch {
		case result == Pass || !aligned(mode, domain, r.author):
		case found == Pass:
			result = Pass
		case found == TempError:
			result = TempError
		}
	}
	consider(v.SPF.Result, r.policy.SPFAlignment, v.SPF.Domain)
	for _, s := range v.DKIM {
		consider(s.Result, r.policy.DKIMAlignment, s.Domain)
	}
	return result
}
