package masterfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"
)

// A Zone is a zone as it was read.
type Zone struct {
	Name rdata.Name
	// Things are the zone and its record sets, as a provider lists them.
	Things []providers.Observed
	// Skipped is what is not among them, and why.
	Skipped []Skipped
	// Changed is what is among them and not quite as it was read.
	Changed []Skipped
	// Primary is the name server that the SOA record names, if it is one that the
	// NS records name too; else one of those.
	Primary rdata.Name
}

// A Skipped is a record with a sentence about it.
type Skipped struct {
	File   string // that includes it; empty: the file itself
	Line   int    // of the file; 0: it came from elsewhere
	Record string // owner and type
	Why    string
}

func (s Skipped) String() string {
	switch {
	case s.Line == 0:
		return s.Record + ": " + s.Why
	case s.File != "":
		return fmt.Sprintf("%s, line %d: %s: %s", s.File, s.Line, s.Record, s.Why)
	}
	return fmt.Sprintf("line %d: %s: %s", s.Line, s.Record, s.Why)
}

// A place is a line of a file.
type place struct {
	file string
	line int
}

// ErrTooLarge is the error for a zone beyond all measure.
var ErrTooLarge = errors.New("the zone is too large")

// FromRecords makes a zone of the records of a transfer.
func FromRecords(rrs []dns.RR, zone rdata.Name) (*Zone, error) {
	b := newBuilder(zone)
	for i, rr := range rrs {
		// A transfer ends with the SOA record that it began with (RFC 5936 §2.2).
		if i > 0 && i == len(rrs)-1 && rr.Header().Rrtype == dns.TypeSOA {
			break
		}
		if err := b.add(rr, place{}); err != nil {
			return nil, err
		}
	}
	return b.zone()
}

// A setKey is what there is one record set of.
type setKey struct {
	name   rdata.Name
	rrtype string
}

// A set is a record set on its way.
type set struct {
	ttl    uint32
	values map[string]bool
}

// A builder collects the records of a zone.
type builder struct {
	name rdata.Name
	soa  *dns.SOA
	sets map[setKey]*set
	out  Zone
	n    int
}

func newBuilder(zone rdata.Name) *builder {
	return &builder{name: zone, sets: map[setKey]*set{}, out: Zone{Name: zone}}
}

func (b *builder) skip(at place, rr dns.RR, format string, args ...any) {
	h := rr.Header()
	b.out.Skipped = append(b.out.Skipped, Skipped{at.file, at.line, h.Name + " " + dns.Type(h.Rrtype).String(), fmt.Sprintf(format, args...)})
}

func (b *builder) change(at place, k setKey, format string, args ...any) {
	b.out.Changed = append(b.out.Changed, Skipped{at.file, at.line, string(k.name) + " " + k.rrtype, fmt.Sprintf(format, args...)})
}

func (b *builder) add(rr dns.RR, at place) error {
	if b.n++; b.n > maxRecords {
		return fmt.Errorf("%w: it has more than %d records", ErrTooLarge, maxRecords)
	}
	h := rr.Header()
	name, err := rdata.ParseName(h.Name)
	switch {
	case err != nil:
		b.skip(at, rr, "%v", err)
		return nil
	case h.Class != dns.ClassINET:
		b.skip(at, rr, "its class is %s, and mailform knows IN", dns.Class(h.Class))
		return nil
	case !name.In(b.name):
		b.skip(at, rr, "the name lies outside the zone %s", b.name.Host())
		return nil
	}
	if soa, ok := rr.(*dns.SOA); ok {
		if b.soa != nil || name != b.name {
			b.skip(at, rr, "a zone has one SOA record, at its name")
			return nil
		}
		b.soa = soa
		return nil
	}
	rrtype, value, err := rdata.Value(rr)
	if err == nil {
		rrtype, err = rdata.ParseType(rrtype)
	}
	switch {
	case err != nil:
		b.skip(at, rr, "%v", err)
		return nil
	case !utf8.ValidString(value) || !norm.NFC.IsNormalString(value):
		b.skip(at, rr, "its text is not Unicode in normal form, which files cannot hold")
		return nil
	}
	k := setKey{name, rrtype}
	ttl := h.Ttl
	if ttl > schema.MaxTTL {
		b.change(at, k, "a time to live of %d seconds counts as none (RFC 2181 §8): 0 is taken", ttl)
		ttl = 0
	}
	s := b.sets[k]
	if s == nil {
		s = &set{ttl: ttl, values: map[string]bool{}}
		b.sets[k] = s
	}
	if s.ttl != ttl {
		b.change(at, k, "records of one name and type have one time to live (RFC 2181 §5.2): %d is taken, not %d", min(s.ttl, ttl), max(s.ttl, ttl))
		s.ttl = min(s.ttl, ttl)
	}
	s.values[value] = true
	return nil
}

