package resolve

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
	"github.com/miekg/dns"
)

// A world is a resolver with a few names, which counts what it is asked.
type world struct {
	records map[string][]string // by name and type
	asked   atomic.Int64
	held    chan struct{} // answers wait for it, if it is there
}

// serve runs the resolver; its address is the result.
func (w *world) serve(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", porttest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait) // after the ends of both
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: w}, {Listener: l, Handler: w}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		running.Go(func() { _ = s.ActivateAndServe() })
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

// ServeDNS implements dns.Handler.
func (w *world) ServeDNS(rw dns.ResponseWriter, m *dns.Msg) {
	w.asked.Add(1)
	if w.held != nil {
		<-w.held
	}
	q := m.Question[0]
	name := strings.ToLower(q.Name)
	reply := new(dns.Msg).SetReply(m)
	reply.RecursionAvailable = true
	if strings.HasPrefix(name, "broken.") {
		reply.Rcode = dns.RcodeServerFailure
	}
	known := false
	for key, texts := range w.records {
		n, typ, _ := strings.Cut(key, " ")
		known = known || n == name
		if n != name || typ != dns.TypeToString[q.Qtype] && typ != "CNAME" {
			continue
		}
		for _, text := range texts {
			rr, err := dns.NewRR(n + " " + text)
			if err != nil {
				panic(err)
			}
			reply.Answer = append(reply.Answer, rr)
		}
	}
	if !known && reply.Rcode == dns.RcodeSuccess {
		reply.Rcode = dns.RcodeNameError
		soa, _ := dns.NewRR("test. 60 IN SOA ns.test. root.test. 1 2 3 4 30")
		reply.Ns = append(reply.Ns, soa)
	}
	reply.AuthenticatedData = m.AuthenticatedData && strings.HasPrefix(name, "signed.")
	if rw.LocalAddr().Network() == "udp" {
		reply.Truncate(1232)
	}
	_ = rw.WriteMsg(reply)
}

func TestLookups(t *testing.T) {
	long := strings.Repeat("x", 250)
	var many []string
	for range 10 {
		many = append(many, `60 IN TXT "`+long+`" "`+long[:len(many)+1]+`"`)
	}
	w := &world{records: map[string][]string{
		"one.test. TXT":               {`60 IN TXT "v=spf1 " "-all"`, `60 IN TXT "a \"b\" \195\164"`},
		"many.test. TXT":              many,
		"one.test. MX":                {"60 IN MX 20 b.test.", "60 IN MX 10 a.test."},
		"one.test. A":                 {"60 IN A 192.0.2.1"},
		"one.test. AAAA":              {"60 IN AAAA 2001:db8::1"},
		"four.test. A":                {"60 IN A 192.0.2.4"},
		"alias.test. A":               {"60 IN CNAME one.test."},
		"signed.test. TXT":            {`60 IN TXT "s"`},
		"1.2.0.192.in-addr.arpa. PTR": {"60 IN PTR one.test."},
	}}
	r := New(Options{Servers: []string{w.serve(t)}, Timeout: time.Minute})
	ctx := t.Context()
	if got, err := r.LookupTXT(ctx, "ONE.test"); err != nil || !slices.Contains(got, "v=spf1 -all") || !slices.Contains(got, `a "b" ä`) {
		t.Errorf("texts: %q, %v", got, err)
	}
	if got, err := r.LookupTXT(ctx, "many.test"); err != nil || len(got) != 10 {
		t.Errorf("an answer too long for UDP: %d texts, %v", len(got), err)
	}
	if got, err := r.LookupMX(ctx, "one.test"); err != nil || len(got) != 2 || got[0].Host != "a.test." {
		t.Errorf("exchangers: %v, %v", got, err)
	}
	if got, err := r.LookupIPAddr(ctx, "one.test"); err != nil || len(got) != 2 {
		t.Errorf("addresses: %v, %v", got, err)
	}
	if got, err := r.LookupNetIP(ctx, "ip", "four.test"); err != nil || len(got) != 1 || got[0].String() != "192.0.2.4" {
		t.Errorf("addresses of one family: %v, %v", got, err)
	}
	if got, err := r.LookupAddr(ctx, "192.0.2.1"); err != nil || len(got) != 1 || got[0] != "one.test." {
		t.Errorf("names: %v, %v", got, err)
	}
	if a, err := r.Query(ctx, "signed.test", dns.TypeTXT); err != nil || !a.Authentic || len(a.Records) != 1 {
		t.Errorf("a signed answer: %+v, %v", a, err)
	}
	if a, err := r.Query(ctx, "one.test", dns.TypeTXT); err != nil || a.Authentic {
		t.Errorf("an unsigned answer: %+v, %v", a, err)
	}
	for name, lookup := range map[string]func() error{
		"a name that is not there":  func() error { _, err := r.LookupTXT(ctx, "none.test"); return err },
		"a type that is not there":  func() error { _, err := r.LookupMX(ctx, "four.test"); return err },
		"a host without addresses":  func() error { _, err := r.LookupIPAddr(ctx, "many.test"); return err },
		"what is no name":           func() error { _, err := r.LookupTXT(ctx, strings.Repeat("x", 64)+".test"); return err },
		"an address without a name": func() error { _, err := r.LookupAddr(ctx, "192.0.2.9"); return err },
	} {
		err := lookup()
		if de, ok := err.(*net.DNSError); !ok || !de.IsNotFound || de.Temporary() {
			t.Errorf("%s: %#v", name, err)
		}
	}
	_, err := r.LookupTXT(ctx, "broken.test")
	if de, ok := err.(*net.DNSError); !ok || de.IsNotFound || !de.Temporary() {
		t.Errorf("a resolver that fails: %#v", err)
	}
}

