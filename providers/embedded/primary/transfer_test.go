package primary

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/mailform/mailform/providers/embedded/admin"
)

const (
	keyName   = "ns2.example.com."
	keySecret = "dGhpcyBpcyBhIHRlc3Qga2V5IG9mIDMyIG9jdGV0cyE="
)

// secondary may copy with the key; address may be empty.
func secondary(address string) admin.Change {
	return create("secondary", "ns1/ns2", fmt.Sprintf(`{"owner":"ns1","address":%q,"unsigned":false,"key_name":%q,"key_algorithm":"hmac-sha256","key_secret":%q}`,
		address, keyName, keySecret))
}

// copyZone transfers a zone as a secondary does. serial 0 asks for all of it. It
// returns the records as they came.
func (w *world) copyZone(zone string, serial uint32, key, secret string) ([]dns.RR, error) {
	w.t.Helper()
	q := new(dns.Msg)
	if serial == 0 {
		q.SetAxfr(zone)
	} else {
		q.SetIxfr(zone, serial, "ns.", "h.")
	}
	tr := &dns.Transfer{DialTimeout: time.Minute, ReadTimeout: time.Minute}
	if key != "" {
		q.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		tr.TsigSecret = map[string]string{key: secret}
	}
	envelopes, err := tr.In(q, w.addr)
	if err != nil {
		return nil, err
	}
	var rrs []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			return nil, e.Error
		}
		rrs = append(rrs, e.RR...)
	}
	return rrs, nil
}

// apart are the texts of records, sorted.
func apart(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		out = append(out, strings.Join(strings.Fields(rr.String()), " "))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// follow applies an incremental transfer to what is there (RFC 1995 §4).
func follow(t *testing.T, have []string, rrs []dns.RR) []string {
	t.Helper()
	if len(rrs) < 4 || rrs[0].String() != rrs[len(rrs)-1].String() {
		t.Fatalf("no incremental transfer: %v", rrs)
	}
	adding := true
	for _, rr := range rrs[1 : len(rrs)-1] {
		if rr.Header().Rrtype == dns.TypeSOA {
			adding = !adding
		}
		text := apart([]dns.RR{rr})[0]
		i, there := slices.BinarySearch(have, text)
		switch {
		case adding && !there:
			have = slices.Insert(have, i, text)
		case !adding && there:
			have = slices.Delete(have, i, i+1)
		default:
			t.Errorf("adding %v, but there %v: %s", adding, there, text)
		}
	}
	return have
}

func TestZonesAreCopied(t *testing.T) {
	w := newWorld(t)
	w.apply(append(exampleCom(), secondary(""), zone("plain.example"), rrset("plain.example", "plain.example.", "NS", "ns1.example.com."))...)
	for _, z := range []string{"example.com", "plain.example"} {
		t.Run(z, func(t *testing.T) {
			first, err := w.copyZone(z+".", 0, keyName, keySecret)
			if err != nil {
				t.Fatal(err)
			}
			have := apart(first)
			serial := first[0].(*dns.SOA).Serial
			if len(first) < 3 || first[0].String() != first[len(first)-1].String() {
				t.Fatalf("the transfer is %v", first)
			}
			// Three versions on.
			for i := range 3 {
				w.apply(rrset(z, fmt.Sprintf("h%d.%s.", i, z), "A", "192.0.2.1"))
			}
			differences, err := w.copyZone(z+".", serial, keyName, keySecret)
			if err != nil {
				t.Fatal(err)
			}
			all, err := w.copyZone(z+".", 0, keyName, keySecret)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(apart(all), follow(t, have, differences)); diff != "" {
				t.Errorf("what has changed does not lead to what is there (-there +got)\n%s", diff)
			}
			now := all[0].(*dns.SOA).Serial
			if now != serial+3 {
				t.Errorf("the serial was %d and is %d", serial, now)
			}
			// Who has it, and who is ahead, gets the SOA alone; who has an unknown
			// version the zone.
			for _, has := range []uint32{now, now + 5} {
				if rrs, err := w.copyZone(z+".", has, keyName, keySecret); err != nil || len(rrs) != 1 {
					t.Errorf("serial %d: %v (%v)", has, rrs, err)
				}
			}
			if rrs, err := w.copyZone(z+".", now-2000, keyName, keySecret); err != nil || len(rrs) != len(all) {
				t.Errorf("an unknown version: %d records, want %d (%v)", len(rrs), len(all), err)
			}
		})
	}
}

func TestNobodyElseCopies(t *testing.T) {
	w := newWorld(t)
	w.apply(append(exampleCom(), secondary(""))...)
	for name, tt := range map[string]struct{ zone, key, secret, want string }{
		"without a key":                 {"example.com.", "", "", "bad xfr rcode: 5"},
		"with another key":              {"example.com.", "x.example.com.", keySecret, "bad"},
		"with another secret":           {"example.com.", keyName, "YW5vdGhlcg==", "bad"},
		"a zone that is not there":      {"example.net.", keyName, keySecret, "bad authentication"},
		"a zone that is not there, nor": {"example.net.", "", "", "bad xfr rcode: 5"},
	} {
		t.Run(name, func(t *testing.T) {
			rrs, err := w.copyZone(tt.zone, 0, tt.key, tt.secret)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d records, error %v, want one with %q", len(rrs), err, tt.want)
			}
		})
	}
	// Its own address, where that is allowed.
	w.apply(create("secondary", "ns1/loop", `{"owner":"ns1","address":"127.0.0.1:1","unsigned":true,"key_name":"","key_algorithm":"","key_secret":""}`))
	if rrs, err := w.copyZone("example.com.", 0, "", ""); err != nil || len(rrs) < 10 {
		t.Errorf("an address that may: %d records (%v)", len(rrs), err)
	}
	if m, _, err := (&dns.Client{Timeout: time.Minute}).Exchange(new(dns.Msg).SetAxfr("example.com."), w.addr); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("over UDP: %v (%v)", m, err)
	}
}

