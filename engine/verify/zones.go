package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// zone makes the checks of a zone at all its name servers.
func (r *runner) zone(ctx context.Context, z *zone) {
	if len(z.servers) == 0 {
		r.skip(zoneAnswers, z.thing, z.name.Host(), "it is not known where its name servers are asked; -nameserver %s=ADDRESS:PORT tells", z.target)
		return
	}
	serials := map[uint32][]string{}
	for _, s := range z.servers {
		in, err := r.ask(ctx, s, string(z.name), dns.TypeSOA, nil)
		if err == nil {
			err = authoritative(in, z.name)
		}
		if err != nil {
			r.fail(zoneAnswers, z.thing, s, "start the name server, or see with \"dig @"+hostOf(s)+"\" why it does not answer; "+applying, "no answer for %s: %v", z.name, err)
			continue
		}
		serial := in.Answer[0].(*dns.SOA).Serial
		serials[serial] = append(serials[serial], s)
		r.pass(zoneAnswers, z.thing, s, "answers with authority, serial %d", serial)
		r.records(ctx, z, s)
		if z.signed {
			r.signatures(ctx, z, s)
		}
	}
	switch {
	case len(serials) > 1:
		var list []string
		for n, at := range serials {
			list = append(list, fmt.Sprintf("%d at %s", n, strings.Join(at, ", ")))
		}
		slices.Sort(list)
		r.fail(zoneSerial, z.thing, z.name.Host(), "see why the name servers that are behind do not copy the zone: whether they are told (NOTIFY) and may (AXFR)", "the serials differ: %s", strings.Join(list, "; "))
	case len(serials) == 1:
		for n := range serials {
			r.pass(zoneSerial, z.thing, z.name.Host(), "serial %d at all of them", n)
		}
	}
	if r.Propagation {
		r.resolversAgree(ctx, z)
	}
}

// authoritative holds the answer to a question for a SOA record to what it must be.
func authoritative(in *dns.Msg, name rdata.Name) error {
	switch {
	case in.Rcode != dns.RcodeSuccess:
		return fmt.Errorf("the answer is %s", dns.RcodeToString[in.Rcode])
	case !in.Authoritative:
		return errors.New("the answer is without authority (no AA flag)")
	case len(in.Answer) == 0 || in.Answer[0].Header().Rrtype != dns.TypeSOA || dns.CanonicalName(in.Answer[0].Header().Name) != string(name):
		return errors.New("there is no SOA record in the answer")
	}
	return nil
}

// together is how many questions of one zone are under way at a server.
const together = 32

// records asks a server for each declared record set.
func (r *runner) records(ctx context.Context, z *zone, server string) {
	wrong := make([]string, len(z.sets))
	status := make([]Status, len(z.sets))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(together, len(z.sets)) {
		wg.Go(func() {
			for i := range next {
				status[i], wrong[i] = r.record(ctx, z, z.sets[i], server)
			}
		})
	}
	for i := range z.sets {
		next <- i
	}
	close(next)
	wg.Wait()
	good := 0
	for i, s := range z.sets {
		if status[i] == Pass {
			good++
			continue
		}
		fix := applying
		if status[i] == Skip {
			fix = ""
		}
		r.add(recordServed, s.thing, fmt.Sprintf("%s of %s at %s", s.typ, s.name, server), status[i], fix, "%s", wrong[i])
	}
	if good > 0 {
		r.pass(recordServed, z.thing, server, "%d of %d record sets are served as declared", good, len(z.sets))
	}
}

// record asks for one record set.
func (r *runner) record(ctx context.Context, z *zone, s *set, server string) (Status, string) {
	if s.values == nil {
		return Skip, "its values are known after an apply"
	}
	in, err := r.ask(ctx, server, string(s.name), typeNumber(s.typ), nil)
	if err != nil {
		return Fail, fmt.Sprintf("no answer: %v", err)
	}
	if in.Rcode != dns.RcodeSuccess && in.Rcode != dns.RcodeNameError {
		return Fail, fmt.Sprintf("the answer is %s", dns.RcodeToString[in.Rcode])
	}
	have, ttl := valuesOf(in.Answer, s)
	if len(have) == 0 && !in.Authoritative { // a delegation, and what is below it
		have, ttl = valuesOf(append(in.Ns, in.Extra...), s)
	}
	switch {
	case len(have) == 0:
		return Fail, fmt.Sprintf("there is none; declared: %s", strings.Join(s.values, ", "))
	case !slices.Equal(have, s.values):
		return Fail, fmt.Sprintf("it is %s; declared: %s", strings.Join(have, ", "), strings.Join(s.values, ", "))
	case int64(ttl) != s.ttl:
		return Warn, fmt.Sprintf("its time to live is %d s; declared: %d s. In the middle of a staged change that is right", ttl, s.ttl)
	}
	return Pass, ""
}

// valuesOf are the values of a record set in records, as declarations have them.
func valuesOf(rrs []dns.RR, s *set) (values []string, ttl uint32) {
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype != typeNumber(s.typ) || dns.CanonicalName(h.Name) != string(s.name) {
			continue
		}
		if _, v, err := rdata.Value(rr); err == nil {
			values, ttl = append(values, v), h.Ttl
		}
	}
	slices.Sort(values)
	return values, ttl
}

func typeNumber(name string) uint16 {
	if n, ok := dns.StringToType[name]; ok {
		return n
	}
	var n uint16
	_, _ = fmt.Sscanf(name, "TYPE%d", &n)
	return n
}

