package rfc2136_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// servers are those that all tests of this file run against.
var servers = map[string]func(testing.TB, nametest.Options) *nametest.Server{"BIND": nametest.BIND, "Knot": nametest.Knot}

func onServers(t *testing.T, o nametest.Options, test func(t *testing.T, s *nametest.Server)) {
	t.Helper()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, o))
		})
	}
}

// block is the value of a provider block for a server.
func block(addr string, attrs map[string]cty.Value) cty.Value {
	return nametest.Block("rfc2136", addr, attrs)
}

func provider(t testing.TB, addr string, attrs map[string]cty.Value) *rfc2136.Provider {
	t.Helper()
	p := &rfc2136.Provider{}
	if diags := p.Configure(context.Background(), providers.Config{Value: block(addr, attrs), Dir: t.TempDir()}); diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func exampleZone(lines ...string) nametest.Options {
	return nametest.Options{Zones: map[string]string{"example.com": nametest.Zone("example.com", lines...)}}
}

// steps lead a zone through states; each is applied, and a plan after it is empty.
func TestZonesBecomeWhatIsDeclared(t *testing.T) {
	const z = "example.com"
	ns, glue := nametest.Set(z, z, "NS", 3600, "ns1.example.com."), nametest.Set(z, "ns1."+z, "A", 3600, "127.0.0.1")
	states := [][]schema.Resource{
		{nametest.ZoneResource(z, 14400), ns, glue},
		{nametest.ZoneResource(z, 14400), ns, glue, nametest.Set(z, z, "MX", 300, "10 mail.example.com."), nametest.Set(z, "mail."+z, "A", 300, "192.0.2.1", "192.0.2.2")},
		{nametest.ZoneResource(z, 7200), ns, glue, nametest.Set(z, z, "MX", 60, "10 mail.example.com."), nametest.Set(z, "mail."+z, "A", 300, "192.0.2.2"), nametest.Set(z, "www."+z, "A", 300, "192.0.2.3")},
		// A name that becomes an alias, and one that is none any more.
		{nametest.ZoneResource(z, 7200), ns, glue, nametest.Set(z, "www."+z, "CNAME", 300, "mail.example.com."), nametest.Set(z, "mail."+z, "TXT", 0, "", strings.Repeat("a;\"\\ ", 100))},
		{nametest.ZoneResource(z, 7200), ns, glue, nametest.Set(z, "www."+z, "A", 300, "192.0.2.4"), nametest.Set(z, "*.w."+z, "MX", 2147483647, "0 .")},
		// The same name servers for another time, with a second one.
		{nametest.ZoneResource(z, 7200), nametest.Set(z, z, "NS", 60, "ns1.example.com.", "ns2.example.net."), glue},
		// Other name servers, of which the old one goes last.
		{nametest.ZoneResource(z, 7200), nametest.Set(z, z, "NS", 300, "ns2.example.net.", "ns3.example.net.")},
		{nametest.ZoneResource(z, 7200), nametest.Set(z, z, "NS", 300, "ns3.example.net."), nametest.Set(z, "sub."+z, "NS", 300, "ns1.sub.example.com."), nametest.Set(z, "ns1.sub."+z, "A", 300, "192.0.2.9"),
			nametest.Set(z, "sub."+z, "DS", 300, "12345 13 2 "+strings.Repeat("ab", 32))},
		{nametest.ZoneResource(z, 14400), ns, glue},
	}
	onServers(t, exampleZone(), func(t *testing.T, s *nametest.Server) {
		p := provider(t, s.Addr, nil)
		var last []schema.Resource
		for i, want := range states {
			there := nametest.Read(t, p, want...)
			batch := nametest.Plan(there, want...)
			for _, r := range last {
				if _, ok := there[r.Key]; ok && !has(want, r) {
					batch = append(batch, nametest.Remove(there, r))
				}
			}
			nametest.Apply(t, p, batch...)
			there = nametest.Read(t, provider(t, s.Addr, nil), want...)
			if left := nametest.Plan(there, want...); len(left) > 0 {
				t.Errorf("state %d: a second plan has %d changes, such as %s %s", i, len(left), left[0].Action, left[0].Resource.Key)
			}
			if len(there) != len(want) {
				t.Errorf("state %d: there are %d things, want %d: %v", i, len(there), len(want), there)
			}
			last = want
		}
	})
}

func has(list []schema.Resource, r schema.Resource) bool {
	for _, o := range list {
		if o.Key == r.Key && o.Kind == r.Kind {
			return true
		}
	}
	return false
}

func TestForeignChangesAreRefused(t *testing.T) {
	const z = "example.com"
	a, b, c := nametest.Set(z, "a."+z, "A", 300, "192.0.2.10"), nametest.Set(z, "b."+z, "TXT", 300, "new"), nametest.Set(z, "c."+z, "A", 300, "192.0.2.1")
	rr := func(text string) []dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		return []dns.RR{r}
	}
	for name, tc := range map[string]struct {
		foreign func(m *dns.Msg)
		at      int // the change that is refused; -1: none
		want    string
	}{
		"another value": {func(m *dns.Msg) {
			m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0"))
			m.Insert(rr("a.example.com. 300 IN A 192.0.2.66"))
		}, 0, "record set example.com/a.example.com./A: changed since the plan was made: it is 192.0.2.66 (ttl 300), and was 192.0.2.1 (ttl 300)"},
		"another time to live": {func(m *dns.Msg) {
			m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0"))
			m.Insert(rr("a.example.com. 60 IN A 192.0.2.1"))
		}, 0, "it is 192.0.2.1 (ttl 60), and was 192.0.2.1 (ttl 300)"},
		"what goes":      {func(m *dns.Msg) { m.RemoveRRset(rr("a.example.com. 0 IN A 0.0.0.0")) }, 0, "it is none, and was 192.0.2.1 (ttl 300)"},
		"what comes":     {func(m *dns.Msg) { m.Insert(rr(`b.example.com. 300 IN TXT "theirs"`)) }, 1, `it is "theirs" (ttl 300), and was none`},
		"something else": {func(m *dns.Msg) { m.Insert(rr(`x.example.com. 300 IN TXT "theirs"`)) }, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onServers(t, exampleZone("a 300 IN A 192.0.2.1", "c 300 IN A 192.0.2.1"), func(t *testing.T, s *nametest.Server) {
				p := provider(t, s.Addr, nil)
				there := nametest.Read(t, p, a)
				s.Update(t, z, tc.foreign)
				before := fmt.Sprint(s.Transfer(t, z))
				errs := nametest.Try(t, p, append(nametest.Plan(there, a, b), nametest.Remove(there, c))...)
				if tc.at < 0 {
					if err := errors.Join(errs...); err != nil {
						t.Errorf("it was refused: %v", err)
					}
					return
				}
				for i, err := range errs {
					switch {
					case i == tc.at && (!errors.Is(err, providers.ErrConflict) || !strings.Contains(err.Error(), tc.want)):
						t.Errorf("the error is %v, want a conflict with %q", err, tc.want)
					case i != tc.at && !errors.Is(err, zonedata.ErrHeldUp):
						t.Errorf("change %d: %v", i, err)
					}
				}
				if now := fmt.Sprint(s.Transfer(t, z)); now != before {
					t.Errorf("something was written:\n%s\n%s", before, now)
				}
			})
		})
	}
}
