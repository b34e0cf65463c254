package mtasts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Resolver looks up texts; *resolve.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// A Cached policy is one as it was fetched.
type Cached struct {
	Domain string
	ID     string
	Text   string
	// Fetched is when, Until how long it holds.
	Fetched, Until time.Time
}

// A Cache keeps policies beyond the life of the process; *store.Store is one.
type Cache interface {
	// STSPolicy returns what is kept for a domain; nil: nothing.
	STSPolicy(ctx context.Context, domain string) (*Cached, error)
	// KeepSTSPolicy keeps a policy in the place of what was kept for its domain.
	KeepSTSPolicy(ctx context.Context, c Cached) error
}

// A Client finds policies. Its fields are set before it is used; it can be used
// by many goroutines.
type Client struct {
	Resolver Resolver
	Cache    Cache
	// Transport fetches policies; it has to check certificates.
	Transport http.RoundTripper
	Now       func() time.Time // nil: time.Now

	mu     sync.Mutex
	failed map[string]time.Time // when a domain's policy could not be fetched
}

const (
	fetchTime = time.Minute // RFC 8461 §3.3
	maxText   = 64 << 10    // RFC 8461 §3.2, in bytes
	// again is how long a domain whose policy cannot be fetched is left alone
	// (RFC 8461 §3.3 wants five minutes at least).
	again = 5 * time.Minute
	// fresh is how long a policy is not fetched again where its id stays the same:
	// what holds for months is renewed long before its end.
	fresh = 24 * time.Hour
)

// A FetchError says that a domain has a policy that cannot be had.
type FetchError struct {
	Domain string
	// Invalid: it was there, and is none. Otherwise it could not be fetched.
	Invalid bool
	Err     error
}

func (e *FetchError) Error() string { return "MTA-STS policy of " + e.Domain + ": " + e.Err.Error() }
func (e *FetchError) Unwrap() error { return e.Err }

// Policy returns what a domain says; nil: nothing that has to be heeded. A
// [FetchError] comes with the policy that still holds from before, or without one:
// then the domain is as one without a policy (RFC 8461 §3.3). Other errors are
// those of the cache: mail should wait.
func (c *Client) Policy(ctx context.Context, domain string) (*Policy, error) {
	now := c.now()
	kept, err := c.Cache.STSPolicy(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("MTA-STS policy of %s: %w", domain, err)
	}
	var old *Policy
	if kept != nil && now.Before(kept.Until) {
		if old, err = Parse(kept.Text); err != nil {
			old = nil
		}
	}
	texts, err := c.Resolver.LookupTXT(ctx, "_mta-sts."+domain+".")
	id, ok := parseRecord(texts)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil || !ok:
		return old.heeded(), nil
	case old != nil && kept.ID == id && now.Sub(kept.Fetched) < fresh:
		return old.heeded(), nil
	}
	if c.resting(domain, now) {
		return old.heeded(), nil
	}
	text, ferr := c.fetch(ctx, domain)
	var p *Policy
	if ferr == nil {
		if p, err = Parse(text); err != nil {
			ferr = &FetchError{domain, true, err}
		}
	}
	if ferr != nil {
		if ctx.Err() == nil {
			c.rest(domain, now)
		}
		return old.heeded(), ferr
	}
	if err := c.Cache.KeepSTSPolicy(ctx, Cached{domain, id, text, now, now.Add(p.MaxAge)}); err != nil {
		return nil, fmt.Errorf("keep the MTA-STS policy of %s: %w", domain, err)
	}
	return p.heeded(), nil
}

// heeded is nil where there is nothing to heed.
func (p *Policy) heeded() *Policy {
	if p == nil || p.Mode == None {
		return nil
	}
	return p
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

func (c *Client) resting(domain string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, ok := c.failed[domain]
	return ok && now.Sub(since) < again
}

func (c *Client) rest(domain string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d, since := range c.failed {
		if now.Sub(since) >= again {
			delete(c.failed, d)
		}
	}
	if c.failed == nil {
		c.failed = map[string]time.Time{}
	}
	c.failed[domain] = now
}

// fetch gets the text of a policy (RFC 8461 §3.3). Redirects are not followed.
func (c *Client) fetch(ctx context.Context, domain string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	fail := func(invalid bool, err error) (string, error) { return "", &FetchError{domain, invalid, err} }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://mta-sts."+domain+"/.well-known/mta-sts.txt", nil)
	if err != nil {
		return fail(false, err)
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return fail(false, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(false, fmt.Errorf("%s answers %s", req.URL, resp.Status))
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/plain" {
		return fail(true, fmt.Errorf("%s is of type %q, not text/plain", req.URL, resp.Header.Get("Content-Type")))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxText+1))
	switch {
	case err != nil:
		return fail(false, err)
	case len(b) > maxText:
		return fail(true, errors.New("it is longer than 64 KiB"))
	}
	return string(b), nil
}

// NewTransport makes a transport that asks a resolver for addresses and checks
// certificates as the system does.
func NewTransport(lookup func(ctx context.Context, host string) ([]string, error)) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			addrs, err := lookup(ctx, strings.TrimSuffix(host, "."))
			if err != nil {
				return nil, err
			}
			err = fmt.Errorf("%s has no address", host)
			for _, a := range addrs {
				if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(a, port)); err == nil {
					return conn, nil
				}
			}
			return nil, err
		},
		DisableKeepAlives:      true, // one policy a day from each
		TLSHandshakeTimeout:    30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