// zone is what was collected. A file without a SOA record is taken for one with
// the values that a zone block has by default.
func (b *builder) zone() (*Zone, error) {
	if b.n == 0 {
		return nil, errors.New("there are no records in it")
	}
	if b.soa == nil && len(b.sets) == 0 {
		return nil, fmt.Errorf("none of its records lies in the zone %s", b.name.Host())
	}
	attrs, err := b.soaAttrs()
	if err != nil {
		return nil, err
	}
	b.out.Things = append(b.out.Things, providers.Observed{Kind: schema.KindZone, Key: b.name.Host(), Attrs: attrs})
	keys := slices.SortedFunc(maps.Keys(b.sets), func(x, y setKey) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.rrtype, y.rrtype))
	})
	for _, k := range keys {
		s := b.sets[k]
		var values []cty.Value
		for _, v := range slices.Sorted(maps.Keys(s.values)) {
			values = append(values, cty.StringVal(v))
		}
		b.out.Things = append(b.out.Things, providers.Observed{
			Kind: schema.KindRRset, Key: b.name.Host() + "/" + string(k.name) + "/" + k.rrtype,
			Attrs: cty.ObjectVal(map[string]cty.Value{
				"zone": cty.StringVal(string(b.name)), "name": cty.StringVal(string(k.name)), "type": cty.StringVal(k.rrtype),
				"ttl": cty.NumberUIntVal(uint64(s.ttl)), "values": cty.ListVal(values),
			}),
		})
	}
	return &b.out, nil
}

func (b *builder) soaAttrs() (cty.Value, error) {
	def := func(name string) uint32 {
		// The defaults of the schema are times.
		n, _ := schema.ParseTTL(schema.BlockByType("zone").Attribute(name).Default.AsString())
		return n
	}
	primary, contact := b.name.Under("ns1"), b.name.Under("hostmaster")
	if ns := b.sets[setKey{b.name, "NS"}]; ns != nil {
		primary = rdata.Name(slices.Min(slices.Collect(maps.Keys(ns.values))))
	}
	times := map[string]uint32{"refresh": def("refresh"), "retry": def("retry"), "expire": def("expire"), "negative_ttl": def("negative_ttl")}
	if b.soa != nil {
		var err error
		if primary, err = rdata.ParseName(b.soa.Ns); err != nil {
			return cty.NilVal, fmt.Errorf("the primary server in the SOA record: %w", err)
		}
		if contact, err = rdata.ParseName(b.soa.Mbox); err != nil {
			return cty.NilVal, fmt.Errorf("the contact in the SOA record: %w", err)
		}
		times = map[string]uint32{"refresh": b.soa.Refresh, "retry": b.soa.Retry, "expire": b.soa.Expire, "negative_ttl": b.soa.Minttl}
	}
	b.out.Primary = primary
	if ns := b.sets[setKey{b.name, "NS"}]; ns != nil && !ns.values[string(primary)] {
		b.out.Primary = rdata.Name(slices.Min(slices.Collect(maps.Keys(ns.values))))
	}
	vals := map[string]cty.Value{
		"name": cty.StringVal(string(b.name)), "primary": cty.StringVal(string(primary)), "contact": cty.StringVal(string(contact)),
	}
	for name, seconds := range times {
		vals[name] = cty.NumberUIntVal(uint64(min(seconds, schema.MaxTTL)))
	}
	return cty.ObjectVal(vals), nil
}
