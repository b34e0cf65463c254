package primary

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	nameserver "github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/porttest"
)

// A registry serves a zone above example.com.
func registry(t *testing.T, zone string, ds ...string) (addr string) {
	t.Helper()
	z := store.Zone{Name: zone, Serial: 1, Primary: "ns.example.", Contact: "h.example.", NegativeTTL: 300, RRsets: []store.RRset{
		{Name: "example.com.", Type: "NS", TTL: 3600, Values: []string{"ns1.example.com."}},
	}}
	if len(ds) > 0 {
		z.RRsets = append(z.RRsets, store.RRset{Name: "example.com.", Type: "DS", TTL: 7200, Values: ds})
	}
	s := nameserver.New(nameserver.Options{})
	if err := s.SetZone(z); err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", porttest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	udp, err := nameserver.ListenUDP(t.Context(), tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(udp, tcp, nil); !errors.Is(err, nameserver.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return tcp.Addr().String()
}

func TestParentsAreAsked(t *testing.T) {
	one, two := "1 13 2 "+strings.Repeat("AB", 32), "2 13 2 "+strings.Repeat("CD", 32)
	has, same, other := registry(t, "com.", one, two), registry(t, "com.", two, strings.ToLower(one)), registry(t, "com.", one)
	none, child := registry(t, "com."), registry(t, "example.com.")
	nobody := "127.0.0.1:1"
	for name, tt := range map[string]struct {
		agents []string
		want   int // DS records
		err    string
	}{
		"one that has them":                      {[]string{has}, 2, ""},
		"two that say the same":                  {[]string{has, same}, 2, ""},
		"two that do not":                        {[]string{has, other}, 0, "have different DS records"},
		"one that has none":                      {[]string{none}, 0, ""},
		"one has none, another one has":          {[]string{none, has}, 0, "have different DS records"},
		"one that does not answer":               {[]string{has, nobody}, 0, "ask 127.0.0.1:1 for the DS of example.com."},
		"one of the child, which knows of no DS": {[]string{child}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := AskParent(t.Context(), "example.com.", tt.agents)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || p.Seen {
					t.Errorf("%+v, error %v, want one with %q", p, err, tt.err)
				}
				return
			}
			if err != nil || !p.Seen || len(p.DS) != tt.want {
				t.Errorf("%+v (%v), want %d DS records", p, err, tt.want)
			}
			if tt.want > 0 && p.TTL != 7200 {
				t.Errorf("their TTL is %d", p.TTL)
			}
		})
	}
	if p, err := AskParent(t.Context(), "example.org.", []string{has}); err == nil {
		t.Errorf("a server that does not know the zone: %+v", p)
	}
}
