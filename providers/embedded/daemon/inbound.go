package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/dnsbl"
	"github.com/mailform/mailform/providers/embedded/resolve"
	"github.com/mailform/mailform/providers/embedded/smtp"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/verify"
)

// inbound is how the servers treat mail from others, by the labels of their
// blocks.
type inbound struct {
	mu        sync.RWMutex
	declared  map[string]store.Inbound
	lists     map[string][]dnsbl.List
	greylists map[string]store.DeclaredGreylist
	servers   map[string][]string // the resolvers that they name
	resolvers map[string]*resolve.Resolver
}

// standardInbound is for servers that say nothing of it; the defaults of the
// block say the same.
var standardInbound = store.Inbound{
	SPF: "report", DKIM: "report", ARC: "report", DMARC: "enforce",
	Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
}

// of is how a server treats mail.
func (in *inbound) of(owner string) store.Inbound {
	in.mu.RLock()
	defer in.mu.RUnlock()
	if one, ok := in.declared[owner]; ok {
		return one
	}
	return standardInbound
}

// resolver is whom a server asks. It stays for as long as the daemon runs, with
// what it has learnt.
func (in *inbound) resolver(owner string) *resolve.Resolver {
	in.mu.Lock()
	defer in.mu.Unlock()
	one := in.resolvers[owner]
	if one == nil {
		one = resolve.New(resolve.Options{Servers: in.servers[owner]})
		if in.resolvers == nil {
			in.resolvers = map[string]*resolve.Resolver{}
		}
		in.resolvers[owner] = one
	}
	return one
}

// loadInbound takes over from the store how mail from others is treated.
func (d *daemon) loadInbound(ctx context.Context) error {
	list, err := d.store.Inbound(ctx)
	if err != nil {
		return fmt.Errorf("load how mail is treated: %w", err)
	}
	servers, err := d.store.Resolvers(ctx)
	if err != nil {
		return fmt.Errorf("load the resolvers: %w", err)
	}
	lists, err := d.store.DNSBLs(ctx)
	if err != nil {
		return err
	}
	greylists, err := d.store.Greylists(ctx)
	if err != nil {
		return err
	}
	in := &d.inbound
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lists, in.greylists = map[string][]dnsbl.List{}, map[string]store.DeclaredGreylist{}
	for _, l := range lists {
		in.lists[l.Owner] = append(in.lists[l.Owner], dnsbl.List{Zone: l.Zone, Action: dnsbl.Action(l.Action), Weight: l.Weight, Answers: l.Answers})
	}
	for _, g := range greylists {
		in.greylists[g.Owner] = g
	}
	in.declared = map[string]store.Inbound{}
	for _, one := range list {
		in.declared[one.Owner] = one
	}
	in.servers = servers
	for owner, r := range in.resolvers {
		r.Set(servers[owner])
	}
	return nil
}

// treat adds to the settings of a server how it treats mail from others.
func (in *inbound) treat(owner string, s *smtp.Settings) {
	one := in.of(owner)
	s.Exempt = one.Exempt
	s.Checks = verify.Policy{
		SPF: enforcement(one.SPF), DMARC: enforcement(one.DMARC),
		DKIM: one.DKIM != "off", ARC: one.ARC != "off", TrustedSealers: one.TrustedSealers,
	}
	in.mu.RLock()
	defer in.mu.RUnlock()
	s.Lists = in.lists[owner]
	if g, ok := in.greylists[owner]; ok {
		s.Greylist = &smtp.Greylisting{Greylisting: g.Greylisting, PassSPF: g.PassSPF, Exempt: g.Exempt}
	}
}

// forgetSenders removes what the greylists know and that says nothing any more: by the
// one that keeps it the longest, since all servers of the store share it.
func (d *daemon) forgetSenders(ctx context.Context) {
	d.inbound.mu.RLock()
	const day = 24 * time.Hour
	g := store.Greylisting{RetryWithin: 2 * day, Keep: 35 * day} // where the greylist was switched off
	for _, one := range d.inbound.greylists {
		g.RetryWithin, g.Keep = max(g.RetryWithin, one.RetryWithin), max(g.Keep, one.Keep)
	}
	d.inbound.mu.RUnlock()
	if err := d.store.ForgetGreylist(ctx, g); err != nil && ctx.Err() == nil {
		d.log.Error("forget old senders", "error", err)
	}
}

func enforcement(word string) verify.Enforcement {
	switch word {
	case "enforce":
		return verify.Enforce
	case "report":
		return verify.Report
	}
	return verify.Off
}
