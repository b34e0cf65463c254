package resolve

import (
	"testing"

	"github.com/miekg/dns"
)

// Whatever a server answers, only records of the type that was asked for come of it,
// at the end of aliases that lead there, and no answer holds longer than it may.
func FuzzAnswer(f *testing.F) {
	q := question{"a.example.", dns.TypeMX}
	for _, lines := range [][]string{
		{"a.example. 300 IN MX 10 mx.a.example."},
		{"a.example. 300 IN CNAME b.example.", "b.example. 60 IN MX 0 ."},
		{"a.example. 300 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."},
		{"A.eXample. 4294967295 IN MX 10 mx.a.example.", "x.example. 1 IN MX 1 evil.example."},
		{`a.example. 1 IN TXT "\200\\" "x"`},
	} {
		m := new(dns.Msg)
		m.SetQuestion(q.name, q.typ)
		m.Response = true
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	asked := new(dns.Msg)
	asked.SetQuestion(q.name, q.typ)
	f.Fuzz(func(t *testing.T, wire []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(wire) != nil || !answers(reply, asked) {
			return
		}
		a, _ := answerOf(q, reply)
		if a.TTL < 0 || a.TTL > longest {
			t.Errorf("an answer holds for %v", a.TTL)
		}
		for _, rr := range a.Records {
			if _, ok := rr.(*dns.MX); !ok || rr.Header().Class != dns.ClassINET {
				t.Errorf("the answer has %v", rr)
			}
		}
		for _, rr := range reply.Answer {
			if txt, ok := rr.(*dns.TXT); ok {
				for _, s := range txt.Txt {
					unescape(s)
				}
			}
		}
	})
}
