package proxy

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// binaryHeader is a header of version 2.
func binaryHeader(command, family byte, size int, rest string) string {
	return string(signature) + string([]byte{command, family, byte(size >> 8), byte(size)}) + rest
}

const (
	four = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x10\x00\x00\x19"
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00\x00\x19"
)

// headers are what a proxy may say; with want "" it says that it speaks for itself.
var headers = map[string]struct{ header, want string }{
	"IPv4 in words":                  {"PROXY TCP4 192.0.2.1 192.0.2.2 4096 25\r\n", "192.0.2.1:4096"},
	"IPv6 in words":                  {"PROXY TCP6 2001:db8::1 2001:db8::2 4096 25\r\n", "[2001:db8::1]:4096"},
	"IPv4 in IPv6":                   {"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4096 25\r\n", "192.0.2.1:4096"},
	"nobody in words":                {"PROXY UNKNOWN\r\n", ""},
	"nobody, with more words":        {"PROXY UNKNOWN 1 2 3 4\r\n", ""},
	"IPv4":                           {binaryHeader(0x21, 0x11, 12, four), "192.0.2.1:4096"},
	"IPv6":                           {binaryHeader(0x21, 0x21, 36, six), "[2001:db8::1]:4096"},
	"IPv4, and what we pass over":    {binaryHeader(0x21, 0x11, 16, four+"\x04\x00\x01x"), "192.0.2.1:4096"},
	"itself":                         {binaryHeader(0x20, 0x00, 0, ""), ""},
	"itself, whatever the addresses": {binaryHeader(0x20, 0x11, 12, four), ""},
	"nobody":                         {binaryHeader(0x21, 0x00, 0, ""), ""},
}

// hostile is what is no header.
var hostile = map[string]string{
	"a greeting":                        "EHLO client.example.net\r\n",
	"small letters":                     "proxy TCP4 192.0.2.1 192.0.2.2 4096 25\r\n",
	"a line without an end":             "PROXY TCP4 " + strings.Repeat("1", 200),
	"a bare line feed":                  "PROXY TCP4 192.0.2.1 192.0.2.2 4096 25\n",
	"two blanks":                        "PROXY TCP4  192.0.2.1 192.0.2.2 4096 25\r\n",
	"a word too many":                   "PROXY TCP4 192.0.2.1 192.0.2.2 4096 25 x\r\n",
	"a word too few":                    "PROXY TCP4 192.0.2.1 192.0.2.2 4096\r\n",
	"IPv6 under the name of IPv4":       "PROXY TCP4 2001:db8::1 2001:db8::2 4096 25\r\n",
	"IPv4 under the name of IPv6":       "PROXY TCP6 192.0.2.1 192.0.2.2 4096 25\r\n",
	"an address with a zone":            "PROXY TCP6 fe80::1%eth0 fe80::2 4096 25\r\n",
	"an address that is none":           "PROXY TCP4 192.0.2.256 192.0.2.2 4096 25\r\n",
	"a port that is none":               "PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n",
	"a port with a sign":                "PROXY TCP4 192.0.2.1 192.0.2.2 +4096 25\r\n",
	"a port with zeros before it":       "PROXY TCP4 192.0.2.1 192.0.2.2 04096 25\r\n",
	"UDP in words":                      "PROXY UDP4 192.0.2.1 192.0.2.2 4096 25\r\n",
	"a NUL":                             "PROXY TCP4 192.0.2.1\x00 192.0.2.2 4096 25\r\n",
	"another version":                   binaryHeader(0x31, 0x11, 12, four),
	"another command":                   binaryHeader(0x22, 0x11, 12, four),
	"UDP":                               binaryHeader(0x21, 0x12, 12, four),
	"a Unix socket":                     binaryHeader(0x21, 0x31, 216, strings.Repeat("x", 216)),
	"too few bytes of addresses":        binaryHeader(0x21, 0x11, 11, four[:11]),
	"too few bytes for IPv6":            binaryHeader(0x21, 0x21, 12, four),
	"more than there may be":            binaryHeader(0x21, 0x11, 0xffff, four),
	"a signature that is not the whole": string(signature[:11]) + "\x00" + "\x21\x11\x00\x0c" + four,
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for name, h := range headers {
		r := strings.NewReader(h.header + "EHLO x\r\n")
		got, err := read(r)
		want := netip.AddrPort{}
		if h.want != "" {
			want = netip.MustParseAddrPort(h.want)
		}
		if rest, _ := io.ReadAll(r); err != nil || got != want || string(rest) != "EHLO x\r\n" {
			t.Errorf("%s: %s, %v, and %q is left", name, got, err, rest)
		}
		for n := range len(h.header) {
			if _, err := read(strings.NewReader(h.header[:n])); err == nil {
				t.Errorf("%s: %d bytes of it are taken for the whole", name, n)
			}
		}
	}
	for name, text := range hostile {
		if got, err := read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: is taken for %s", name, got)
		}
	}
}

// Who is no proxy says nothing about others; who is one has to.
func TestListen(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var trusted atomic.Bool
	l := Listen(inner, func(a netip.Addr) bool { return trusted.Load() && a.IsLoopback() }, slog.New(slog.DiscardHandler))
	dial := func(text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	const header = "PROXY TCP4 192.0.2.1 192.0.2.2 4096 25\r\n"
	accepts := func(remote, text string) {
		t.Helper()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != text || c.RemoteAddr().String() != remote {
			t.Errorf("%s says %q, %v; want %s", c.RemoteAddr(), got, err, remote)
		}
	}
	c := dial(header)
	accepts(c.LocalAddr().String(), header)

	trusted.Store(true)
	slow := dial("PROXY ") // keeps nobody waiting
	bad := dial("EHLO client.example.net\r\n")
	if n, err := bad.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("who says nothing of himself reads %d, %v", n, err)
	}
	dial(header + "hello")
	accepts("192.0.2.1:4096", "hello")
	c = dial(binaryHeader(0x20, 0, 0, "") + "check")
	accepts(c.LocalAddr().String(), "check")

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := slow.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("who had not said it all reads %d, %v", n, err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

func FuzzHeader(f *testing.F) {
	for _, h := range headers {
		f.Add([]byte(h.header))
	}
	for _, h := range hostile {
		f.Add([]byte(h))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		client, err := read(r)
		if used := len(text) - r.Len(); used > longest1 && used > longest2+16 {
			t.Fatalf("%d bytes were read", used)
		}
		if err == nil && client.IsValid() && (client.Addr().Is4In6() || client.Addr().Zone() != "") {
			t.Fatalf("%q is of %s", text, client)
		}
	})
}
