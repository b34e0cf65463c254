package host

import (
	"context"
	"strconv"
	"strings"
)

// Where the kernel of a host says who listens (proc(5)).
var socketTables = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// Listening are the TCP ports of a host that somebody listens at, in digits.
func Listening(ctx context.Context, h Host) (map[string]bool, error) {
	files, err := h.Read(ctx, socketTables...)
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
