package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/mailform/mailform/providers/embedded/proxy"
)

// proxies are who may speak for the clients of each server.
type proxies struct {
	byOwner atomic.Pointer[map[string][]netip.Prefix]
}

// may reports whether a peer is a proxy of a server.
func (p *proxies) may(owner string, peer netip.Addr) bool {
	list := p.byOwner.Load()
	if list == nil {
		return false
	}
	for _, n := range (*list)[owner] {
		if n.Contains(peer) {
			return true
		}
	}
	return false
}

// loadProxies takes them out of the store.
func (d *daemon) loadProxies(ctx context.Context) error {
	list, err := d.store.Proxies(ctx)
	if err != nil {
		return err
	}
	d.proxies.byOwner.Store(&list)
	return nil
}

// A proxied service hears from proxies whose their connections are.
type proxied struct {
	service
	from func(netip.Addr) bool
	log  *slog.Logger
}

func (p proxied) serve(s *socket) error {
	through := *s
	through.stream = proxy.Listen(s.stream, p.from, p.log)
	return p.service.serve(&through)
}

// behindProxies is a service whose clients may come by way of a proxy.
func (d *daemon) behindProxies(s service, owner string, log *slog.Logger) service {
	return proxied{s, func(peer netip.Addr) bool { return d.proxies.may(owner, peer) }, log}
}
