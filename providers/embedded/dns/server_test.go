package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
)

// listen opens the UDP sockets and the TCP socket of one port.
func listen(t testing.TB) (*UDP, net.Listener) {
	t.Helper()
	for range 20 { // the UDP port may be somebody else's
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := ListenUDP(t.Context(), tcp.Addr().String())
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// serve runs a server on a port of its own.
func serve(t testing.TB, s *Server) (addr string) {
	t.Helper()
	udp, tcp := listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(udp, tcp, NewLimiter(Limits{PerSecond: DefaultPerSecond})); !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		wg.Wait()
	})
	return tcp.Addr().String()
}

func exchange(t *testing.T, network, addr string, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network, Timeout: time.Minute}
	m, _, err := c.Exchange(q, addr)
	if err != nil {
		t.Fatalf("%s: %v", network, err)
	}
	return m
}

func TestUDPAndTCP(t *testing.T) {
	s := newServer(t, exampleCom())
	for _, addr := range []string{serve(t, s), serve(t, s)} { // two addresses
		for _, network := range []string{"udp", "tcp"} {
			m := exchange(t, network, addr, question("example.com.", "MX"))
			if !m.Authoritative || len(m.Answer) != 3 {
				t.Errorf("%s: %s", network, text(m))
			}
		}
	}
}

func TestTruncatedOverUDPAndWholeOverTCP(t *testing.T) {
	z := emptyZone("example.com.")
	z.RRsets = append(z.RRsets, set("example.com.", "TXT", strings.Repeat("x", 2000)))
	addr := serve(t, newServer(t, z))
	if m := exchange(t, "udp", addr, question("example.com.", "TXT")); !m.Truncated {
		t.Errorf("UDP: %s", text(m))
	}
	if m := exchange(t, "tcp", addr, question("example.com.", "TXT")); m.Truncated || len(m.Answer) != 1 {
		t.Errorf("TCP: %s", text(m))
	}
}

func TestManyQueriesOnOneTCPConnection(t *testing.T) {
	addr := serve(t, newServer(t, exampleCom()))
	c, err := dns.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := map[uint16]bool{}
	for i := range uint16(50) { // before any answer is read (RFC 7766 §6.2.1.1)
		q := question("example.com.", "SOA")
		q.Id = i // of 50 at random, two are the same in one run of 54
		want[q.Id] = true
		if err := c.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
	}
	for len(want) > 0 {
		m, err := c.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		if !want[m.Id] || len(m.Answer) != 1 {
			t.Fatalf("answer %d: %s", m.Id, text(m))
		}
		delete(want, m.Id)
	}
}

func TestPacketsThatAreNoQueries(t *testing.T) {
	addr := serve(t, newServer(t, exampleCom()))
	nc, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	header := func(flags byte, counts ...byte) string {
		b := []byte{0x12, 0x34, flags, 0}
		for _, c := range counts {
			b = append(b, 0, c)
		}
		return string(b)
	}
	for name, packet := range map[string]string{
		"nothing":                    "",
		"one byte":                   "x",
		"a header alone":             header(0, 1, 0, 0, 0),
		"an answer":                  header(0x80, 0, 0, 0, 0),
		"a pointer to itself":        header(0, 1, 0, 0, 0) + "\xc0\x0c\x00\x01\x00\x01",
		"a label that is cut off":    header(0, 1, 0, 0, 0) + "\x3fabc",
		"many questions":             header(0, 255, 255, 255, 255) + "\x00\x00\x01\x00\x01",
		"an OPT record that is torn": header(0, 1, 0, 0, 1) + "\x00\x00\x01\x00\x01" + "\x00\x00\x29\x10",
		"an opcode that is none":     header(0x78, 1, 0, 0, 0) + "\x00\x00\x01\x00\x01",
	} {
		if _, err := nc.Write([]byte(packet)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m := exchange(t, "udp", addr, question("example.com.", "SOA")); len(m.Answer) != 1 {
		t.Errorf("after that: %s", text(m))
	}
	for _, q := range []struct {
		change func(*dns.Msg)
		want   int
	}{
		{func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		{func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		{func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }, dns.RcodeFormatError},
		{func(q *dns.Msg) { q.Question = nil }, dns.RcodeFormatError},
	} {
		m := question("example.com.", "SOA")
		q.change(m)
		if got := exchange(t, "udp", addr, m); got.Rcode != q.want {
			t.Errorf("%s, want %s", text(got), dns.RcodeToString[q.want])
		}
	}
}

func TestZonesChangeUnderQueries(t *testing.T) {
	s := newServer(t, exampleCom())
	addr := serve(t, s)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint32(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			z := exampleCom()
			z.Serial += i
			if err := s.SetZone(z); err != nil {
				t.Error(err)
			}
			if err := s.SetZones([]store.Zone{z, emptyZone("example.org.")}); err != nil {
				t.Error(err)
			}
			s.RemoveZone("example.org.")
		}
	})
	for range 300 {
		for _, q := range []*dns.Msg{question("www.example.com.", "A"), question("x.wild.example.com.", "MX"), question("WWW.sub.example.com.", "A")} {
			if m := exchange(t, "udp", addr, q); m.Rcode != dns.RcodeSuccess {
				t.Fatalf("%s: %s", q.Question[0].Name, text(m))
			}
		}
	}
	close(stop)
	wg.Wait()
}

func TestServeEndsWhenItsSocketsAreClosed(t *testing.T) {
	for name, closeOne := range map[string]func(*UDP, net.Listener){
		"UDP":  func(udp *UDP, _ net.Listener) { udp.Close() },
		"TCP":  func(_ *UDP, tcp net.Listener) { tcp.Close() },
		"both": func(udp *UDP, tcp net.Listener) { udp.Close(); tcp.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, exampleCom())
			udp, tcp := listen(t)
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(udp, tcp, NewLimiter(Limits{PerSecond: DefaultPerSecond})) }()
			// An idle TCP connection does not hold it up.
			c, err := dns.DialTimeout("tcp", tcp.Addr().String(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.WriteMsg(question("example.com.", "SOA")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadMsg(); err != nil {
				t.Fatal(err)
			}
			closeOne(udp, tcp)
			select {
			case err := <-ended:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Serve: %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("Serve goes on")
			}
		})
	}
}

func TestShutdown(t *testing.T) {
	s := newServer(t, exampleCom())
	addr := serve(t, s)
	exchange(t, "tcp", addr, question("example.com.", "SOA"))
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("a connection is taken after the shutdown")
	}
	udp, tcp := listen(t)
	if err := s.Serve(udp, tcp, NewLimiter(Limits{PerSecond: DefaultPerSecond})); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve after the shutdown: %v", err)
	}
	if err := tcp.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error("Serve after the shutdown leaves the socket open")
	}
}

