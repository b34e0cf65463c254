package dnsbl

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/resolve"
)

// A zone is a name server with lists: addresses and texts by their name. It says of
// names in broken.test that it cannot answer, and never answers for mute.test.
type zone map[string][]string

// ServeDNS implements dns.Handler.
func (z zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg).SetReply(q)
	name, qtype := q.Question[0].Name, dns.TypeToString[q.Question[0].Qtype]
	switch {
	case strings.HasSuffix(name, ".mute.test."):
		return
	case strings.HasSuffix(name, ".broken.test."):
		a.Rcode = dns.RcodeServerFailure
	case z[name] == nil:
		a.Rcode = dns.RcodeNameError
	}
	for _, data := range z[name] {
		typ := "TXT"
		if _, err := netip.ParseAddr(data); err == nil {
			typ = "A"
		} else {
			data = `"` + data + `"`
		}
		if rr, err := dns.NewRR(name + " 60 IN " + typ + " " + data); err == nil && typ == qtype {
			a.Answer = append(a.Answer, rr)
		}
	}
	_ = w.WriteMsg(a)
}

// serve runs the name server; the result asks it.
func (z zone) serve(t *testing.T) *resolve.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: pc, Handler: z, NotifyStartedFunc: func() { close(started) }}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-ended })
	return resolve.New(resolve.Options{Servers: []string{pc.LocalAddr().String()}})
}

var lists = zone{
	"7.2.0.192.bl.test.":   {"127.0.0.2", "spam was seen from there, see https://bl.test/7"},
	"7.2.0.192.one.test.":  {"127.0.0.4"},
	"7.2.0.192.two.test.":  {"127.0.0.11", "127.0.0.2"},
	"7.2.0.192.sold.test.": {"203.0.113.80"},
	"7.2.0.192.deaf.test.": {"127.255.255.254"},
	"7.2.0.192.none.test.": {"127.0.0.1"},
	"7.2.0.192.wl.test.":   {"127.0.10.1"},
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test.": {"127.0.0.2"},
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func TestWhatListsSay(t *testing.T) {
	resolver := lists.serve(t)
	reject := func(zone string) List { return List{Zone: zone, Action: Reject, Weight: Enough} }
	light := func(zone string, weight int) List { return List{Zone: zone, Action: Reject, Weight: weight} }
	cases := map[string]struct {
		client  string // empty: 192.0.2.7
		lists   []List
		refused string // the zone
		reason  string
		junk    bool
		results []string
		failed  []string
	}{
		"a client that no list has": {client: "192.0.2.8", lists: []List{reject("bl.test"), reject("one.test")}},
		"without lists":             {},
		"a client that a list has, and why": {lists: []List{reject("bl.test")},
			refused: "bl.test", reason: "spam was seen from there, see https://bl.test/7", results: []string{"x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"}},
		"a client with an IPv6 address": {client: "2001:db8::1", lists: []List{reject("bl.test")},
			refused: "bl.test", results: []string{"x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"}},
		"an IPv4 address within IPv6": {client: "::ffff:192.0.2.7", lists: []List{reject("one.test")},
			refused: "one.test", results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4"}},
		"two lists that weigh enough together": {lists: []List{light("one.test", 4), light("bl.test", 6)},
			refused: "bl.test", reason: "spam was seen from there, see https://bl.test/7",
			results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4", "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"}},
		"two lists that do not": {lists: []List{light("one.test", 4), light("bl.test", 5)},
			results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4", "x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2"}},
		"a list that only marks": {lists: []List{{Zone: "one.test", Action: Mark}},
			results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4"}},
		"a list that lays mail apart": {lists: []List{{Zone: "one.test", Action: Junk}}, junk: true,
			results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4"}},
		"a list of good clients goes before all others": {
			lists: []List{reject("bl.test"), {Zone: "one.test", Action: Junk}, {Zone: "wl.test", Action: Allow}},
			results: []string{"x-dnsbl=fail dns.zone=bl.test policy.ip=127.0.0.2", "x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4",
				"dnswl=pass dns.zone=wl.test policy.ip=127.0.10.1"}},
		"an answer that is asked for among several": {lists: []List{{Zone: "two.test", Action: Reject, Weight: 10, Answers: prefixes("127.0.0.10/31")}},
			refused: "two.test", results: []string{"x-dnsbl=fail dns.zone=two.test policy.ip=127.0.0.11"}},
		"an answer that is not asked for":                  {lists: []List{{Zone: "one.test", Action: Reject, Weight: 10, Answers: prefixes("127.0.0.10/31")}}},
		"a domain that was sold answers with a web server": {lists: []List{reject("sold.test")}},
		"127.0.0.1 is no listing":                          {lists: []List{reject("none.test")}},
		"a list that does not answer such a resolver":      {lists: []List{reject("deaf.test")}, failed: []string{"deaf.test"}},
		"a list that cannot answer does not hide the others": {lists: []List{reject("x.broken.test"), reject("one.test")}, failed: []string{"x.broken.test"},
			refused: "one.test", results: []string{"x-dnsbl=fail dns.zone=one.test policy.ip=127.0.0.4"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := netip.MustParseAddr("192.0.2.7")
			if c.client != "" {
				client = netip.MustParseAddr(c.client)
			}
			r := Check(t.Context(), resolver, c.lists, client)
			refused, reason := "", ""
			if h := r.Refused(); h != nil {
				refused, reason = h.Zone, h.Reason
			}
			if refused != c.refused || reason != c.reason {
				t.Errorf("refused by %q because of %q, want %q and %q", refused, reason, c.refused, c.reason)
			}
			if r.Junk() != c.junk {
				t.Errorf("junk: %v", r.Junk())
			}
			if got := r.Results(); !slices.Equal(got, c.results) {
				t.Errorf("results:\n%q\nwant\n%q", got, c.results)
			}
			var failed []string
			for _, f := range r.Failures {
				failed = append(failed, f.Zone)
			}
			if !slices.Equal(failed, c.failed) {
				t.Errorf("failed: %q, want %q", failed, c.failed)
			}
		})
	}
}

func TestAListThatIsSilentHoldsNothingUp(t *testing.T) {
	resolver := lists.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan Result, 1)
	go func() {
		asked <- Check(ctx, resolver, []List{{Zone: "mute.test", Action: Reject, Weight: 10}}, netip.MustParseAddr("192.0.2.7"))
	}()
	cancel()
	r := <-asked
	if r.Refused() != nil || len(r.Failures) != 1 || errors.Is(r.Failures[0].Err, ErrRefused) {
		t.Errorf("it says %+v", r)
	}
}

func FuzzNames(f *testing.F) {
	f.Add([]byte{192, 0, 2, 7})
	f.Add(netip.MustParseAddr("2001:db8::1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		client, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		// The reverse trees of the DNS have the same order.
		want, err := dns.ReverseAddr(client.Unmap().String())
		if err != nil {
			t.Fatal(err)
		}
		tree := "in-addr.arpa."
		if !client.Unmap().Is4() {
			tree = "ip6.arpa."
		}
		if got := reversed(client) + tree; got != want {
			t.Errorf("%v: %s, want %s", client, got, want)
		}
	})
}
