package zonetest

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/miekg/dns"
)

const (
	// watchedRate is how many questions a second are asked, whatever comes back.
	watchedRate = 1000
	// watchedFor is how long at least changes go on meanwhile.
	watchedFor = 2 * time.Second
	// watchedBurst is how many questions are caught up with at once, where the
	// machine was busy; those beyond it are given up.
	watchedBurst = 20
)

// watched changes names in all ways while they are asked for a thousand times a
// second. None must ever be found without records: not for an instant between two
// steps of an apply, not while a server reads its files.
func (w *world) watched(t *testing.T) {
	if w.sys.Addr == "" {
		t.Skip("nobody has said where the server answers")
	}
	w.begin(t)
	zone := func(rrtype, ttl, servers string, values ...string) providertest.ZoneStep {
		return providertest.ZoneStep{Sets: []providertest.Set{
			{Name: "www", Type: rrtype, TTL: ttl, Values: values},
			{Name: "other", Type: "A", TTL: ttl, Values: []string{"192.0.2.1"}},
			{Name: "@", Type: "NS", Values: []string{servers + ".example.net."}},
			{Name: "@", Type: "MX", TTL: ttl, Values: []string{"10 " + servers + ".example.net."}},
			{Name: "child", Type: "NS", TTL: ttl, Values: []string{servers + ".example.org."}},
		}}
	}
	w.take(t, zone("A", "5m", "ns2", "192.0.2.1"))
	watch, err := newWatch(w.sys.Addr, []dns.Question{
		{Name: string(w.zone.Under("www")), Qtype: dns.TypeA},
		{Name: string(w.zone), Qtype: dns.TypeNS},
		{Name: string(w.zone.Under("other")), Qtype: dns.TypeA},
		{Name: string(w.zone), Qtype: dns.TypeMX},
		{Name: string(w.zone.Under("child")), Qtype: dns.TypeNS},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.end()
	for begun := time.Now(); time.Since(begun) < watchedFor; {
		for _, s := range []struct {
			what string
			step providertest.ZoneStep
		}{
			{"a value", zone("A", "5m", "ns2", "192.0.2.2")},
			{"the TTL alone", zone("A", "1m", "ns2", "192.0.2.2")},
			{"one more value", zone("A", "1m", "ns2", "192.0.2.2", "192.0.2.3")},
			{"all values", zone("A", "1m", "ns2", "192.0.2.4")},
			{"an alias", zone("CNAME", "1m", "ns2", "web.example.net.")},
			{"its target", zone("CNAME", "1m", "ns2", "other."+w.sys.Zone+".")},
			{"no alias any more", zone("A", "2m", "ns2", "192.0.2.5")},
			{"the name servers", zone("A", "2m", "ns3", "192.0.2.5")},
			{"everything", zone("CNAME", "5m", "ns4", "web.example.net.")},
		} {
			if w.take(t, s.step); t.Failed() {
				t.Fatal(s.what)
			}
		}
	}
	got := watch.end()
	t.Logf("%d questions in %s, %.0f a second, %d answers", got.asked, got.took.Round(time.Millisecond), float64(got.asked)/got.took.Seconds(), got.answers)
	switch {
	case got.err != nil:
		t.Errorf("ask: %v", got.err)
	case got.missing > 0:
		t.Errorf("of %d answers %d had no records, first this one:\n%s", got.answers, got.missing, got.first)
	case got.answers < got.asked/20 || got.answers == 0:
		t.Errorf("%d questions, and only %d answers", got.asked, got.answers)
	}
}

// A tally is what was found while a zone changed.
type tally struct {
	asked, answers, missing int
	first                   *dns.Msg // the first answer without records
	took                    time.Duration
	err                     error
}

// A watch asks questions, one after the other and again from the beginning, at its
// rate: it does not wait for answers.
type watch struct {
	conn  net.Conn
	stop  chan struct{}
	once  sync.Once
	all   sync.WaitGroup
	tally tally
	got   tally // what answers say; the other one counts questions
}

// newWatch begins to ask.
func newWatch(addr string, questions []dns.Question) (*watch, error) {
	var packets [][]byte
	for i, q := range questions {
		m := new(dns.Msg).SetQuestion(q.Name, q.Qtype)
		m.Id = uint16(i)
		packet, err := m.Pack()
		if err != nil {
			return nil, err
		}
		packets = append(packets, packet)
	}
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return nil, err
	}
	w := &watch{conn: conn, stop: make(chan struct{})}
	w.all.Go(func() { w.ask(packets) })
	w.all.Go(w.listen)
	return w, nil
}

// end stops asking, waits for what is on the way, and tells what was found.
func (w *watch) end() tally {
	w.once.Do(func() {
		close(w.stop)
		// An answer that takes longer is none.
		_ = w.conn.SetReadDeadline(time.Now().Add(time.Second))
		w.all.Wait()
		w.conn.Close()
		w.tally.answers, w.tally.missing, w.tally.first = w.got.answers, w.got.missing, w.got.first
		w.tally.err = errors.Join(w.tally.err, w.got.err)
	})
	return w.tally
}

func (w *watch) ask(packets [][]byte) {
	const every = time.Second / watchedRate
	pace := time.NewTicker(every)
	defer pace.Stop()
	begun := time.Now()
	due := begun
	for {
		select {
		case <-w.stop:
			w.tally.took = time.Since(begun)
			return
		case now := <-pace.C:
			if late := now.Add(-watchedBurst * every); due.Before(late) {
				due = late
			}
			for ; !due.After(now); due = due.Add(every) {
				if _, err := w.conn.Write(packets[w.tally.asked%len(packets)]); err != nil {
					w.tally.err = err
				}
				w.tally.asked++
			}
		}
	}
}

func (w *watch) listen() {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, err := w.conn.Read(buf)
		if err != nil {
			if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
				w.got.err = err
			}
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil {
			w.got.err = err
			continue
		}
		if m.Truncated {
			continue // the server has enough of us, and says to ask by TCP
		}
		w.got.answers++
		if !hasRecords(m) {
			if w.got.missing++; w.got.first == nil {
				w.got.first = m
			}
		}
	}
}

// hasRecords reports whether an answer has what was asked for: an alias will do, and
// a referral where the name is a child's.
func hasRecords(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Question) != 1 {
		return false
	}
	want := m.Question[0].Qtype
	for _, rr := range m.Answer {
		if t := rr.Header().Rrtype; t == want || t == dns.TypeCNAME {
			return true
		}
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeNS && want == dns.TypeNS {
			return true
		}
	}
	return false
}
