package dovecot

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sockets are where Linux tells of connections, and of who waits for some.
var sockets = []string{"/proc/net/tcp", "/proc/net/tcp6"}

// waitForPorts waits until somebody listens on each port that Dovecot was told of:
// it is done with being told before it opens them. A machine that does not tell
// who listens is believed.
func (e *edit) waitForPorts(ctx context.Context) error {
	if !e.touched || e.stop || !e.start && !e.st.running {
		return nil
	}
	var want []string
	for _, l := range e.st.settings.listeners {
		for _, at := range slices.Concat(l.listen, l.listenTLS) {
			if _, port, err := net.SplitHostPort(at); err == nil {
				want = append(want, port)
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	slices.Sort(want)
	for deadline := time.Now().Add(patience); ; {
		files, err := e.p.host.Read(ctx, sockets...)
		if err != nil {
			return err
		}
		open := map[string]bool{}
		for i := range files {
			listening(string(files[i].Content), open)
		}
		if len(open) == 0 {
			return nil
		}
		closed := slices.IndexFunc(want, func(port string) bool { return !open[port] })
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

// listening adds the ports that somebody listens on to open, out of a table of
// sockets: "0: 0100007F:1F90 00000000:0000 0A …", where 0A is the state of those who
// wait.
func listening(table string, open map[string]bool) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "0A" {
			continue
		}
		if port, err := strconv.ParseUint(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 16); err == nil {
			open[strconv.FormatUint(port, 10)] = true
		}
	}
}
