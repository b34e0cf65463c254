package nametest

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// Edit makes a record set what it says, behind everybody's back, or takes it away
// where there are no values.
func (s *Server) Edit(t testing.TB, zone rdata.Name, name rdata.Name, rrtype string, ttl uint32, values []string) {
	t.Helper()
	s.Update(t, string(zone), func(m *dns.Msg) {
		m.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: string(name), Rrtype: dns.StringToType[rrtype]}}})
		for _, v := range values {
			rr, err := rdata.RR(name, ttl, rrtype, v)
			if err != nil {
				t.Fatal(err)
			}
			m.Insert([]dns.RR{rr})
		}
	})
}

// Digs are the arguments by which dig asks the server.
func (s *Server) Digs() []string {
	host, port := s.hostPort()
	return []string{"@" + host, "-p", port, "-y", fmt.Sprintf("hmac-sha256:%s:%s", ReadKey, ReadSecret)}
}
