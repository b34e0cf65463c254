package verify

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mailform/mailform/schema"
)

// Options say what is looked at and how.
type Options struct {
	// Resources are what the files come to.
	Resources []schema.Resource
	// NameServers are where the zones of each target are asked for. Left out of it:
	// where the embedded name server of that target listens.
	NameServers NameServers
	// Resolvers, host:port, are asked for what lies elsewhere, the first that
	// answers.
	Resolvers []string
	// Propagation has the resolvers asked for our own records too.
	Propagation bool
	// Blacklists are names of lists as in RFC 5782: "zen.spamhaus.org".
	Blacklists []string
	// Roots are the authorities that are believed; nil: those of the machine.
	Roots *x509.CertPool
	// Source is the address that mail servers are spoken to from; nil: any, and on
	// loopback one that servers do not take for their own.
	Source net.IP
	// Probe is who a message is sent to; nil: none is.
	Probe *Probe
	// Now is when certificates and signatures have to hold; nil: time.Now.
	Now func() time.Time
	// Timeout is how long each answer may take; 0: ten seconds.
	Timeout time.Duration
}

// defaultTimeout for one answer. Mail servers make strangers wait some seconds.
const defaultTimeout = 10 * time.Second

// atOnce is how many things are looked at side by side.
const atOnce = 16

// A runner carries out checks.
type runner struct {
	Options
	*asker
	world *world
	slots chan struct{}
	work  sync.WaitGroup

	mu      sync.Mutex
	results []Result
}

// Run makes all checks. It has no error: what cannot be looked at is a result.
// When the context ends, what is under way ends as failed.
func Run(ctx context.Context, o Options) *Report {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	began := time.Now()
	w := read(o.Resources, o.NameServers)
	r := &runner{Options: o, world: w, slots: make(chan struct{}, atOnce),
		asker: &asker{timeout: o.Timeout, world: w, resolvers: o.Resolvers}}
	for _, z := range w.zones {
		r.start(func() { r.zone(ctx, z) })
	}
	for _, d := range w.domains {
		r.start(func() { r.domain(ctx, d) })
	}
	for _, k := range w.keys {
		r.start(func() { r.key(ctx, k) })
	}
	for _, s := range w.servers {
		r.start(func() { r.server(ctx, s) })
	}
	for _, d := range w.doors {
		r.start(func() { r.door(ctx, d) })
	}
	if o.Probe != nil {
		r.start(func() { r.probe(ctx, o.Probe) })
	}
	r.work.Wait()
	rep := &Report{Results: r.results, Began: began, Took: time.Since(began)}
	rep.sort()
	return rep
}

// start does something beside others. What it does must not wait for a slot of
// its own.
func (r *runner) start(f func()) {
	r.work.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		f()
	})
}

func (r *runner) add(c *Check, t thing, subject string, status Status, fix, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, Result{Check: c, Group: t.group, Subject: subject, Address: t.address, Range: t.rng,
		Status: status, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

func (r *runner) pass(c *Check, t thing, subject, format string, args ...any) {
	r.add(c, t, subject, Pass, "", format, args...)
}

func (r *runner) fail(c *Check, t thing, subject, fix, format string, args ...any) {
	r.add(c, t, subject, Fail, fix, format, args...)
}

func (r *runner) warn(c *Check, t thing, subject, fix, format string, args ...any) {
	r.add(c, t, subject, Warn, fix, format, args...)
}

func (r *runner) skip(c *Check, t thing, subject, format string, args ...any) {
	r.add(c, t, subject, Skip, "", format, args...)
}

// applying is the fix for what is not as the files say.
const applying = `"mailform plan" shows how it came to be otherwise, "mailform apply" makes it as the files say`
