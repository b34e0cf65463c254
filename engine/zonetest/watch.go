package zonetest

import (
	"testing"
	"time"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/miekg/dns"
)

// watched changes a name in all ways while it is asked for a thousand times a
// second. It must never be found without records: not for an instant between two
// steps of an apply, not while a server reads its files.
func (w *world) watched(t *testing.T) {
	if w.sys.Addr == "" {
		t.Skip("nobody has said where the server answers")
	}
	w.begin(t)
	www := func(rrtype, ttl string, values ...string) []providertest.Set {
		return []providertest.Set{{Name: "www", Type: rrtype, TTL: ttl, Values: values}, {Name: "other", Type: "A", TTL: ttl, Values: values[:1]}}
	}
	w.take(t, providertest.ZoneStep{Sets: www("A", "5m", "192.0.2.1")})
	stop, told := make(chan struct{}), make(chan tally, 1)
	go func() { told <- w.ask(stop) }()
	for _, sets := range [][]providertest.Set{
		www("A", "5m", "192.0.2.2"), www("A", "1m", "192.0.2.2"), www("A", "1m", "192.0.2.2", "192.0.2.3"), www("A", "1m", "192.0.2.4"),
		{{Name: "www", Type: "CNAME", TTL: "1m", Values: []string{"web.example.net."}}, {Name: "new", Type: "A", Values: []string{"192.0.2.1"}}},
		www("A", "2m", "192.0.2.5"),
	} {
		w.take(t, providertest.ZoneStep{Sets: sets})
	}
	close(stop)
	got := <-told
	t.Logf("%d answers, %d questions without one", got.answers, got.silent)
	switch {
	case got.err != nil:
		t.Errorf("ask: %v", got.err)
	case got.missing != "":
		t.Errorf("of %d answers one had no records:\n%s", got.answers, got.missing)
	case got.answers < 50:
		t.Errorf("only %d answers came", got.answers)
	}
}

// A tally is what was found while a zone changed.
type tally struct {
	answers, silent int
	missing         string // the first answer without records
	err             error
}

// ask asks for the address of www until it is told to stop.
func (w *world) ask(stop <-chan struct{}) (got tally) {
	name := string(w.zone.Under("www"))
	client := &dns.Client{Timeout: time.Second}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	var conn *dns.Conn
	for {
		select {
		case <-stop:
			return got
		case <-pace.C:
		}
		if conn == nil {
			if conn, got.err = client.Dial(w.sys.Addr); got.err != nil {
				return got
			}
			defer conn.Close()
		}
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		a, _, err := client.ExchangeWithConn(q, conn)
		switch {
		case err != nil || a.Truncated: // it was lost on the way, or the server has enough of us
			got.silent++
			conn = nil
		case len(a.Answer) == 0:
			if got.answers++; got.missing == "" {
				got.missing = a.String()
			}
		default:
			got.answers++
		}
	}
}