// TestDig holds the server against a client of another family.
func TestDig(t *testing.T) {
	if _, err := exec.LookPath("dig"); err != nil {
		t.Skip("dig is not installed")
	}
	z := exampleCom()
	z.RRsets = append(z.RRsets, set("long.example.com.", "TXT", strings.Repeat("x", 900)))
	host, port, err := net.SplitHostPort(serve(t, newServer(t, z)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		want []string
	}{
		{"example.com SOA +norec", []string{"status: NOERROR", "flags: qr aa;", "ns1.example.com. hostmaster.example.com. 2026112301"}},
		{"example.com MX +norec +noall +answer", []string{"example.com.\t\t3600\tIN\tMX\t10 mail.example.com."}},
		{"debian.org A +rec", []string{"status: REFUSED", "recursion requested but not available", "ANSWER: 0"}},
		{"example.com AXFR", []string{"Transfer failed."}},
		{"s1._domainkey.example.com TXT +tcp +short", []string{`"v=DKIM1; k=rsa; p=AAA`, `A" "A`}},
		{"long.example.com TXT +bufsize=512 +ignore", []string{"flags: qr aa tc rd;", "EDNS: version: 0", "udp: 1232"}},
		{"long.example.com TXT +bufsize=512", []string{"status: NOERROR", "ANSWER: 1", "(TCP)"}},
		{"example.com SOA +edns=1 +noednsneg", []string{"status: BADVERS"}},
		{"nosuch.example.com A", []string{"status: NXDOMAIN", "AUTHORITY: 1", "flags: qr aa"}},
		{"mail.example.com MX", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "flags: qr aa"}},
		{"version.bind CH TXT", []string{"status: REFUSED"}},
		{"www.sub.example.com A +norec", []string{"flags: qr;", "AUTHORITY: 2", "192.0.2.54"}},
		{"odd.example.com TYPE65280 +short", []string{`\# 3 ABCDEF`}},
		{"example.com SOA +opcode=NOTIFY", []string{"status: NOTIMP"}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			args := append([]string{"@" + host, "-p", port, "+time=30", "+tries=3"}, strings.Fields(tc.args)...)
			out, err := exec.CommandContext(t.Context(), "dig", args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range tc.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is missing in %s", want, out)
				}
			}
		})
	}
}

func BenchmarkReply(b *testing.B) {
	s := newServer(b, exampleCom())
	for name, q := range map[string]*dns.Msg{
		"mx": question("example.com.", "MX"), "a": question("mail.example.com.", "A"),
		"nxdomain": question("nosuch.example.com.", "A"), "wildcard": question("x.wild.example.com.", "TXT"),
		"mixed case": question("MaIl.example.com.", "A"),
	} {
		b.Run(name, func(b *testing.B) {
			packet := pack(b, q)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r := s.newResponder()
				limiter := NewLimiter(Limits{PerSecond: DefaultPerSecond})
				for pb.Next() {
					if r.reply(packet, client{addr: netip.IPv6Loopback(), limiter: limiter}) == nil {
						b.Error("no answer")
						return
					}
				}
			})
		})
	}
}

func BenchmarkUDP(b *testing.B) {
	addr := serve(b, newServer(b, exampleCom()))
	wire, err := question("example.com.", "MX").Pack()
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		nc, err := net.Dial("udp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer nc.Close()
		buf := make([]byte, 4096)
		for pb.Next() {
			if _, err := nc.Write(wire); err != nil {
				b.Error(err)
				return
			}
			if err := nc.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				b.Error(err)
				return
			}
			if _, err := nc.Read(buf); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkSetZone(b *testing.B) {
	z := emptyZone("example.com.")
	for i := range 100_000 {
		z.RRsets = append(z.RRsets, set(fmt.Sprintf("host-%d.example.com.", i), "A", "192.0.2.1"))
	}
	s := New(Options{})
	if err := s.SetZone(z); err != nil {
		b.Fatal(err)
	}
	for b.Loop() { // one record is another one each time
		z.Serial++
		z.RRsets[50_000].TTL++
		if err := s.SetZone(z); err != nil {
			b.Fatal(err)
		}
	}
}
