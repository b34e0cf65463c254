package rfc2136

import (
	"testing"
	"time"

	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/miekg/dns"
)

// Whatever a server sends for a transfer, nothing panics and everything ends.
func FuzzTransfer(f *testing.F) {
	zone := &fake{t: f, serial: 1, zone: []string{fakeNS, `t.example.com. 60 IN TXT "a" "b"`}}
	m := new(dns.Msg).SetAxfr("example.com.")
	for _, records := range [][]dns.RR{{zone.soa(), zone.soa()}, append(append([]dns.RR{zone.soa()}, zone.records()...), zone.soa()), {zone.soa()}} {
		raw, err := reply(m, dns.RcodeSuccess, records...)[0].Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, raw, false)
		f.Add(raw, raw[:20], true)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, signed bool) {
		tr := &transfer{zone: "example.com."}
		x := &exchange{msg: new(dns.Msg).SetAxfr("example.com."), take: tr.take}
		if signed {
			key, err := newKey("k.", "hmac-sha256", "AAAA")
			if err != nil {
				t.Fatal(err)
			}
			if _, x.chain, err = key.sign(x.msg); err != nil {
				t.Fatal(err)
			}
			x.key = key
		}
		for _, raw := range [][]byte{first, second} {
			if len(raw) < 12 {
				return // the connection refuses these
			}
			last, err := x.answer(raw)
			if err != nil {
				return
			}
			if last {
				v := &view{declared: map[zonedata.Key]bool{}}
				v.read("example.com.", tr.records)
				if v.err == nil {
					v.zone.Observed()
				}
				return
			}
		}
	})
}

// Transfers of which not each message is signed are believed if the next signature
// holds for all.
func TestSignaturesOfTransfers(t *testing.T) {
	key, err := newKey("k.", "hmac-sha256", nametest.WriteSecret)
	if err != nil {
		t.Fatal(err)
	}
	question := new(dns.Msg).SetAxfr("example.com.")
	_, theirs, err := key.sign(question)
	if err != nil {
		t.Fatal(err)
	}
	first := theirs.mac
	zone := &fake{t: t, serial: 1}
	var raws [][]byte
	for i, records := range [][]dns.RR{{zone.soa()}, zone.records(), {zone.soa()}} {
		m := reply(question, dns.RcodeSuccess, append(records, mustRR("x.example.com. 1 IN A 192.0.2.1"))...)[0]
		if i == 1 {
			raw, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			raws = append(raws, raw)
			continue
		}
		m.SetTsig("k.", dns.HmacSHA256, fudge, time.Now().Unix())
		// The server signs what came before along with it.
		pending := chain{key: key, mac: theirs.mac}
		if i == 2 {
			pending.pending = raws[1]
		}
		raw, mac, err := dns.TsigGenerateWithProvider(m, signer{&pending}, pending.mac, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		theirs.mac = mac
		raws = append(raws, raw)
	}
	for name, tc := range map[string]struct {
		damage int // a message; -1: none
		good   bool
	}{"as it was sent": {-1, true}, "with another message in between": {1, false}, "with another last message": {2, false}} {
		t.Run(name, func(t *testing.T) {
			c := &chain{key: key, mac: first}
			var got error
			for i, raw := range raws {
				raw = append([]byte(nil), raw...)
				if i == tc.damage {
					raw[len(raw)/2] ^= 1
				}
				m := new(dns.Msg)
				if err := m.Unpack(raw); err != nil {
					got = err
					break
				}
				if got = c.check(raw, m, i == len(raws)-1); got != nil {
					break
				}
			}
			if (got == nil) != tc.good {
				t.Errorf("the error is %v", got)
			}
		})
	}
}

func mustRR(line string) dns.RR {
	rr, err := dns.NewRR(line)
	if err != nil {
		panic(err)
	}
	return rr
}

// A signer signs as a server does that leaves out signatures.
type signer struct{ *chain }

func (s signer) Generate(msg []byte, _ *dns.TSIG) ([]byte, error) {
	at := 2 + len(s.mac)/2
	whole := append(append(append([]byte(nil), msg[:at]...), s.pending...), msg[at:]...)
	return s.chain.Generate(whole, nil)
}
