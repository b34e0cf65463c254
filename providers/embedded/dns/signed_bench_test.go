package dns

import (
	"testing"

	"github.com/mailform/mailform/providers/embedded/dnssec"
)

// BenchmarkSignedAnswers asks for what DNSSEC adds, without a network.
func BenchmarkSignedAnswers(b *testing.B) {
	for _, denial := range []dnssec.Denial{dnssec.NSEC3, dnssec.NSEC} {
		s, _ := newSignedServer(b, denial)
		for name, q := range signedQueries {
			b.Run(string(denial)+", "+name, func(b *testing.B) {
				m := question(q[0], q[1])
				m.SetEdns0(1232, true)
				packet := pack(b, m)
				r := s.newResponder()
				b.ReportAllocs()
				for b.Loop() {
					if r.reply(packet, client{}) == nil {
						b.Fatal("no answer")
					}
				}
			})
		}
	}
}
