package rdata_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// What is counted is what a message takes.
func TestAnswerSize(t *testing.T) {
	series := func(n int, format string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, i/256, i%256))
		}
		return out
	}
	for name, c := range map[string]struct {
		rrtype string
		values []string
		fits   bool
	}{
		"one address":                        {"A", []string{"192.0.2.1"}, true},
		"4,000 addresses":                    {"A", series(4000, "10.0.%d.%d"), true},
		"5,000 addresses":                    {"A", series(5000, "10.0.%d.%d"), false},
		"2,300 addresses of IPv6":            {"AAAA", series(2300, "2001:db8::%x:%x"), true},
		"2,400 addresses of IPv6":            {"AAAA", series(2400, "2001:db8::%x:%x"), false},
		"many mail exchangers":               {"MX", series(3000, "%d mx%d.example.com."), true},
		"a long text":                        {"TXT", []string{strings.Repeat("x", 64000)}, true},
		"the longest text that a record has": {"TXT", []string{strings.Repeat("x", rdata.MaxTXT)}, false},
		"texts that are long together":       {"TXT", []string{strings.Repeat("x", 40000), strings.Repeat("y", 40000)}, false},
		"a type without a name":              {"TYPE65280", []string{`\# 4 0a000001`}, true},
		"many of them":                       {"TYPE65280", series(5000, `\# 4 0a00%02x%02x`), false},
	} {
		t.Run(name, func(t *testing.T) {
			size, err := rdata.AnswerSize("www.example.com.", c.rrtype, c.values)
			if err != nil {
				t.Fatal(err)
			}
			if (size <= rdata.MaxAnswer) != c.fits {
				t.Errorf("%d octets; that it fits is %v", size, !c.fits)
			}
			m := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
			m.Compress = true
			for _, v := range c.values {
				rr, err := dns.NewRR(rdata.Line("www.example.com.", 0, c.rrtype, v))
				if err != nil {
					t.Fatal(err)
				}
				m.Answer = append(m.Answer, rr)
			}
			packed, err := m.Pack()
			switch {
			case c.fits && err != nil:
				t.Errorf("it does not fit: %v", err)
			case size > 0 && err == nil && len(packed) != size:
				t.Errorf("%d octets, and a message of them has %d", size, len(packed))
			case size == 0 && len(packed) > rdata.MaxAnswer:
				t.Errorf("it is not counted, and has %d octets", len(packed))
			}
		})
	}
}
