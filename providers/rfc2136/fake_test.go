package rfc2136

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// A fake is a name server with one zone that does what a test says.
type fake struct {
	t    testing.TB
	addr string

	mu   sync.Mutex
	zone []string // lines, without the SOA record
	// serial of the SOA record.
	serial uint32
	// axfr, query and update answer instead of the fake; nil: it does as a server
	// should, but that updates change nothing. nil messages close the connection.
	axfr, query, update func(f *fake, m *dns.Msg) []*dns.Msg
	asked               int    // messages received
	timeout             string // of its provider; empty: none that is met
}

const fakeNS = "example.com. 300 IN NS ns1.example.net."

func newFake(t testing.TB, f *fake) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.t, f.addr, f.serial = t, l.Addr().String(), 7
	f.zone = append(f.zone, fakeNS)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		raw := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, raw); err != nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(raw); err != nil {
			f.t.Errorf("a message cannot be read: %v", err)
			return
		}
		f.mu.Lock()
		f.asked++
		answers := f.answer(m)
		f.mu.Unlock()
		for _, a := range answers {
			if a == nil {
				return
			}
			out, err := a.Pack()
			if err != nil {
				f.t.Errorf("an answer cannot be made: %v", err)
				return
			}
			if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
				return
			}
		}
	}
}

func (f *fake) soa() dns.RR {
	return &dns.SOA{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
		Ns: "ns1.example.net.", Mbox: "hostmaster.example.com.", Serial: f.serial, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 300}
}

func (f *fake) records() []dns.RR {
	var out []dns.RR
	for _, line := range f.zone {
		rr, err := dns.NewRR(line)
		if err != nil {
			f.t.Error(err)
		}
		out = append(out, rr)
	}
	return out
}

func reply(m *dns.Msg, code int, answer ...dns.RR) []*dns.Msg {
	r := new(dns.Msg)
	r.SetRcode(m, code)
	r.Authoritative = true
	r.Answer = answer
	return []*dns.Msg{r}
}

func (f *fake) answer(m *dns.Msg) []*dns.Msg {
	q := m.Question[0]
	switch {
	case m.Opcode == dns.OpcodeUpdate && f.update != nil:
		return f.update(f, m)
	case m.Opcode == dns.OpcodeUpdate:
		return reply(m, dns.RcodeSuccess)
	case q.Qtype == dns.TypeAXFR && f.axfr != nil:
		return f.axfr(f, m)
	case q.Qtype == dns.TypeAXFR && q.Name != "example.com.":
		return reply(m, dns.RcodeNotAuth)
	case q.Qtype == dns.TypeAXFR:
		return reply(m, dns.RcodeSuccess, append(append([]dns.RR{f.soa()}, f.records()...), f.soa())...)
	case f.query != nil:
		return f.query(f, m)
	case q.Qtype == dns.TypeSOA:
		return reply(m, dns.RcodeSuccess, f.soa())
	}
	var found []dns.RR
	for _, rr := range f.records() {
		if h := rr.Header(); h.Name == q.Name && h.Rrtype == q.Qtype {
			found = append(found, rr)
		}
	}
	return reply(m, dns.RcodeSuccess, found...)
}

func refuse(code int) func(*fake, *dns.Msg) []*dns.Msg {
	return func(_ *fake, m *dns.Msg) []*dns.Msg { return reply(m, code) }
}

// provider is one for the fake; signed ones have a key.
func (f *fake) provider(signed bool) *Provider {
	f.t.Helper()
	null := cty.NullVal(nametest.TSIG("a", "hmac-sha256", "AAAA").Type())
	attrs := map[string]cty.Value{"tsig": null, "read_tsig": null, "timeout": cty.StringVal(cmp.Or(f.timeout, "2m"))}
	if signed {
		attrs["tsig"] = nametest.TSIG(nametest.WriteKey, "hmac-sha256", nametest.WriteSecret)
	}
	p := &Provider{}
	if diags := p.Configure(context.Background(), providers.Config{Value: nametest.Block("rfc2136", f.addr, attrs)}); diags.HasErrors() {
		f.t.Fatal(diags)
	}
	return p
}

