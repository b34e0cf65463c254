package rdata

import (
	"fmt"

	"github.com/miekg/dns"
)

// MaxAnswer is how many octets of a message there are for a question and the
// records that answer it: the largest message (RFC 1035 §4.2.2), without what EDNS
// and a signature take.
const MaxAnswer = dns.MaxMsgSize - 256

// AnswerSize is how many octets a message has whose answer is all records of a name
// and type, by their canonical values. Where it is certain that these are fewer
// than [MaxAnswer], it is 0: nothing is counted.
func AnswerSize(name Name, rrtype string, values []string) (int, error) {
	// No value takes 32 octets more as a record than its text is long: not even "::",
	// nor a text of 60,000 octets with the lengths of its strings.
	atMost := 1024
	for _, v := range values {
		atMost += len(v) + len(v)/maxString + 32
	}
	if atMost < MaxAnswer {
		return 0, nil
	}
	m := new(dns.Msg)
	m.SetQuestion(string(name), dns.StringToType[rrtype])
	m.Compress = true
	for _, v := range values {
		rr, err := dns.NewRR(Line(name, 0, rrtype, v))
		if err != nil {
			return 0, fmt.Errorf("records of type %s at %s: %w", rrtype, name, err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m.Len(), nil
}
