package postfix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// Where the kernel of a host says who listens (proc(5)).
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// listening are the TCP ports that somebody listens at, in digits.
func (p *Provider) listening(ctx context.Context) (map[string]bool, error) {
	files, err := p.on.Read(ctx, socketTables...)
	if err != nil {
		return nil, err
	}
	ports := map[string]bool{}
	for _, f := range files {
		for _, port := range listeningPorts(string(f.Content)) {
			ports[port] = true
		}
	}
	return ports, nil
}

// listeningPorts reads a table of sockets: in its columns are a number, the local
// address with its port, the other one, and the state, which is 0A for a socket that
// listens.
func listeningPorts(table string) []string {
	var ports []string
	for l := range strings.Lines(table) {
		f := strings.Fields(l)
		if len(f) < 4 || f[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports = append(ports, strconv.FormatUint(n, 10))
		}
	}
	return ports
}

// wantedPorts are those at which the services of master.cf listen.
func (p *Provider) wantedPorts(ctx context.Context) ([]string, error) {
	out, err := host.Must(ctx, p.on, p.program("postconf", "-M"))
	if err != nil {
		return nil, err
	}
	return inetPorts(parseMaster(out.Stdout)), nil
}

func inetPorts(c *config) []string {
	ports := map[string]bool{}
	for _, key := range c.keys() {
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

// vacant refuses to have Postfix listen where somebody else does, before anything
// is changed: the master would end.
func (p *Provider) vacant(ctx context.Context, was, next *world) error {
	has := inetPorts(was.master)
	var listens map[string]bool
	for _, port := range inetPorts(next.master) {
		if slices.Contains(has, port) {
			continue
		}
		if listens == nil {
			var err error
			if listens, err = p.listening(ctx); err != nil {
				return err
			}
		}
		if listens[port] {
			return fmt.Errorf("listen: another program of %s listens at port %s", p.on, port)
		}
	}
	return nil
}