func TestQueriesWithASignature(t *testing.T) {
	w := newWorld(t)
	w.apply(append(exampleCom(), secondary(""))...)
	c := &dns.Client{Timeout: time.Minute, TsigSecret: map[string]string{keyName: keySecret}}
	q := new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)
	q.SetTsig(keyName, dns.HmacSHA256, 300, time.Now().Unix())
	m, _, err := c.Exchange(q, w.addr)
	if err != nil || m.IsTsig() == nil || len(m.Answer) != 1 {
		t.Errorf("%v (%v)", m, err)
	}
	for name, tt := range map[string]struct {
		key, secret string
		at          time.Time
		want        uint16
	}{
		"a key that is not there": {"x.example.com.", keySecret, time.Now(), dns.RcodeBadKey},
		"another secret":          {keyName, "YW5vdGhlcg==", time.Now(), dns.RcodeBadSig},
		"an hour ago":             {keyName, keySecret, time.Now().Add(-time.Hour), dns.RcodeBadTime},
	} {
		t.Run(name, func(t *testing.T) {
			q := new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA)
			q.SetTsig(tt.key, dns.HmacSHA256, 300, tt.at.Unix())
			wire, _, err := dns.TsigGenerate(q, tt.secret, "", false)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("udp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(wire); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4096)
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			n, err := conn.Read(buf)
			m := new(dns.Msg)
			if err != nil || m.Unpack(buf[:n]) != nil {
				t.Fatalf("%v", err)
			}
			if sig := m.IsTsig(); m.Rcode != dns.RcodeNotAuth || sig == nil || sig.Error != tt.want || len(m.Answer) > 0 {
				t.Errorf("the answer is %v", m)
			}
		})
	}
}

// A secondary that answers a NOTIFY only the third time.
func TestSecondariesAreTold(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := newWorld(t)
	w.apply(append(exampleCom(), secondary(conn.LocalAddr().String()))...)
	buf := make([]byte, 4096)
	told := func() (*dns.Msg, net.Addr, []byte) {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		n, from, err := conn.ReadFrom(buf)
		m := new(dns.Msg)
		if err != nil || m.Unpack(buf[:n]) != nil {
			t.Fatalf("nobody tells of the change: %v", err)
		}
		if err := dns.TsigVerify(slices.Clone(buf[:n]), keySecret, "", false); err != nil {
			t.Fatal(err)
		}
		return m, from, buf[:n]
	}
	answer := func(m *dns.Msg, to net.Addr, rcode int) {
		reply := new(dns.Msg).SetRcode(m, rcode)
		reply.SetTsig(keyName, dns.HmacSHA256, 300, time.Now().Unix())
		wire, _, err := dns.TsigGenerate(reply, keySecret, m.IsTsig().MAC, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteTo(wire, to); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		m, from, _ := told()
		answer(m, from, dns.RcodeServerFailure)
	}
	m, from, _ := told()
	if m.Opcode != dns.OpcodeNotify || m.Question[0].Name != "example.com." || m.Answer[0].(*dns.SOA).Serial != w.serial() {
		t.Errorf("it is told %v", m)
	}
	answer(m, from, dns.RcodeSuccess)
	w.apply(rrset("example.com", "new.example.com.", "A", "192.0.2.9"))
	for { // of the zone's beginning it may be told once more
		m, from, _ = told()
		answer(m, from, dns.RcodeSuccess)
		if m.Answer[0].(*dns.SOA).Serial == w.serial() {
			return
		}
	}
}
