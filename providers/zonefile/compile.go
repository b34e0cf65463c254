package zonefile

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// Lines at the head of a file.
const (
	headOurs = "; Written by mailform. What is changed here by hand is seen by the next plan, and comments are lost.\n"
	// headZone comes before the name of the zone.
	headZone = "; The zone is "
	// headProvisional says that the NS records are none that anybody has declared:
	// no name server reads a zone without any.
	headProvisional = "; The zone has no NS records yet. Those at its name are there so that it can be read.\n"
)

func isOurs(data []byte) bool { return bytes.HasPrefix(data, []byte(headOurs)) }

func isProvisional(data []byte, zone rdata.Name) bool {
	return bytes.HasPrefix(data, []byte(head(zone)+headProvisional))
}

// head begins the file of a zone.
func head(zone rdata.Name) string { return headOurs + headZone + string(zone) + "\n" }

// zoneOf is the zone that a file of ours says it has.
func zoneOf(data []byte) (rdata.Name, bool) {
	rest, ok := bytes.CutPrefix(data, []byte(headOurs+headZone))
	if !ok {
		return "", false
	}
	name, _, _ := bytes.Cut(rest, []byte("\n"))
	zone, err := rdata.ParseName(string(name))
	return zone, err == nil
}

// nowhere is a name that is never there (RFC 6761 §6.4).
const nowhere = "mailform.invalid."

// records are those of a zone on their way into a file.
type records struct {
	soa  *dns.SOA
	sets map[zonedata.Key]*zonedata.Set // nil: is not there
}

// newRecords begins with what a zone has; nil: with nothing.
func newRecords(z *zonedata.Zone) *records {
	r := &records{sets: map[zonedata.Key]*zonedata.Set{}}
	if z != nil {
		r.soa = z.SOA
		for _, s := range z.Sets() {
			r.sets[s.Key] = s
		}
	}
	return r
}

// zone is what the records come to.
func (r *records) zone(name rdata.Name) (*zonedata.Zone, error) {
	rrs := []dns.RR{r.soa}
	for _, s := range r.sets {
		if s == nil {
			continue
		}
		more, err := s.RRs()
		if err != nil {
			return nil, err
		}
		rrs = append(rrs, more...)
	}
	return zonedata.Read(name, rrs, nil)
}

// replace writes what edits make of the zone.
func (p *Provider) replace(f *file, base *zonedata.Zone, edits *zonedata.Edits) error {
	var next []byte
	if !edits.Delete && (base != nil || edits.Create) {
		r := newRecords(base)
		for _, e := range edits.Sets {
			r.sets[e.Key] = e.After
		}
		serial := p.nextSerial(f)
		if edits.SOA != nil {
			r.soa = edits.SOA.RR(f.name, serial)
		} else {
			soa := *r.soa
			soa.Serial = serial
			r.soa = &soa
		}
		next = r.compile(f.name)
	}
	if len(p.reload) > 0 {
		if err := f.remember(next, p.mode); err != nil {
			return err
		}
	}
	return f.put(next, p.mode)
}

// compile writes a file: the SOA record, then all others in canonical order (RFC
// 4034 §6.1), those of one name by the number of their type, but NS records first.
func (r *records) compile(zone rdata.Name) []byte {
	var sets []*zonedata.Set
	for _, s := range r.sets {
		if s != nil {
			sets = append(sets, s)
		}
	}
	first := head(zone)
	if r.sets[zonedata.Key{Name: zone, Type: "NS"}] == nil {
		first += headProvisional
		sets = append(sets, r.provisional(zone))
	}
	orders := make(map[rdata.Name]string, len(sets))
	for _, s := range sets {
		if _, ok := orders[s.Name]; !ok {
			orders[s.Name] = canonicalOrder(s.Name)
		}
	}
	slices.SortFunc(sets, func(a, b *zonedata.Set) int {
		if a.Name != b.Name {
			return cmp.Compare(orders[a.Name], orders[b.Name])
		}
		return cmp.Compare(typeOrder(a.Type), typeOrder(b.Type))
	})
	var b bytes.Buffer
	b.WriteString(first)
	writeLine(&b, strings.ReplaceAll(r.soa.String(), "\t", " "))
	for _, s := range sets {
		for _, v := range s.Values {
			writeLine(&b, rdata.Line(s.Name, s.TTL, s.Type, v))
		}
	}
	return b.Bytes()
}

// provisional are NS records for a zone that has none yet, or none any more. A name
// server that lies in the zone would have to have an address there.
func (r *records) provisional(zone rdata.Name) *zonedata.Set {
	target := rdata.Name(dns.CanonicalName(r.soa.Ns))
	if target.In(zone) && r.sets[zonedata.Key{Name: target, Type: "A"}] == nil && r.sets[zonedata.Key{Name: target, Type: "AAAA"}] == nil {
		target = nowhere
	}
	return &zonedata.Set{Key: zonedata.Key{Name: zone, Type: "NS"}, TTL: r.soa.Hdr.Ttl, Values: []string{string(target)}}
}

// writeLine writes a record. A name that begins with a dollar sign would be taken
// for a directive.
func writeLine(b *bytes.Buffer, line string) {
	if strings.HasPrefix(line, "$") {
		b.WriteByte('\\')
	}
	b.WriteString(line)
	b.WriteByte('\n')
}

// canonicalOrder is a text by which names sort as RFC 4034 §6.1 says: from their
// last label on, by octets.
func canonicalOrder(name rdata.Name) string {
	labels := dns.SplitDomainName(string(name))
	slices.Reverse(labels)
	for i := range labels {
		labels[i] = unescape(labels[i])
	}
	return strings.Join(labels, "\x00")
}

// unescape is a label as its octets.
func unescape(label string) string {
	if !strings.Contains(label, `\`) {
		return label
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		c := label[i]
		if c == '\\' && i+3 < len(label) && label[i+1] >= '0' && label[i+1] <= '9' {
			if n, err := strconv.ParseUint(label[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		if c == '\\' && i+1 < len(label) {
			i++
			c = label[i]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// typeOrder sorts types by their number, NS first.
func typeOrder(rrtype string) int {
	if rrtype == "NS" {
		return 0
	}
	if n, ok := dns.StringToType[rrtype]; ok {
		return int(n)
	}
	var n int
	if _, err := fmt.Sscanf(rrtype, "TYPE%d", &n); err != nil {
		return 1 << 16
	}
	return n
}

// nextSerial is the serial of a file that is written now. It is greater than the
// last one (RFC 1982), whatever the clock says.
func (p *Provider) nextSerial(f *file) uint32 {
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	var want uint32
	switch p.serial {
	case "date":
		n, _ := strconv.ParseUint(now().UTC().Format("20060102"), 10, 32)
		want = uint32(n*100 + 1)
	case "unixtime":
		want = uint32(now().Unix())
	default:
		want = 1
	}
	var last *dns.SOA
	switch {
	case f.zone != nil:
		last = f.zone.SOA
	case f.pending != nil && f.pending.zone != nil:
		last = f.pending.zone.SOA
	}
	if last == nil || p.serial != "increment" && int32(want-last.Serial) > 0 {
		return want
	}
	return zonedata.NextSerial(last.Serial)
}
