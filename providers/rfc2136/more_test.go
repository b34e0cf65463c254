package rfc2136_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// many are record sets of a type, in one zone.
func many(n int, zone, rrtype string, ttl int64, value string) []schema.Resource {
	out := make([]schema.Resource, n)
	for i := range out {
		out[i] = nametest.Set(zone, fmt.Sprintf("h%d.%s", i, zone), rrtype, ttl, value)
	}
	return out
}

// Where one message does not hold a change, others do not get in between.
func TestChangesThatTakeSeveralMessages(t *testing.T) {
	onServers(t, exampleZone(), func(t *testing.T, s *nametest.Server) {
		p := provider(t, s.Addr, nil)
		p.SetLimit(4000)
		first := many(500, "example.com", "MX", 300, "10 mail.example.net.")
		nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, first...), first...)...)
		then := many(500, "example.com", "MX", 60, "20 mail.example.net.")
		then = append(then, nametest.ZoneResource("example.com", 7200))
		there := nametest.Read(t, p, then...)
		nametest.Apply(t, p, nametest.Plan(there, then...)...)
		if left := nametest.Plan(nametest.Read(t, provider(t, s.Addr, nil), then...), then...); len(left) > 0 {
			t.Errorf("%d changes are left", len(left))
		}
		// Somebody has changed one of the last: what comes before it is done, and told.
		there = nametest.Read(t, p, first...)
		s.Edit(t, "example.com.", "h99.example.com.", "MX", 60, []string{"66 mail.example.net."})
		refused := 0
		for i, err := range nametest.Try(t, p, nametest.Plan(there, first...)...) {
			if err == nil {
				continue
			}
			if refused++; i == 99 && !errors.Is(err, providers.ErrConflict) {
				t.Errorf("the error is %v", err)
			}
		}
		// The SOA record is demanded, so that the first message finds it out.
		if refused != 500 {
			t.Errorf("%d changes were refused, want all", refused)
		}
	})
}

// Ten messages and a writer who never stops: every change of ours is whole.
func TestWritersSideBySide(t *testing.T) {
	onServers(t, exampleZone(), func(t *testing.T, s *nametest.Server) {
		var wg sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			wg.Go(func() {
				p := provider(t, s.Addr, nil)
				for i := range 15 {
					want := nametest.Set("example.com", name+".example.com", "TXT", 300, fmt.Sprint(i))
					list, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
					if err != nil {
						t.Error(err)
						return
					}
					there := map[string]providers.Observed{}
					for _, o := range list {
						there[o.Key] = o
					}
					if err := p.Apply(t.Context(), nametest.Plan(there, want), func(_ providers.Change, _ providers.Observed, err error) error { return err }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestManyZonesOverOneConnection(t *testing.T) {
	o := nametest.Options{Zones: map[string]string{}}
	var wanted []schema.Resource
	for i := range 60 {
		z := fmt.Sprintf("z%d.example", i)
		o.Zones[z] = nametest.Zone(z)
		wanted = append(wanted, nametest.Set(z, z, "MX", 300, "10 mail.example.net."))
	}
	onServers(t, o, func(t *testing.T, s *nametest.Server) {
		p := provider(t, s.Addr, nil)
		nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, wanted...), wanted...)...)
		if left := nametest.Plan(nametest.Read(t, p, wanted...), wanted...); len(left) > 0 {
			t.Errorf("%d changes are left", len(left))
		}
	})
}

func TestTLS(t *testing.T) {
	o := exampleZone()
	o.TLS = true
	s := nametest.BIND(t, o)
	secure := func(attrs map[string]string) *rfc2136.Provider {
		return provider(t, s.TLSAddr, map[string]cty.Value{"transport": cty.StringVal("tls"), "tls": nametest.Nested("rfc2136", "tls", attrs)})
	}
	p := secure(map[string]string{"server_name": "localhost", "ca_file": s.CAFile})
	want := nametest.Set("example.com", "example.com", "MX", 300, "10 mail.example.net.")
	nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, want), want)...)
	for name, attrs := range map[string]map[string]string{
		"an authority that nobody knows": {"server_name": "localhost"},
		"another name":                   {"server_name": "elsewhere.example", "ca_file": s.CAFile},
	} {
		_, err := secure(attrs).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
		if !errors.Is(err, rfc2136.ErrGone) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// The key that reads cannot write, and says so.
func TestKeys(t *testing.T) {
	want := nametest.Set("example.com", "example.com", "MX", 300, "10 mail.example.net.")
	onServers(t, exampleZone(), func(t *testing.T, s *nametest.Server) {
		readOnly := nametest.TSIG(nametest.ReadKey, "hmac-sha256", nametest.ReadSecret)
		p := provider(t, s.Addr, map[string]cty.Value{"tsig": readOnly})
		err := nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, want), want)...)[0]
		if err == nil || !errors.Is(err, rfc2136.ErrRefused) && !strings.Contains(err.Error(), "or does not let it do this") { // Knot says BADKEY
			t.Errorf("the error is %v", err)
		}
		for name, tc := range map[string]struct {
			key  cty.Value
			want string
		}{
			"unknown":        {nametest.TSIG("nobody", "hmac-sha256", nametest.ReadSecret), "BADKEY"},
			"another secret": {nametest.TSIG(nametest.ReadKey, "hmac-sha256", nametest.WriteSecret), "BADSIG"},
		} {
			_, err := provider(t, s.Addr, map[string]cty.Value{"read_tsig": tc.key}).Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
			if !errors.Is(err, rfc2136.ErrKey) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: the error is %v", name, err)
			}
		}
	})
}

