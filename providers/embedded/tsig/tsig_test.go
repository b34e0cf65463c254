package tsig

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var key = Key{Name: "k.example.", Algorithm: "hmac-sha256", Secret: "YSBzZWNyZXQgb2YgYSB0ZXN0"}

// signed is a query with the library's signature.
func signed(t *testing.T, k Key, at time.Time) ([]byte, *dns.Msg, string) {
	t.Helper()
	q := new(dns.Msg).SetQuestion("example.", dns.TypeAXFR)
	q.SetTsig(k.Name, dns.Fqdn(k.Algorithm), 300, at.Unix())
	wire, mac, err := dns.TsigGenerate(q, k.Secret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatal(err)
	}
	return wire, m, mac
}

func TestCheck(t *testing.T) {
	ring := &Ring{}
	ring.Set([]Key{key})
	other := key
	other.Secret = "YW5vdGhlcg=="
	unknown := key
	unknown.Name = "x.example."
	weaker := key
	weaker.Algorithm = "hmac-sha1"
	for name, tt := range map[string]struct {
		key  Key
		at   time.Time
		want uint16 // TSIG error
	}{
		"the key":             {key, time.Now(), 0},
		"another secret":      {other, time.Now(), dns.RcodeBadSig},
		"another key":         {unknown, time.Now(), dns.RcodeBadKey},
		"another algorithm":   {weaker, time.Now(), dns.RcodeBadKey},
		"a clock that is off": {key, time.Now().Add(-time.Hour), dns.RcodeBadTime},
	} {
		t.Run(name, func(t *testing.T) {
			wire, m, _ := signed(t, tt.key, tt.at)
			s, err := ring.Check(wire, m)
			if tt.want == 0 {
				if err != nil || s == nil || s.Key != key {
					t.Errorf("%v, %v", s, err)
				}
				return
			}
			var refusal *Refusal
			answer := new(dns.Msg)
			if !errors.As(err, &refusal) || answer.Unpack(refusal.Answer) != nil {
				t.Fatalf("error is %v", err)
			}
			if sig := answer.IsTsig(); answer.Rcode != dns.RcodeNotAuth || sig == nil || sig.Error != tt.want || (sig.MACSize > 0) != (tt.want == dns.RcodeBadTime) {
				t.Errorf("the answer is %v", answer)
			}
		})
	}
	q := new(dns.Msg).SetQuestion("example.", dns.TypeSOA)
	if s, err := ring.Check(nil, q); s != nil || err != nil {
		t.Errorf("without a signature: %v, %v", s, err)
	}
	if _, err := (&Ring{}).Check(query(t)); err == nil {
		t.Error("an empty ring knows a key")
	}
}

func query(t *testing.T) ([]byte, *dns.Msg) {
	wire, m, _ := signed(t, key, time.Now())
	return wire, m
}

func TestTheMessagesOfAnAnswerAreAChain(t *testing.T) {
	ring := &Ring{}
	ring.Set([]Key{key})
	wire, m, mac := signed(t, key, time.Now())
	s, err := ring.Check(wire, m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		out, err := s.Sign(new(dns.Msg).SetReply(m))
		if err != nil {
			t.Fatal(err)
		}
		if err := dns.TsigVerify(append([]byte(nil), out...), key.Secret, mac, i > 0); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
		answer := new(dns.Msg)
		if err := answer.Unpack(out); err != nil {
			t.Fatal(err)
		}
		mac = answer.IsTsig().MAC
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, key) + fmt.Sprintf(verb, []Key{key}); strings.Contains(text, key.Secret) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}