var (
	wantA = nametest.Set("example.com", "a.example.com", "A", 300, "192.0.2.1")
	wantB = nametest.Set("example.com", "b.example.com", "A", 300, "192.0.2.1")
)

func tsigError(code uint16) func(*fake, *dns.Msg) []*dns.Msg {
	return func(_ *fake, m *dns.Msg) []*dns.Msg {
		r := reply(m, dns.RcodeNotAuth)[0]
		t := *m.IsTsig()
		t.Error, t.MAC, t.MACSize = code, "", 0
		if code == dns.RcodeBadTime {
			t.OtherLen, t.OtherData = 6, "000065000000"
		}
		r.Extra = []dns.RR{&t}
		return []*dns.Msg{r}
	}
}

func TestReadingFromServersThatDoNotDoAsTheyShould(t *testing.T) {
	for name, tc := range map[string]struct {
		fake   *fake
		signed bool
		is     error
		want   string
	}{
		"everything is refused": {fake: &fake{axfr: refuse(dns.RcodeRefused), query: refuse(dns.RcodeRefused)}, is: ErrRefused,
			want: "its transfer is refused, and so is a query for example.com. SOA: the server refuses it (REFUSED)"},
		"no such zone":          {fake: &fake{axfr: refuse(dns.RcodeNotAuth)}, want: "has no zone example.com, and RFC 2136 has no way to make one"},
		"the server fails":      {fake: &fake{axfr: refuse(dns.RcodeServerFailure)}, want: "SERVFAIL"},
		"an unknown key":        {fake: &fake{axfr: tsigError(dns.RcodeBadKey)}, signed: true, is: ErrKey, want: "BADKEY, the server does not know a key mailform with the algorithm hmac-sha256"},
		"another secret":        {fake: &fake{axfr: tsigError(dns.RcodeBadSig)}, signed: true, is: ErrKey, want: "BADSIG"},
		"clocks that differ":    {fake: &fake{axfr: tsigError(dns.RcodeBadTime)}, signed: true, is: ErrKey, want: "BADTIME, the clocks of the server and of this machine differ by more than 300 seconds; by the server it is 2023-09-12"},
		"no signature":          {fake: &fake{}, signed: true, is: ErrKey, want: "the server answers without a signature"},
		"a refusal without one": {fake: &fake{axfr: refuse(dns.RcodeFormatError)}, signed: true, is: ErrKey, want: "FORMERR"},
		"a transfer that breaks off": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
			return append(reply(m, dns.RcodeSuccess, append([]dns.RR{f.soa()}, f.records()...)...), nil)
		}}, is: ErrGone, want: "it ended the connection before it had answered"},
		"a transfer that stops": {fake: &fake{timeout: "1s", axfr: func(f *fake, m *dns.Msg) []*dns.Msg { return reply(m, dns.RcodeSuccess, f.soa()) }}, is: ErrGone, want: "it does not answer in time"},
		"a truncated answer": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
			r := reply(m, dns.RcodeSuccess, f.soa())
			r[0].Truncated = true
			return r
		}}, is: ErrAnswer, want: "it is truncated"},
		"a transfer without a beginning": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg { return reply(m, dns.RcodeSuccess, f.records()...) }}, is: ErrAnswer, want: "a transfer begins with an SOA record, and this one with example.com. NS"},
		"an empty transfer":              {fake: &fake{axfr: func(_ *fake, m *dns.Msg) []*dns.Msg { return reply(m, dns.RcodeSuccess) }}, is: ErrAnswer, want: "has no records"},
		"a zone that changes meanwhile": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
			first := f.soa()
			f.serial++
			return reply(m, dns.RcodeSuccess, first, f.soa())
		}}, want: "changed while it was read: its serial was 7 and then 8"},
		"an answer to something else": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
			r := reply(m, dns.RcodeSuccess, f.soa())
			r[0].Id++
			return r
		}}, is: ErrAnswer, want: "to no question of ours"},
		"a question in place of an answer": {fake: &fake{axfr: func(_ *fake, m *dns.Msg) []*dns.Msg { return []*dns.Msg{m} }}, is: ErrAnswer, want: "it is no answer to what was asked"},
		"records of another zone": {fake: &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
			rr, _ := dns.NewRR("a.example.net. 1 IN A 192.0.2.1")
			return reply(m, dns.RcodeSuccess, f.soa(), rr, f.soa())
		}}, want: "a.example.net. does not lie in the zone example.com."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, tc.fake)
			_, err := f.provider(tc.signed).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{wantA}})
			if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("the error is %v; want one that is %v and says %q", err, tc.is, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), nametest.WriteSecret) {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
	t.Run("there is no server", func(t *testing.T) {
		f := &fake{t: t, addr: "127.0.0.1:1"}
		if _, err := f.provider(false).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{wantA}}); !errors.Is(err, ErrGone) {
			t.Errorf("the error is %v", err)
		}
	})
}

