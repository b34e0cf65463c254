package transfer

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/tsig"
)

const (
	fuzzKey    = "k.example."
	fuzzSecret = "YSBzZWNyZXQgb2YgYSB0ZXN0"
)

// FuzzTransfer takes any message for a query of a zone: it is answered by whole
// messages, and nobody gets the zone without the key.
func FuzzTransfer(f *testing.F) {
	for _, q := range []*dns.Msg{
		new(dns.Msg).SetAxfr("example."), new(dns.Msg).SetIxfr("example.", 1, "ns.", "h."), new(dns.Msg).SetIxfr("example.", 7, "ns.", "h."),
		new(dns.Msg).SetQuestion("example.", dns.TypeIXFR), new(dns.Msg).SetAxfr("example.").SetEdns0(1232, true),
	} {
		wire, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		for _, secret := range []string{fuzzSecret, "YW5vdGhlcg=="} {
			q := q.Copy()
			q.SetTsig(fuzzKey, dns.HmacSHA256, 300, time.Now().Unix())
			wire, _, err := dns.TsigGenerate(q, secret, "", false)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire)
		}
	}
	s := New(Options{Keys: &tsig.Ring{}})
	s.SetSecondaries([]store.Secondary{{KeyName: fuzzKey, KeyAlgorithm: "hmac-sha256", Secret: fuzzSecret}})
	for i := range uint32(3) {
		v := version(f, i+1, "a.example. 60 IN A 192.0.2.1", "example. 60 IN NS ns.example.")
		s.Publish("example.", v.order)
	}
	closed := errors.New("closed")
	f.Fuzz(func(t *testing.T, packet []byte) {
		signed := false
		q := new(dns.Msg)
		if q.Unpack(packet) == nil && q.IsTsig() != nil {
			signed = dns.TsigVerify(append([]byte(nil), packet...), fuzzSecret, "", false) == nil
		}
		messages := 0
		err := s.Transfer(packet, netip.MustParseAddr("127.0.0.1"), func(wire []byte) error {
			messages++
			m := new(dns.Msg)
			if err := m.Unpack(wire); err != nil {
				t.Fatalf("%x\nis answered %x: %v", packet, wire, err)
			}
			if len(m.Answer) > 0 && !signed {
				t.Fatalf("%x\nis answered %v", packet, m)
			}
			return nil
		})
		if err != nil || messages == 0 {
			t.Fatalf("%x: %d messages, %v", packet, messages, err)
		}
		if err := s.Transfer(packet, netip.Addr{}, func([]byte) error { return closed }); !errors.Is(err, closed) {
			t.Fatalf("%x: the error of a connection that is gone is %v", packet, err)
		}
	})
}
