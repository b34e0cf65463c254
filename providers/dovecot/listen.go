package dovecot

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/host"
)

// portsFree refuses ports that another program has: told of one, Dovecot would
// give up all that it does, the rest of the mail too.
func (e *edit) portsFree(ctx context.Context) error {
	if e.stop || !e.start && !e.st.running {
		return nil
	}
	open, err := host.Listening(ctx, e.p.host)
	if err != nil {
		return err
	}
	for _, port := range ports(e.st.was) {
		delete(open, port) // Dovecot's own
	}
	for _, port := range ports(e.st.settings.listeners) {
		if _, taken := open[port]; !taken {
			continue
		}
		// It may have been told otherwise meanwhile, and not have heard of it yet.
		own, err := e.ownSockets(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(open[port], func(socket string) bool { return !own[socket] }) {
			return fmt.Errorf("another program listens on port %s of %s: stop it first, or have Dovecot listen elsewhere", port, e.p.host)
		}
	}
	return nil
}

// ownSockets are those that Dovecot's master process holds, by their inodes.
func (e *edit) ownSockets(ctx context.Context) (map[string]bool, error) {
	own := map[string]bool{}
	files, err := e.p.host.Read(ctx, e.p.pidFile(e.st.tree))
	if err != nil {
		return nil, err
	}
	pid := strings.TrimSpace(string(files[0].Content))
	if _, err := strconv.Atoi(pid); err != nil {
		return own, nil //nolint:nilerr // it does not run
	}
	out, err := e.p.host.Run(ctx, host.Cmd("ls", "-l", "/proc/"+pid+"/fd"))
	for _, part := range strings.Split(string(out.Stdout), "socket:[")[1:] {
		inode, _, _ := strings.Cut(part, "]")
		own[inode] = true
	}
	return own, err
}

// ports are those that somebody listens on, sorted.
func ports(listeners map[string]listener) []string {
	var list []string
	for _, l := range listeners {
		for _, at := range slices.Concat(l.listen, l.listenTLS) {
			if _, port, err := net.SplitHostPort(at); err == nil {
				list = append(list, port)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// waitForPorts waits until somebody listens on each port that Dovecot was told of:
// it is done with being told before it opens them. A machine that does not tell
// who listens is believed.
func (e *edit) waitForPorts(ctx context.Context) error {
	if !e.touched || e.stop || !e.start && !e.st.running {
		return nil
	}
	want := ports(e.st.settings.listeners)
	if len(want) == 0 {
		return nil
	}
	for deadline := time.Now().Add(patience); ; {
		open, err := host.Listening(ctx, e.p.host)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			return nil
		}
		closed := slices.IndexFunc(want, func(port string) bool {
			_, taken := open[port]
			return !taken
		})
		if closed < 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("Dovecot was told to listen on port %s and does not; its log says why", want[closed]) //nolint:staticcheck // a name
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
