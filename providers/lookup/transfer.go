package lookup

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// maxTransfer bounds the records of one zone transfer.
const maxTransfer = 2_000_000

// Transfer asks a name server ("host:port") for all records of a zone (AXFR,
// RFC 5936). They begin and end with the SOA record.
func Transfer(ctx context.Context, server string, zone rdata.Name) ([]dns.RR, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	question := new(dns.Msg).SetAxfr(string(zone))
	in, err := (&dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: 30 * time.Second, WriteTimeout: 10 * time.Second}).In(question, server)
	if err != nil {
		return nil, fmt.Errorf("ask %s for the zone: %w", server, err)
	}
	var out []dns.RR
	var failed error
	for e := range in { // to its end: the sender waits for nobody else
		switch {
		case failed != nil:
		case e.Error != nil:
			failed = fmt.Errorf("transfer from %s: %w", server, e.Error)
		case len(out)+len(e.RR) > maxTransfer:
			failed = fmt.Errorf("transfer from %s: the zone has more than %d records", server, maxTransfer)
			conn.Close()
		default:
			out = append(out, e.RR...)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, failed
}
