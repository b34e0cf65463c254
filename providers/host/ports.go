package host

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Where the kernel of a host says who listens (proc(5)).
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// Listening are the TCP ports of a host that somebody listens at, in digits, each
// with the inodes of the sockets there.
func Listening(ctx context.Context, h Host) (map[string][]string, error) {
	files, err := h.Read(ctx, socketTables...)
	if err != nil {
		return nil, err
	}
	ports := map[string][]string{}
	for _, f := range files {
		addListening(ports, string(f.Content))
	}
	return ports, nil
}

// Vacant refuses ports that somebody listens at who is not meant to: own says which
// are open already for those who are. The host is only asked where there are others.
func Vacant(ctx context.Context, h Host, ports []string, own func(port string) bool) error {
	var listens map[string][]string
	for _, port := range ports {
		if own(port) {
			continue
		}
		if listens == nil {
			var err error
			if listens, err = Listening(ctx, h); err != nil {
				return err
			}
		}
		if _, taken := listens[port]; taken {
			return fmt.Errorf("listen: another program of %s listens at port %s", h, port)
		}
	}
	return nil
}

// addListening reads a table of sockets: in its columns are a number, the local
// address with its port, the other one, the state, which is 0A for a socket that
// listens, and, the tenth, the inode.
func addListening(ports map[string][]string, table string) {
	for l := range strings.Lines(table) {
		f := strings.Fields(l)
		if len(f) < 4 || f[3] != "0A" {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		n, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			continue
		}
		port := strconv.FormatUint(n, 10)
		ports[port] = append(ports[port], f[min(9, len(f)):min(10, len(f))]...)
	}
}