func TestWhatIsKnownIsNotAskedAgain(t *testing.T) {
	w := &world{records: map[string][]string{"one.test. TXT": {`60 IN TXT "a"`}, "none.test. TXT": {`0 IN TXT "b"`}}}
	var now atomic.Int64
	r := New(Options{Servers: []string{w.serve(t)}, Timeout: time.Minute, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	for _, step := range []struct {
		what, name string
		after      int64
		asked      int64
	}{
		{"the first time", "one.test", 0, 1},
		{"the second time", "one.test", 0, 1},
		{"in another spelling", "OnE.tEsT.", 59, 1},
		{"when it has run out", "one.test", 60, 2},
		{"a name that is not there", "no.test", 60, 3},
		{"and again", "no.test", 89, 3},
		{"when that has run out", "no.test", 90, 4},
		{"what is not to be kept", "none.test", 90, 5},
		{"and again", "none.test", 90, 6},
		{"trouble", "broken.test", 90, 8},
		{"and again", "broken.test", 90, 10},
	} {
		now.Store(step.after)
		_, _ = r.LookupTXT(t.Context(), step.name)
		if got := w.asked.Load(); got != step.asked {
			t.Fatalf("%s: %s was asked about %d times by now, want %d", step.what, step.name, got, step.asked)
		}
	}
}

func TestManyWhoAskTheSameAreOneQuestion(t *testing.T) {
	w := &world{records: map[string][]string{"one.test. TXT": {`60 IN TXT "a"`}}, held: make(chan struct{})}
	r := New(Options{Servers: []string{w.serve(t)}, Timeout: time.Minute})
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			if got, err := r.LookupTXT(t.Context(), "one.test"); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	// Somebody without patience goes, and takes nothing from the others.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.LookupTXT(ctx, "one.test"); err == nil {
		t.Error("an answer for somebody who has gone")
	}
	close(w.held)
	work.Wait()
	if n := w.asked.Load(); n > 2 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestTheNextServerIsAsked(t *testing.T) {
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	w := &world{records: map[string][]string{"one.test. TXT": {`60 IN TXT "a"`}}}
	r := New(Options{Servers: []string{dead.LocalAddr().String(), w.serve(t)}, Timeout: time.Minute})
	if got, err := r.LookupTXT(t.Context(), "one.test"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	r.Set([]string{dead.LocalAddr().String()})
	_, err = r.Query(t.Context(), "one.test", dns.TypeTXT)
	var de *net.DNSError
	if !errors.As(err, &de) || !de.IsTemporary {
		t.Errorf("no server answers, and the error is %v", err)
	}
}

func TestTheCacheHasABound(t *testing.T) {
	c := cache{limit: 8}
	for i := range 100 {
		c.put(question{name: strings.Repeat("x", i)}, Answer{TTL: time.Minute}, nil, time.Unix(0, 0))
		if len(c.kept) > 8 {
			t.Fatalf("%d are kept", len(c.kept))
		}
	}
}