// resolversAgree asks each resolver for the zone's sets of mail: what strangers go
// by.
func (r *runner) resolversAgree(ctx context.Context, z *zone) {
	for _, resolver := range r.Resolvers {
		behind := 0
		for _, s := range z.sets {
			if s.values == nil {
				continue
			}
			in, err := r.ask(ctx, resolver, string(s.name), typeNumber(s.typ), nil)
			if err != nil {
				r.fail(propagation, z.thing, resolver, "see why the resolver does not answer", "no answer: %v", err)
				return
			}
			if have, _ := valuesOf(in.Answer, s); !slices.Equal(have, s.values) {
				behind++
				r.fail(propagation, s.thing, fmt.Sprintf("%s of %s at %s", s.typ, s.name, resolver),
					"wait until the time to live of the old records is over; where there never were any, see that the parent zone delegates to the name servers of "+z.name.Host(),
					"it is %s; declared: %s", orNone(have), strings.Join(s.values, ", "))
			}
		}
		if behind == 0 {
			r.pass(propagation, z.thing, resolver, "the resolver has all of the zone's records as they are declared")
		}
	}
}

func orNone(values []string) string {
	if len(values) == 0 {
		return "not there"
	}
	return strings.Join(values, ", ")
}

func hostOf(addr string) string {
	host, port, ok := cutPort(addr)
	if !ok {
		return addr
	}
	return host + " -p " + port
}

func cutPort(addr string) (host, port string, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr, "", false
	}
	return strings.Trim(addr[:i], "[]"), addr[i+1:], true
}

// signatures holds the signatures of a zone's SOA and keys to its keys, and these to
// the parent's DS records.
func (r *runner) signatures(ctx context.Context, z *zone, server string) {
	secure := func(m *dns.Msg) { m.IsEdns0().SetDo() }
	in, err := r.ask(ctx, server, string(z.name), dns.TypeDNSKEY, secure)
	if err != nil {
		r.fail(dnssec, z.thing, server, applying, "no answer for the keys: %v", err)
		return
	}
	var keys []*dns.DNSKEY
	for _, rr := range in.Answer {
		if k, ok := rr.(*dns.DNSKEY); ok {
			keys = append(keys, k)
		}
	}
	err = r.signedBy(keys, in.Answer, dns.TypeDNSKEY)
	if err == nil {
		if in, err = r.ask(ctx, server, string(z.name), dns.TypeSOA, secure); err == nil {
			err = r.signedBy(keys, in.Answer, dns.TypeSOA)
		}
	}
	if err != nil {
		r.fail(dnssec, z.thing, server, "\"mailform dnssec status\" tells how the keys of the zone stand; at a server of another make, that server's own tools", "%v", err)
		return
	}
	ds, err := r.parentDS(ctx, z)
	switch {
	case err != nil:
		r.skip(dnssec, z.thing, server, "the signatures hold; the parent's DS records cannot be looked up: %v", err)
	case len(ds) == 0:
		r.warn(dnssec, z.thing, server, "have the parent zone publish the DS record that \"mailform dnssec status\" prints", "the signatures hold, but the parent zone has no DS record: nobody checks them")
	case !fitsOne(ds, keys):
		r.fail(dnssec, z.thing, server, "have the parent zone publish the DS record that \"mailform dnssec status\" prints, and take the old one away", "no DS record of the parent zone fits a key of the zone: resolvers that check signatures refuse the whole zone")
	default:
		r.pass(dnssec, z.thing, server, "the signatures hold, and the parent's DS record fits")
	}
}

// parentDS asks for the DS records, which the parent zone has.
func (r *runner) parentDS(ctx context.Context, z *zone) ([]*dns.DS, error) {
	servers := r.Resolvers
	labels := dns.SplitDomainName(string(z.name))
	if len(labels) > 1 {
		if at, ours := r.home(strings.Join(labels[1:], ".") + "."); ours {
			servers = at
		}
	}
	if len(servers) == 0 {
		return nil, errNoResolver
	}
	in, err := r.ask(ctx, servers[0], string(z.name), dns.TypeDS, nil)
	if err != nil {
		return nil, err
	}
	var out []*dns.DS
	for _, rr := range in.Answer {
		if ds, ok := rr.(*dns.DS); ok {
			out = append(out, ds)
		}
	}
	return out, nil
}

func fitsOne(ds []*dns.DS, keys []*dns.DNSKEY) bool {
	for _, d := range ds {
		for _, k := range keys {
			if made := k.ToDS(d.DigestType); made != nil && made.KeyTag == d.KeyTag && strings.EqualFold(made.Digest, d.Digest) {
				return true
			}
		}
	}
	return false
}

// signedBy reports whether a record set is signed, for now, by one of the keys.
func (r *runner) signedBy(keys []*dns.DNSKEY, rrs []dns.RR, rrtype uint16) error {
	var set []dns.RR
	var sigs []*dns.RRSIG
	for _, rr := range rrs {
		if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == rrtype {
			sigs = append(sigs, sig)
		} else if rr.Header().Rrtype == rrtype {
			set = append(set, rr)
		}
	}
	what := dns.TypeToString[rrtype]
	if len(set) == 0 || len(sigs) == 0 {
		return fmt.Errorf("the %s records are not signed", what)
	}
	err := fmt.Errorf("no key of the zone has made the signature of the %s records", what)
	for _, sig := range sigs {
		for _, k := range keys {
			if k.KeyTag() != sig.KeyTag || k.Algorithm != sig.Algorithm {
				continue
			}
			switch {
			case sig.Verify(k, set) != nil:
				err = fmt.Errorf("the signature of the %s records by the key %d is false", what, sig.KeyTag)
			case !sig.ValidityPeriod(r.Now()):
				err = fmt.Errorf("the signature of the %s records by the key %d is not of this time: it holds from %s to %s", what, sig.KeyTag, dns.TimeToString(sig.Inception), dns.TimeToString(sig.Expiration))
			default:
				return nil
			}
		}
	}
	return err
}