// A policy that lets a key write some types only is enough for these.
func TestLeastRights(t *testing.T) {
	o := exampleZone()
	o.Update = "grant mailform zonesub MX TXT;"
	s := nametest.BIND(t, o)
	p := provider(t, s.Addr, nil)
	mx, a := nametest.Set("example.com", "example.com", "MX", 300, "10 mail.example.net."), nametest.Set("example.com", "a.example.com", "A", 300, "192.0.2.1")
	nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, mx, a), mx)...)
	if err := nametest.Try(t, p, nametest.Plan(nametest.Read(t, p, mx, a), a)...)[0]; !errors.Is(err, rfc2136.ErrRefused) {
		t.Errorf("the error is %v", err)
	}
}

// A thousand questions a second while values and times to live change, one record
// set by another: none is without an answer.
func TestNobodySeesARecordSetMissing(t *testing.T) {
	onServers(t, exampleZone("www 300 IN A 192.0.2.1", "@ 300 IN MX 10 mail.example.net."), func(t *testing.T, s *nametest.Server) {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var asked, missing atomic.Int64
		for _, q := range []struct {
			name   string
			rrtype uint16
		}{{"www.example.com.", dns.TypeA}, {"example.com.", dns.TypeMX}, {"example.com.", dns.TypeNS}} {
			wg.Go(func() {
				c := &dns.Client{Timeout: 5 * time.Second}
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					r, _, err := c.Exchange(new(dns.Msg).SetQuestion(q.name, q.rrtype), s.Addr)
					if err != nil {
						continue // a datagram that was lost
					}
					if asked.Add(1); len(r.Answer) == 0 {
						missing.Add(1)
					}
				}
			})
		}
		p := provider(t, s.Addr, nil)
		for i := range 40 {
			wanted := []schema.Resource{
				nametest.Set("example.com", "www.example.com", "A", int64(60+i), fmt.Sprintf("192.0.2.%d", i+1)),
				nametest.Set("example.com", "example.com", "MX", int64(300+i), fmt.Sprintf("%d mail.example.net.", i)),
				nametest.Set("example.com", "example.com", "NS", int64(300+i), "ns1.example.com.", fmt.Sprintf("nsx%d.example.net.", i)),
			}
			nametest.Apply(t, p, nametest.Plan(nametest.Read(t, p, wanted...), wanted...)...)
		}
		close(stop)
		wg.Wait()
		if asked.Load() < 50 || missing.Load() > 0 {
			t.Errorf("%d of %d questions found nothing", missing.Load(), asked.Load())
		}
		t.Logf("%d questions", asked.Load())
	})
}
