package daemon

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
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

	mu      sync.Mutex
	through map[*socket]*socket // what it serves in the place of each
}

func (p *proxied) serve(s *socket) error {
	through := *s
	through.stream = proxy.Listen(s.stream, p.from, p.log)
	p.mu.Lock()
	p.through[s] = &through
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.through, s)
	}()
	return p.service.serve(&through)
}

func (p *proxied) connectionsOf(s *socket) int {
	p.mu.Lock()
	through := p.through[s]
	p.mu.Unlock()
	if through == nil {
		return 0
	}
	return p.service.connectionsOf(through)
}

// behindProxies is a service whose clients may come by way of a proxy.
func (d *daemon) behindProxies(s service, owner string, log *slog.Logger) service {
	may := func(peer netip.Addr) bool { return d.proxies.may(owner, peer) }
	return &proxied{service: s, from: may, log: log, through: map[*socket]*socket{}}
}
