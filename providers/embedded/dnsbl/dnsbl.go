package dnsbl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Timeout is how long all lists together may take.
const Timeout = 5 * time.Second

// Enough is the weight with which a client is refused: lists reach it alone or together.
const Enough = 10

// An Action is what a listing means.
type Action string

// The actions.
const (
	Reject Action = "reject" // it counts with its weight; with Enough the client is refused
	Junk   Action = "junk"   // mail lies apart
	Mark   Action = "mark"   // the message says so
	Allow  Action = "allow"  // no other list, and no greylist, counts
)

// A List is one list.
type List struct {
	Zone   string // without a dot at the end
	Action Action
	Weight int // with Reject
	// Answers are those that count; none: all that can mean a listing.
	Answers []netip.Prefix
}

// A Resolver asks the DNS; *resolve.Resolver is one. Its errors are *net.DNSError.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// A Hit is a list that has a client.
type Hit struct {
	List
	Answer netip.Addr // the first that counts
	// Reason is what a list that refuses says to it; empty: nothing.
	Reason string
}

// A Failure is a list that could not be asked.
type Failure struct {
	Zone string
	Err  error
}

// ErrRefused says that a list does not answer such a resolver: a public one as a rule,
// or one that asks too much.
var ErrRefused = errors.New("the list does not answer this resolver")

// A Result is what lists say of a client, in the order of the lists.
type Result struct {
	Hits     []Hit
	Failures []Failure
}

// Check asks the lists about a client.
func Check(ctx context.Context, r Resolver, lists []List, client netip.Addr) Result {
	if len(lists) == 0 || !client.IsValid() {
		return Result{}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	hits, failures := make([]*Hit, len(lists)), make([]error, len(lists))
	prefix := reversed(client)
	var work sync.WaitGroup
	for i, l := range lists {
		work.Go(func() { hits[i], failures[i] = l.ask(ctx, r, prefix+l.Zone) })
	}
	work.Wait()
	var out Result
	for i, l := range lists {
		switch {
		case hits[i] != nil:
			out.Hits = append(out.Hits, *hits[i])
		case failures[i] != nil:
			out.Failures = append(out.Failures, Failure{l.Zone, failures[i]})
		}
	}
	return out
}

// ask asks one list.
func (l List) ask(ctx context.Context, r Resolver, name string) (*Hit, error) {
	answers, err := r.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		var de *net.DNSError
		if errors.As(err, &de) && de.IsNotFound {
			return nil, nil
		}
		return nil, err
	}
	i := slices.IndexFunc(answers, l.counts)
	if i < 0 {
		if slices.ContainsFunc(answers, refusals.Contains) {
			return nil, ErrRefused
		}
		return nil, nil
	}
	h := &Hit{List: l, Answer: answers[i]}
	if l.Action == Reject {
		// Why is told to the client; without it there is no harm.
		if texts, err := r.LookupTXT(ctx, name); err == nil && len(texts) > 0 {
			h.Reason = texts[0]
		}
	}
	return h, nil
}

var (
	listings = netip.MustParsePrefix("127.0.0.0/8")
	refusals = netip.MustParsePrefix("127.255.255.0/24") // of Spamhaus and others
	loopback = netip.MustParseAddr("127.0.0.1")          // RFC 5782 §5: never a listing
)

// counts says whether an answer is a listing.
func (l List) counts(a netip.Addr) bool {
	if !listings.Contains(a) || refusals.Contains(a) {
		return false
	}
	if len(l.Answers) == 0 {
		return a != loopback
	}
	return slices.ContainsFunc(l.Answers, func(p netip.Prefix) bool { return p.Contains(a) })
}

// reversed is the beginning of the name of a client in a list, with its last dot
// (RFC 5782 §2.1, §2.4).
func reversed(client netip.Addr) string {
	client = client.Unmap()
	var b strings.Builder
	bytes := client.AsSlice()
	for _, c := range slices.Backward(bytes) {
		if client.Is4() {
			b.WriteString(strconv.Itoa(int(c)) + ".")
			continue
		}
		const digits = "0123456789abcdef"
		b.Write([]byte{digits[c&15], '.', digits[c>>4], '.'})
	}
	return b.String()
}

// Allowed says whether a list of good clients has the client.
func (r Result) Allowed() bool {
	return slices.ContainsFunc(r.Hits, func(h Hit) bool { return h.Action == Allow })
}

// Refused is the list with the greatest weight, where those that have the client reach
// Enough together; nil: they do not.
func (r Result) Refused() *Hit {
	if r.Allowed() {
		return nil
	}
	weight := 0
	var worst *Hit
	for i := range r.Hits {
		h := &r.Hits[i]
		if h.Action != Reject {
			continue
		}
		weight += h.Weight
		if worst == nil || h.Weight > worst.Weight {
			worst = h
		}
	}
	if weight < Enough {
		return nil
	}
	return worst
}

// Junk says whether mail of the client lies apart.
func (r Result) Junk() bool {
	return !r.Allowed() && slices.ContainsFunc(r.Hits, func(h Hit) bool { return h.Action == Junk })
}

// Results are those of an Authentication-Results field: "dnswl" (RFC 8904) for lists of
// good clients, and "x-dnsbl" for others.
func (r Result) Results() []string {
	var out []string
	for _, h := range r.Hits {
		method := "x-dnsbl=fail"
		if h.Action == Allow {
			method = "dnswl=pass"
		}
		out = append(out, method+" dns.zone="+h.Zone+" policy.ip="+h.Answer.String())
	}
	return out
}
