package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func given(t *testing.T, name, network, address string) *Given {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if network == "udp" {
		return &Given{Name: name, Addr: &net.UDPAddr{IP: net.ParseIP(host), Port: p}}
	}
	return &Given{Name: name, Addr: &net.TCPAddr{IP: net.ParseIP(host), Port: p}}
}

// A socket is for the listener at whose address it is, or else for the one that it
// names, and for one at a time.
func TestTake(t *testing.T) {
	t.Parallel()
	sockets := []*Given{
		given(t, "unknown", "tcp", "[::]:25"),
		given(t, "unknown", "tcp", "0.0.0.0:25"),
		given(t, "unknown", "tcp", "192.0.2.1:143"),
		given(t, "imaps", "tcp", "192.0.2.9:9993"),
		given(t, "main.imaps", "tcp", "192.0.2.8:9993"),
		given(t, "dns", "tcp", "192.0.2.1:53"),
		given(t, "dns", "udp", "192.0.2.1:53"),
		given(t, "unknown", "tcp", "[2001:db8::1]:110"),
		given(t, "unknown", "tcp", "[::]:4190"),
		given(t, "unknown", "tcp", "0.0.0.0:4191"),
	}
	for name, c := range map[string]struct {
		network, address string
		names            []string
		want             int // -1: none
	}{
		"the very address":                            {"tcp", "192.0.2.1:143", nil, 2},
		"the very address of two that would do":       {"tcp", "0.0.0.0:25", nil, 1},
		"all addresses":                               {"tcp", "[::]:25", nil, 0},
		"all addresses, without saying so":            {"tcp", ":25", nil, 0},
		"another spelling":                            {"tcp", "[2001:db8:0:0::1]:110", nil, 7},
		"all addresses of IPv4, where IPv6 is in it":  {"tcp", "0.0.0.0:4190", nil, 8},
		"all addresses, where IPv6 is not in it":      {"tcp", "[::]:4191", nil, -1},
		"one address, where all are listened at":      {"tcp", "192.0.2.1:4191", nil, -1},
		"another port":                                {"tcp", "192.0.2.1:144", nil, -1},
		"UDP":                                         {"udp", "192.0.2.1:53", nil, 6},
		"UDP where there is TCP alone":                {"udp", "192.0.2.1:143", nil, -1},
		"a name":                                      {"tcp", "192.0.2.1:993", []string{"other.imaps", "imaps"}, 3},
		"the name with the server before the other's": {"tcp", "192.0.2.1:993", []string{"main.imaps", "imaps"}, 4},
		"a name that none has":                        {"tcp", "192.0.2.1:993", []string{"imap"}, -1},
		"no address":                                  {"tcp", "192.0.2.1", nil, -1},
	} {
		p := NewPool(sockets)
		got := p.Take(c.network, c.address, c.names...)
		switch {
		case c.want < 0 && got != nil:
			t.Errorf("%s: got %s", name, got.Addr)
		case c.want >= 0 && got != sockets[c.want]:
			t.Errorf("%s: got %+v", name, got)
		}
	}
	p := NewPool(sockets[2:3])
	g := p.Take("tcp", "192.0.2.1:143")
	if p.Take("tcp", "192.0.2.1:143") != nil || len(p.Idle()) != 0 {
		t.Error("one socket is taken twice")
	}
	p.Give(g)
	if len(p.Idle()) != 1 || p.Take("tcp", "192.0.2.1:143") != g {
		t.Error("a socket that was given back cannot be had again")
	}
	var none *Pool
	none.Give(nil)
	if none.Take("tcp", "192.0.2.1:143") != nil || none.Idle() != nil {
		t.Error("no pool has sockets")
	}
}

func TestSocketsOfOthers(t *testing.T) {
	t.Parallel()
	own := strconv.Itoa(os.Getpid())
	for name, c := range map[string]struct {
		vars map[string]string
		err  string
	}{
		"nothing":                   {map[string]string{}, ""},
		"those of another process":  {map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "2"}, ""},
		"a number alone":            {map[string]string{"LISTEN_FDS": "2"}, ""},
		"none":                      {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""}, ""},
		"no number":                 {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "x"}, `LISTEN_FDS is "x"`},
		"less than none":            {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "-1"}, `LISTEN_FDS is "-1"`},
		"more than there can be":    {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "99999999"}, "no number of sockets"},
		"names that do not fit":     {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"}, "they do not fit"},
		"more names than there are": {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "0", "LISTEN_FDNAMES": "a:b"}, "they do not fit"},
	} {
		got, err := Sockets(environ(c.vars))
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if len(c.vars) > 0 {
			t.Errorf("%s: left for programs that are started: %v", name, c.vars)
		}
	}
}

// A descriptor is looked at, not believed in.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	dir, err := os.MkdirTemp("", "s") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	unix, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	plain, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	type filer interface{ File() (*os.File, error) }
	fd := func(f filer) int {
		file, err := f.File()
		if err != nil {
			t.Fatal(err)
		}
		n, err := dup(file)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	file, err := dup(plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fd        int
		addr, err string
	}{
		"TCP":        {fd(tcp.(*net.TCPListener)), tcp.Addr().String(), ""},
		"UDP":        {fd(udp.(*net.UDPConn)), udp.LocalAddr().String(), ""},
		"a Unix one": {fd(unix.(*net.UnixListener)), "", "no TCP address"},
		"a file":     {file, "", "is no socket that listens"},
		"nothing":    {9999, "", "is no socket that listens"},
	} {
		g, err := take(c.fd, "x")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || g.Addr.String() != c.addr {
			t.Errorf("%s: %v, %v", name, g, err)
		}
	}
	// One that is closed can be listened on again.
	g, err := take(fd(tcp.(*net.TCPListener)), "x")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := g.Listen()
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = s.Close(), c.Close(), l.Close()
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a", "a:b", ":", "main.smtp:imaps:x"} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, names string, n int) {
		if n < 0 || n > mostFDs {
			return
		}
		list, err := fdNames(names, true, n)
		if err != nil {
			return
		}
		if len(list) != n {
			t.Fatalf("%d names for %d sockets", len(list), n)
		}
		if diff := cmp.Diff(names, strings.Join(list, ":")); n > 0 && diff != "" {
			t.Fatal(diff)
		}
	})
}
