package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/mailform/mailform/providers/embedded/mtasts"
	"github.com/mailform/mailform/providers/embedded/queue"
	"github.com/mailform/mailform/providers/embedded/resolve"
)

// outward looks up the ways of outgoing mail, with the resolver of the first
// server: the queue belongs to all.
type outward struct{ d *daemon }

func (o outward) resolver() *resolve.Resolver {
	owner := ""
	if all := o.d.live.all(); len(all) > 0 {
		owner = all[0].Key
	}
	return o.d.inbound.resolver(owner)
}

// LookupMX implements queue.Resolver.
func (o outward) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return o.resolver().LookupMX(ctx, name)
}

// LookupNetIP implements queue.Resolver.
func (o outward) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return o.resolver().LookupNetIP(ctx, network, host)
}

// LookupTXT implements mtasts.Resolver.
func (o outward) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return o.resolver().LookupTXT(ctx, name)
}

// Query implements queue.Authority.
func (o outward) Query(ctx context.Context, name string, typ uint16) (resolve.Answer, error) {
	return o.resolver().Query(ctx, name, typ)
}

// Trusted implements queue.Authority.
func (o outward) Trusted() bool { return o.resolver().Trusted() }

// addresses are those of a host, as text.
func (o outward) addresses(ctx context.Context, host string) ([]string, error) {
	addrs, err := o.resolver().LookupNetIP(ctx, "ip", host)
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out, err
}

// makeQueue makes the queue of all servers, and what reports of its connections.
func (d *daemon) makeQueue() {
	o := outward{d}
	d.reporter = &tlsReporter{
		store: d.store, signer: d.signer, resolver: o, transport: mtasts.NewTransport(o.addresses),
		hostname: func() string { return d.queueSettings().Hostname }, now: d.clocks.now, log: d.log,
	}
	d.queue = queue.New(queue.Options{
		Store: d.store, Settings: d.queueSettings, Logger: d.log, Now: d.clocks.now,
		Resolver: o, System: net.DefaultResolver, Authority: o, Results: d.reporter,
		Policies: &mtasts.Client{Resolver: o, Cache: d.store, Transport: mtasts.NewTransport(o.addresses)},
	})
}

// loadSending takes over from the store how mail is handed on.
func (d *daemon) loadSending(ctx context.Context) error {
	all, err := d.store.HandingOn(ctx)
	if err != nil {
		return err
	}
	d.sending.Store(&all)
	return nil
}

// sendAs adds to the settings of the queue how a server hands on mail.
func (d *daemon) sendAs(qs *queue.Settings, owner string) {
	all := d.sending.Load()
	if all == nil {
		return
	}
	s, ok := (*all)[owner]
	if !ok {
		return
	}
	qs.DelayWarning, qs.Concurrency, qs.PerDestination, qs.VerifiedTLS = s.DelayWarning, s.Concurrency, s.PerDestination, s.VerifiedTLS
	if s.DelayWarning == 0 {
		qs.DelayWarning = -1
	}
}

// loadSmarthosts takes over from the store which servers mail is handed to.
func (d *daemon) loadSmarthosts(ctx context.Context) error {
	list, err := d.store.Smarthosts(ctx)
	if err != nil {
		return fmt.Errorf("load the smarthosts: %w", err)
	}
	relays := make([]queue.Relay, len(list))
	for i, s := range list {
		relays[i] = queue.Relay(s)
	}
	d.smarthosts.Store(&relays)
	return nil
}