// Where transfers are refused what is declared is asked for by itself.
func TestReadingByQueries(t *testing.T) {
	f := newFake(t, &fake{axfr: refuse(dns.RcodeRefused), zone: []string{"a.example.com. 300 IN A 192.0.2.1", "foreign.example.com. 300 IN A 192.0.2.1"}})
	p := f.provider(false)
	there := nametest.Read(t, p, wantA, wantB)
	if _, ok := there[wantA.Key]; !ok || len(there) != 2 {
		t.Errorf("there is %v, want the zone and one record set", there)
	}
	// Changes demand what was seen, so that nothing is overwritten.
	f.update = func(f *fake, m *dns.Msg) []*dns.Msg {
		f.zone = append(f.zone, "b.example.com. 300 IN A 192.0.2.1")
		f.serial++
		return reply(m, dns.RcodeSuccess)
	}
	nametest.Apply(t, p, nametest.Plan(there, wantB)...)
}

func TestWritingToServersThatDoNotDoAsTheyShould(t *testing.T) {
	gone := func(made bool) func(*fake, *dns.Msg) []*dns.Msg {
		return func(f *fake, _ *dns.Msg) []*dns.Msg {
			if made {
				f.zone = append(f.zone, "a.example.com. 300 IN A 192.0.2.1")
				f.serial++
			}
			return []*dns.Msg{nil}
		}
	}
	for name, tc := range map[string]struct {
		fake *fake
		is   error
		want string // empty: it is done
	}{
		"refused":                 {fake: &fake{update: refuse(dns.RcodeRefused)}, is: ErrRefused, want: "update the zone example.com at 127.0.0.1:"},
		"not the primary":         {fake: &fake{update: refuse(dns.RcodeNotAuth)}, want: "updates go to the primary server of a zone"},
		"no updates at all":       {fake: &fake{update: refuse(dns.RcodeNotImplemented)}, is: ErrRefused, want: "it does not know how to (NOTIMP)"},
		"a failure":               {fake: &fake{update: refuse(dns.RcodeServerFailure)}, want: "its log says why"},
		"NOERROR for nothing":     {fake: &fake{}, is: ErrIgnored, want: "record set example.com/a.example.com./A: the server says that it is done, and has ignored it: it is not there"},
		"gone before it was done": {fake: &fake{update: gone(false)}, is: ErrGone, want: "it ended the connection before it had answered"},
		"gone after it was done":  {fake: &fake{update: gone(true)}},
		"demands that are never met": {fake: &fake{update: func(f *fake, m *dns.Msg) []*dns.Msg {
			f.serial++
			return reply(m, dns.RcodeNXRrset)
		}}, want: "something in the zone is not as the update demands (NXRRSET), 8 times in a row"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, tc.fake)
			p := f.provider(false)
			err := nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, wantA), wantA)...)[0]
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("the error is %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is)):
				t.Errorf("the error is %v; want one that is %v and says %q", err, tc.is, tc.want)
			}
		})
	}
}

