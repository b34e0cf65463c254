package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

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
	in := &d.inbound
	in.mu.Lock()
	defer in.mu.Unlock()
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
