package postfix

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
)

// wantedPorts are those at which the services of master.cf listen.
func (p *Provider) wantedPorts(ctx context.Context) ([]string, error) {
	out, err := host.Must(ctx, p.on, p.program("postconf", "-M"))
	if err != nil {
		return nil, err
	}
	services := parseMaster(out.Stdout)
	if out, err = host.Must(ctx, p.on, p.program("postconf", "-x", "-h", disabled)); err != nil {
		return nil, err
	}
	off := splitList(string(out.Stdout))
	return portsOf(slices.DeleteFunc(services.keys(), func(key string) bool { return disables(off, key) })), nil
}

func inetPorts(c *config) []string { return portsOf(c.keys()) }

// portsOf are the ports in the keys of services.
func portsOf(keys []string) []string {
	ports := map[string]bool{}
	for _, key := range keys {
		name, typ, _ := strings.Cut(key, "/")
		if typ != "inet" {
			continue
		}
		if _, port := endpoint(name); port != "" && strings.Trim(port, "0123456789") == "" {
			ports[port] = true
		}
	}
	return slices.Sorted(maps.Keys(ports))
}

// yield leaves the ports of a listener to another server.
func (w *world) yield(id schema.ID) {
	h := w.ledger.find(id.Kind, id.Key)
	if h == nil {
		return
	}
	a, err := h.attrs()
	if err != nil {
		return // which settle says
	}
	if w.yielded == nil {
		w.yielded = map[string]bool{}
	}
	for _, l := range slices.Concat(a.Strings("listen"), a.Strings("listen_tls")) {
		_, port := endpoint(l)
		w.yielded[port] = true
	}
}

// vacant refuses to have Postfix listen where somebody else does, before anything
// is changed: the master would end.
func (p *Provider) vacant(ctx context.Context, was, next *world) error {
	has := inetPorts(was.master)
	return host.Vacant(ctx, p.on, inetPorts(next.master), func(port string) bool { return slices.Contains(has, port) })
}