// One message of several that finds the zone changed stops the rest; what was
// written is told as done.
func TestForeignChangesBetweenMessages(t *testing.T) {
	messages := 0
	f := newFake(t, &fake{update: func(f *fake, m *dns.Msg) []*dns.Msg {
		if messages++; messages == 2 {
			f.zone = append(f.zone, "theirs.example.com. 300 IN A 192.0.2.66")
			f.serial = 99
			return reply(m, dns.RcodeNXRrset)
		}
		var demanded, left uint32
		for _, rr := range m.Answer {
			if soa, ok := rr.(*dns.SOA); ok {
				demanded = soa.Serial
			}
		}
		for _, rr := range m.Ns {
			switch rr := rr.(type) {
			case *dns.SOA:
				left = rr.Serial
			case *dns.A:
				f.zone = append(f.zone, rr.String())
			}
		}
		if demanded != f.serial || left != f.serial+1 {
			t.Errorf("message %d demands the serial %d and leaves %d, and it was %d", messages, demanded, left, f.serial)
		}
		f.serial = left
		return reply(m, dns.RcodeSuccess)
	}})
	p := f.provider(false)
	p.maxSize = 80
	wanted := []schema.Resource{wantA, wantB}
	for _, n := range []string{"c", "d"} {
		wanted = append(wanted, nametest.Set("example.com", n+".example.com", "A", 300, "192.0.2.1"))
	}
	errs := nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, wanted...), wanted...)...)
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
			continue
		}
		if !errors.Is(err, providers.ErrConflict) || !strings.Contains(err.Error(), "between two messages of one change") || !strings.Contains(err.Error(), "1 was carried out before it") {
			t.Errorf("the error is %v", err)
		}
	}
	if done == 0 || done == len(wanted) || messages != 2 {
		t.Errorf("%d of %d changes are done, with %d messages", done, len(wanted), messages)
	}
}

// A server that ends a connection after each transfer is asked for the rest over
// other ones.
func TestServersThatCloseConnections(t *testing.T) {
	f := newFake(t, &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
		soa := f.soa()
		soa.Header().Name = m.Question[0].Name
		return append(reply(m, dns.RcodeSuccess, soa, soa), nil)
	}})
	var wanted []schema.Resource
	for _, z := range []string{"a.example", "b.example", "c.example", "d.example"} {
		wanted = append(wanted, nametest.Set(z, z, "MX", 300, "0 ."))
	}
	if there := nametest.Read(t, f.provider(false), wanted...); len(there) != len(wanted) {
		t.Errorf("%d zones were read, want %d", len(there), len(wanted))
	}
}

// What came of a transfer before a connection ended is no part of it once it is
// asked for anew.
func TestTransfersThatBeginAnew(t *testing.T) {
	broken := false
	f := newFake(t, &fake{axfr: func(f *fake, m *dns.Msg) []*dns.Msg {
		soa := f.soa()
		soa.Header().Name = m.Question[0].Name
		if m.Question[0].Name != "example.com." {
			return reply(m, dns.RcodeSuccess, soa, soa)
		}
		if !broken { // a half of it
			broken = true
			return append(reply(m, dns.RcodeSuccess, append([]dns.RR{soa}, f.records()...)...), nil)
		}
		return reply(m, dns.RcodeSuccess, append(append([]dns.RR{soa}, f.records()...), soa)...)
	}, zone: []string{"a.example.com. 300 IN A 192.0.2.1"}})
	there := nametest.Read(t, f.provider(false), nametest.Set("a.example", "a.example", "MX", 300, "0 ."), wantA)
	if _, ok := there[wantA.Key]; !ok || !broken {
		t.Errorf("there is %v", there)
	}
}
