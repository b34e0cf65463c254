package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
)

// DNS asks resolvers or name servers. The zero value asks those that the system
// names.
type DNS struct {
	// Servers are asked where a query names none, as "host:port". Empty: those of
	// /etc/resolv.conf.
	Servers []string
	// Timeout of one question to one server; 0: three seconds.
	Timeout time.Duration
}

// tries is how often each server is asked: a datagram can be lost.
const tries = 2

// Query implements providers.DataSource for data blocks of type "dns".
func (d *DNS) Query(ctx context.Context, args cty.Value) (cty.Value, error) {
	name, err := rdata.ParseName(args.GetAttr("name").AsString())
	if err != nil {
		return cty.NilVal, err
	}
	rrtype := strings.ToUpper(args.GetAttr("type").AsString())
	number, ok := dns.StringToType[rrtype]
	if !ok || number == dns.TypeANY || number == dns.TypeAXFR || number == dns.TypeIXFR || number == dns.TypeOPT {
		return cty.NilVal, fmt.Errorf("%s is no type of record that can be asked for", rrtype)
	}
	servers := d.Servers
	if v := args.GetAttr("server"); !v.IsNull() {
		s, err := schema.ParseServer(v.AsString())
		if err != nil {
			return cty.NilVal, err
		}
		servers = []string{s}
	}
	if len(servers) == 0 {
		if servers, err = systemServers(); err != nil {
			return cty.NilVal, err
		}
	}
	reply, err := d.ask(ctx, servers, name, number)
	if err != nil {
		return cty.NilVal, err
	}
	var values []string
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype != number { // a CNAME on the way, a signature
			continue
		}
		_, v, err := rdata.Value(rr)
		if err != nil {
			return cty.NilVal, err
		}
		values = append(values, v)
	}
	slices.Sort(values)
	return cty.ObjectVal(map[string]cty.Value{
		"exists":        cty.BoolVal(reply.Rcode == dns.RcodeSuccess),
		"values":        schema.StringList(slices.Compact(values)),
		"authenticated": cty.BoolVal(reply.AuthenticatedData),
	}), nil
}

// ask puts a question to servers until one has an answer. That there is no such
// name is one.
func (d *DNS) ask(ctx context.Context, servers []string, name rdata.Name, rrtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(string(name), rrtype)
	m.SetEdns0(1232, false)
	m.AuthenticatedData = true // asks whether the answer is (RFC 6840 §5.7)
	timeout := d.Timeout
	if timeout == 0 {
		timeout = 3 * time.Second
	}
	var failed []error
	for range tries {
		failed = failed[:0]
		for _, server := range servers {
			reply, err := exchange(ctx, m, server, timeout)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				failed = append(failed, err)
			case reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError:
				return reply, nil
			default:
				failed = append(failed, fmt.Errorf("%s answers %s", server, dns.RcodeToString[reply.Rcode]))
			}
		}
	}
	return nil, errors.Join(failed...)
}

// exchange asks one server, over TCP where the answer does not fit a datagram.
func exchange(ctx context.Context, m *dns.Msg, server string, timeout time.Duration) (*dns.Msg, error) {
	c := &dns.Client{Net: "udp", Timeout: timeout}
	reply, _, err := c.ExchangeContext(ctx, m.Copy(), server)
	if err == nil && reply.Truncated {
		c.Net = "tcp"
		reply, _, err = c.ExchangeContext(ctx, m.Copy(), server)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", server, err)
	}
	return reply, nil
}

// resolvConf is where the system names its resolvers.
const resolvConf = "/etc/resolv.conf"

func systemServers() ([]string, error) {
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(conf.Servers) == 0 {
		return nil, errors.New("the system names no resolver: the argument server has to name one")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	servers := make([]string, len(conf.Servers))
	for i, s := range conf.Servers {
		servers[i] = net.JoinHostPort(s, conf.Port)
	}
	return servers, nil
}
