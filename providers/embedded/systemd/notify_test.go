package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// environ is an environment of a test.
func environ(vars map[string]string) Environ {
	return Environ{
		Lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		Unset:  func(name string) error { delete(vars, name); return nil },
	}
}

// What is said is what sd_notify(3) has words for, one datagram each.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for kind, path := range map[string]string{
		"a path":                           filepath.Join(dir, "s"),
		"a name in the abstract namespace": "@mailform-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(kind, func(t *testing.T) {
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			vars := map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}
			n, err := New(environ(vars))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if len(vars) > 0 {
				t.Errorf("left for programs that are started: %v", vars)
			}
			if n.Watchdog() != 1500*time.Millisecond {
				t.Errorf("the watchdog is %s", n.Watchdog())
			}
			for _, c := range []struct {
				say  func() error
				want string
			}{
				{func() error { return n.Ready("Serving\nSTOPPING=1") }, "READY=1\nSTATUS=Serving STOPPING=1"},
				{n.Reloading, "RELOADING=1\nMONOTONIC_USEC="},
				{func() error { return n.Status("well") }, "STATUS=well"},
				{n.Alive, "WATCHDOG=1"},
				{n.Stopping, "STOPPING=1\nSTATUS="},
			} {
				if err := c.say(); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 4096)
				size, err := l.Read(buf)
				if got := string(buf[:size]); err != nil || !strings.HasPrefix(got, c.want) {
					t.Errorf("told was %q, %v; want %q", got, err, c.want)
				}
			}
		})
	}
}

func TestNobodyToNotify(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vars map[string]string
		err  string
	}{
		"nothing":                     {map[string]string{}, ""},
		"an empty name":               {map[string]string{"NOTIFY_SOCKET": ""}, ""},
		"a watchdog alone":            {map[string]string{"WATCHDOG_USEC": "1000"}, ""},
		"a relative path":             {map[string]string{"NOTIFY_SOCKET": "run/s"}, "neither a path nor"},
		"a socket that is not there":  {map[string]string{"NOTIFY_SOCKET": "/nonexistent/s"}, "reach the service manager"},
		"another process's watchdog":  {map[string]string{"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, ""},
		"a path that is far too long": {map[string]string{"NOTIFY_SOCKET": "/" + strings.Repeat("x", 200)}, "reach the service manager"},
	} {
		n, err := New(environ(c.vars))
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v", name, err)
		}
		if n.Watchdog() != 0 {
			t.Errorf("%s: the watchdog is %s", name, n.Watchdog())
		}
		for _, err := range []error{n.Ready("x"), n.Stopping(), n.Alive(), n.Reloading(), n.Status(""), n.Close()} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var none *Notifier
	if err := none.Ready("x"); err != nil || none.Watchdog() != 0 {
		t.Errorf("%v", err)
	}
	for _, usec := range []string{"0", "-1", "x", "99999999999999999999"} {
		if _, err := watchdog(environ(map[string]string{"WATCHDOG_USEC": usec})); err == nil {
			t.Errorf("WATCHDOG_USEC=%s passes", usec)
		}
	}
}
