package dns

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// The examples of RFC 9018, appendix A.
func TestCookiesAreThoseOfRFC9018(t *testing.T) {
	for name, tc := range map[string]struct {
		secret, address, cookie, want string
		now                           uint32
		proved                        bool
	}{
		"A.1, a new one": {
			"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957",
			"2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985, false,
		},
		"A.1, it comes back": {
			"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
			"2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985 + 1000, true,
		},
		"A.2, it comes back late and is renewed": {
			"e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
			"2464c4abcf10c957010000005cf7a871d4a564a1442aca77", 1559734385, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var secret cookieSecret
			copy(secret[:], unhex(t, tc.secret))
			var c cookie
			if !c.read(unhex(t, tc.cookie), &secret, netip.MustParseAddr(tc.address), tc.now) {
				t.Fatal("it is taken for none")
			}
			if got := hex.EncodeToString(c.append(nil)[4:]); got != tc.want || c.proved != tc.proved {
				t.Errorf("%s, proved %v, want %s, %v", got, c.proved, tc.want, tc.proved)
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCookiesThatProveNothing(t *testing.T) {
	const now = 1_800_000_000
	secret, addr := cookieSecret{1, 2, 3}, netip.MustParseAddr("2001:db8::1")
	var good cookie
	good.read(unhex(t, "0102030405060708"), &secret, addr, now)
	sent := good.append(nil)[4:]
	changed := func(at int) []byte {
		b := append([]byte(nil), sent...)
		b[at] ^= 1
		return b
	}
	for name, tc := range map[string]struct {
		data   []byte
		addr   string
		now    uint32
		proved bool
	}{
		"the one that was given":  {sent, "2001:db8::1", now, true},
		"of another address":      {sent, "2001:db8::2", now, false},
		"an hour and more old":    {sent, "2001:db8::1", now + 3601, false},
		"of the future":           {sent, "2001:db8::1", now - 301, false},
		"another client's half":   {changed(0), "2001:db8::1", now, false},
		"of another version":      {changed(8), "2001:db8::1", now, false},
		"with reserved bits":      {changed(9), "2001:db8::1", now, false},
		"with another time":       {changed(15), "2001:db8::1", now, false},
		"with another hash":       {changed(23), "2001:db8::1", now, false},
		"the client's half alone": {sent[:8], "2001:db8::1", now, false},
	} {
		t.Run(name, func(t *testing.T) {
			var c cookie
			if !c.read(tc.data, &secret, netip.MustParseAddr(tc.addr), tc.now) || c.proved != tc.proved {
				t.Errorf("proved is %v, want %v", c.proved, tc.proved)
			}
		})
	}
}

// flood asks a question many times within a second, and counts what comes back.
func flood(t *testing.T, r *responder, l *Limiter, n int, from string, q func(i int) *dns.Msg) (whole, truncated int) {
	t.Helper()
	for i := range n {
		wire := r.reply(pack(t, q(i)), client{addr: netip.MustParseAddr(from), limiter: l})
		if wire == nil {
			continue
		}
		m := unpack(t, wire)
		if m.Truncated {
			truncated++
			if len(m.Answer)+len(m.Ns) > 0 || len(wire) > len(pack(t, q(i)))+optSize+cookieOption {
				t.Fatalf("a truncated answer has %s", text(m))
			}
			continue
		}
		whole++
	}
	return whole, truncated
}

func TestAnswersAreLimited(t *testing.T) {
	one := func(name, rrtype string) func(int) *dns.Msg {
		return func(int) *dns.Msg { return question(name, rrtype) }
	}
	random := func(suffix string) func(int) *dns.Msg {
		return func(i int) *dns.Msg { return question(fmt.Sprintf("r%d.%s", i, suffix), "MX") }
	}
	for name, tc := range map[string]struct {
		from  string
		q     func(int) *dns.Msg
		whole int
	}{
		"the same question":              {"198.51.100.7", one("example.com.", "MX"), 20},
		"names that are not there":       {"198.51.100.7", random("example.com."), 20},
		"names of a wildcard":            {"198.51.100.7", random("wild.example.com."), 20},
		"names below a delegation":       {"198.51.100.7", random("sub.example.com."), 20},
		"names below a DNAME":            {"198.51.100.7", random("old.example.com."), 20},
		"names of others":                {"198.51.100.7", random("debian.org."), 20},
		"from an IPv6 address":           {"2001:db8::7", one("example.com.", "MX"), 20},
		"from this machine":              {"127.0.0.1", one("example.com.", "MX"), 1000},
		"from this machine by IPv6":      {"::1", one("example.com.", "MX"), 1000},
		"from a network that is exempt":  {"203.0.113.9", one("example.com.", "MX"), 1000},
		"IPv4 within IPv6, exempt":       {"::ffff:203.0.113.9", one("example.com.", "MX"), 1000},
		"from beside the exempt network": {"203.0.114.9", one("example.com.", "MX"), 20},
		"many names that are there": {"198.51.100.7", func(i int) *dns.Msg {
			return question([]string{"example.com.", "mail.example.com.", "host.example.com.", "ns1.example.com.", "here.wild.example.com.", "dot\\.in.example.com.",
				"many.example.com.", "www.example.com.", "web.example.com.", "outside.example.com.", "loop1.example.com.", "loop2.example.com."}[i%12], "CNAME")
		}, 100}, // some have a CNAME, the rest is one kind
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, exampleCom())
			l := NewLimiter(Limits{PerSecond: 20, Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
			r := s.newResponder()
			r.now = 1_800_000_000
			whole, truncated := flood(t, r, l, 1000, tc.from, tc.q)
			if name == "many names that are there" {
				if whole < tc.whole || whole > 200 {
					t.Errorf("%d answers", whole)
				}
				return
			}
			if whole != tc.whole || tc.whole < 1000 && truncated < 480 {
				t.Errorf("%d answers and %d truncated ones, want %d whole", whole, truncated, tc.whole)
			}
		})
	}
}

func TestALimitGoesBy(t *testing.T) {
	s := newServer(t, exampleCom())
	l := NewLimiter(Limits{PerSecond: 20})
	r := s.newResponder()
	r.now = 1_800_000_000
	mx := func(int) *dns.Msg { return question("example.com.", "MX") }
	flood(t, r, l, 1000, "198.51.100.7", mx)
	r.now++
	if whole, _ := flood(t, r, l, 1, "198.51.100.8", mx); whole != 0 {
		t.Error("a second after a flood its network is answered")
	}
	if whole, _ := flood(t, r, l, 1, "198.51.101.8", mx); whole != 1 {
		t.Error("another network is not answered")
	}
	r.now += limitWindow
	if whole, _ := flood(t, r, l, 1000, "198.51.100.7", mx); whole != 20 {
		t.Errorf("%d answers after the window", whole)
	}
	// Over TCP, and with a cookie, whatever was.
	if wire := r.reply(pack(t, mx(0)), client{addr: netip.MustParseAddr("198.51.100.7"), tcp: true, limiter: l}); wire == nil {
		t.Error("over TCP there is no answer")
	}
	from := client{addr: netip.MustParseAddr("192.0.2.99"), limiter: l}
	q := mx(0)
	withCookie("0102030405060708")(q)
	given := unpack(t, r.reply(pack(t, q), from)).IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	flood(t, r, l, 1000, "192.0.2.99", mx)
	q = mx(0)
	withCookie(given)(q)
	for range 100 {
		if wire := r.reply(pack(t, q), from); wire == nil || wire[2]&bitTC != 0 {
			t.Fatal("with a cookie there is no answer")
		}
	}
	l.Set(Limits{})
	if whole, _ := flood(t, r, l, 1000, "192.0.2.99", mx); whole != 1000 {
		t.Errorf("%d answers without a limit", whole)
	}
}

// A query that asks for a cookie alone (RFC 7873 §5.4).
func TestACookieWithoutAQuestion(t *testing.T) {
	q := new(dns.Msg)
	withCookie("0102030405060708")(q)
	m := ask(t, newServer(t, exampleCom()), q, false)
	if m.Rcode != dns.RcodeSuccess || len(m.IsEdns0().Option) != 1 {
		t.Errorf("%v", m)
	}
}
