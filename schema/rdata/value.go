package rdata

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// relative marks names that were written without a trailing dot while they
// are parsed: a label that nobody writes.
const relative = `\000.`

// Canonical brings one value of a record into canonical form. Types are as
// [ParseType] returns them.
//
// Names within a value are absolute, but for one of a single label, which lies
// below origin, and "@", which is origin: "10 mail" and "10 mail.example.com"
// mean the same in the zone example.com. (Zone files would read the second as
// mail.example.com.example.com, which nobody ever wants.)
//
// The error says what is wrong; [Expected] says what would be right. It is an
// ErrAddress where an address stands for a name.
func Canonical(rrtype, value string, origin Name) (string, error) {
	switch {
	case rrtype == "A" || rrtype == "AAAA":
		if !generic(value) {
			return canonicalAddress(rrtype, strings.TrimSpace(value))
		}
	case rrtype == "TXT":
		if err := checkTXT(value); err != nil {
			return "", err
		}
		return value, nil
	case isNumbered(rrtype):
		return canonicalNumbered(rrtype, value)
	}
	if c, ok := canonicalHost(rrtype, value, origin); ok {
		return c, nil
	}
	rr, err := parse(rrtype, spell(rrtype, value))
	if err != nil {
		return "", err
	}
	return canonicalRR(rrtype, rr, origin)
}

// canonicalRR is the canonical text of a record's data, as [parse] has left it.
func canonicalRR(rrtype string, rr dns.RR, origin Name) (string, error) {
	for _, name := range namesIn(rr) {
		n, err := parseTarget(*name, origin)
		if err != nil {
			return "", err
		}
		*name = string(n)
	}
	switch rr := rr.(type) {
	case *dns.CAA:
		rr.Tag = strings.ToLower(rr.Tag) // RFC 8659 §4.1
	case *dns.NAPTR:
		rr.Flags = strings.ToLower(rr.Flags) // RFC 3403 §4.1
	case *dns.SVCB:
		sortParams(rr)
	case *dns.HTTPS:
		sortParams(&rr.SVCB)
	}
	text, err := overTheWire(rr)
	if err != nil {
		return "", err
	}
	if _, err := parse(rrtype, text); err != nil { // an RFC 3597 form can hide nonsense
		return "", errUnfit
	}
	return text, nil
}

// errUnfit is the error of a value that can be read, but is no data of its type.
var errUnfit = errors.New("the value cannot be put into a record")

func sortParams(rr *dns.SVCB) {
	slices.SortFunc(rr.Value, func(a, b dns.SVCBKeyValue) int { return cmp.Compare(a.Key(), b.Key()) })
}

func canonicalAddress(rrtype, value string) (string, error) {
	a, err := netip.ParseAddr(value)
	if err != nil || a.Zone() != "" {
		return "", errors.New("this is no IP address")
	}
	if a.Is4() != (rrtype == "A") {
		if a.Is4() {
			return "", errors.New("this is an IPv4 address; its type is A")
		}
		return "", errors.New("this is an IPv6 address; its type is AAAA")
	}
	return a.String(), nil
}

// parse reads a value of any type but A, AAAA and TXT.
func parse(rrtype, value string) (dns.RR, error) { return parseBelow(relative, rrtype, value) }

// parseBelow does the same with an origin for names without a dot at their end.
func parseBelow(origin, rrtype, value string) (dns.RR, error) {
	if err := checkText(value); err != nil {
		return nil, err
	}
	zp := dns.NewZoneParser(strings.NewReader(". 0 IN "+rrtype+" "+value+"\n"), origin, "")
	zp.SetIncludeAllowed(false)
	rr, ok := zp.Next()
	if err := zp.Err(); err != nil {
		return nil, errors.New("the value cannot be read")
	}
	if !ok || rr == nil {
		return nil, errors.New("the value is empty")
	}
	return rr, nil
}

// checkText refuses what means something else in a zone file than in a value.
func checkText(value string) error {
	if strings.TrimSpace(value) == "" {
		return errors.New("the value is empty")
	}
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c < ' ' && c != '\t', c == 0x7f:
			return errors.New("the value has a line break or another control character")
		case (c == ';' || c == '(' || c == ')') && !quoted:
			return fmt.Errorf("the character %q has to be within quotes here", string(rune(c)))
		}
	}
	if quoted {
		return errors.New("a quote is not closed")
	}
	return nil
}

// namesIn finds the domain names within a record's data.
func namesIn(rr dns.RR) []*string {
	switch rr := rr.(type) {
	case *dns.CNAME:
		return []*string{&rr.Target}
	case *dns.DNAME:
		return []*string{&rr.Target}
	case *dns.NS:
		return []*string{&rr.Ns}
	case *dns.PTR:
		return []*string{&rr.Ptr}
	case *dns.MX:
		return []*string{&rr.Mx}
	case *dns.SRV:
		return []*string{&rr.Target}
	case *dns.AFSDB:
		return []*string{&rr.Hostname}
	case *dns.NAPTR:
		return []*string{&rr.Replacement}
	case *dns.RP:
		return []*string{&rr.Mbox, &rr.Txt}
	case *dns.SVCB:
		return []*string{&rr.Target}
	case *dns.HTTPS:
		return []*string{&rr.Target}
	}
	return nil
}

// parseTarget reads a name as [parse] has left it.
func parseTarget(s string, origin Name) (Name, error) {
	if s == relative { // written "@"
		return origin, nil
	}
	written, ok := strings.CutSuffix(s, "."+relative)
	if !ok {
		return ParseName(s)
	}
	n, err := ParseName(written)
	if err != nil || dns.CountLabel(string(n)) > 1 {
		return n, err
	}
	if origin == Root {
		return n, nil
	}
	return checkLength(string(n) + string(origin))
}

// overTheWire returns the data's text after a way through wire format, which
// checks lengths, hex and base64, and leaves one form of each escape.
func overTheWire(rr dns.RR) (string, error) {
	buf := make([]byte, dns.Len(rr)+16)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return "", errUnfit
	}
	back, _, err := dns.UnpackRR(buf[:n], 0)
	if err != nil {
		return "", errUnfit
	}
	text := data(back)
	switch back.(type) {
	case *dns.OPENPGPKEY:
		return keyText(text), nil
	case *dns.TLSA, *dns.SMIMEA, *dns.DS, *dns.CDS, *dns.SSHFP:
		text = strings.ToLower(text)
	}
	return text, nil
}

// data is the text of a record without its header.
func data(rr dns.RR) string {
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// RR makes a record of a canonical value. The TTL is in seconds.
func RR(name Name, ttl uint32, rrtype, value string) (dns.RR, error) {
	hdr := dns.RR_Header{Name: string(name), Class: dns.ClassINET, Ttl: ttl}
	switch rrtype {
	case "A", "AAAA":
		if _, err := canonicalAddress(rrtype, value); err != nil {
			return nil, fmt.Errorf("record %s %s: %w", name, rrtype, err)
		}
		if rrtype == "A" {
			hdr.Rrtype = dns.TypeA
			return &dns.A{Hdr: hdr, A: net.ParseIP(value).To4()}, nil
		}
		hdr.Rrtype = dns.TypeAAAA
		return &dns.AAAA{Hdr: hdr, AAAA: net.ParseIP(value)}, nil
	case "TXT":
		if err := checkTXT(value); err != nil {
			return nil, fmt.Errorf("record %s TXT: %w", name, err)
		}
		hdr.Rrtype = dns.TypeTXT
		rr := &dns.TXT{Hdr: hdr}
		for _, chunk := range SplitTXT(value) {
			var b strings.Builder
			escapeTXT(&b, chunk) // the library keeps texts escaped
			rr.Txt = append(rr.Txt, b.String())
		}
		return rr, nil
	}
	if rr := hostRecord(hdr, rrtype, value); rr != nil {
		return rr, nil
	}
	rr, err := parse(rrtype, value)
	if err != nil {
		return nil, fmt.Errorf("record %s %s: %w", name, rrtype, err)
	}
	hdr.Rrtype = rr.Header().Rrtype
	*rr.Header() = hdr
	return rr, nil
}

// Value is the canonical value of a record as a server has it: the other way
// of [RR]. A text that is not UTF-8 keeps its odd octets as they are.
func Value(rr dns.RR) (rrtype, value string, err error) {
	rrtype = TypeName(rr.Header().Rrtype)
	switch rr := rr.(type) {
	case *dns.TXT:
		var b strings.Builder
		for _, s := range rr.Txt {
			b.WriteString(unescapeTXT(s))
		}
		return rrtype, b.String(), nil
	case *dns.OPENPGPKEY:
		value, err = canonicalRR(rrtype, rr, Root)
	default:
		if isNumbered(rrtype) {
			value, err = numbered(rr)
		} else {
			value, err = Canonical(rrtype, data(rr), Root)
		}
	}
	if err != nil {
		return "", "", fmt.Errorf("record %s %s: %w", rr.Header().Name, rrtype, err)
	}
	return rrtype, value, nil
}

// MX is the canonical value of an MX record. A preference is 0 to 65535, lower
// ones come first (RFC 5321 §5.1).
func MX(preference uint16, exchange Name) string {
	return strconv.Itoa(int(preference)) + " " + string(exchange)
}

// SRV is the value of an SRV record (RFC 2782).
func SRV(priority, weight, port uint16, target Name) string {
	return fmt.Sprintf("%d %d %d %s", priority, weight, port, target)
}

// NoSRV is that of one which says that a service is not there (RFC 2782, RFC 6186 §3.4).
const NoSRV = "0 0 0 ."

// Target is the name that a canonical value of the types MX, NS, CNAME, DNAME
// and SRV points to. It reports false for other types and for Root.
func Target(rrtype, value string) (Name, bool) {
	switch rrtype {
	case "NS", "CNAME", "DNAME":
	case "MX", "SRV":
		value = value[strings.LastIndexByte(value, ' ')+1:]
	default:
		return "", false
	}
	return Name(value), value != "."
}

// Line is a line of a zone file, without a line break, for one canonical value.
// The TTL is in seconds. Long texts are split.
func Line(name Name, ttl uint32, rrtype, value string) string {
	if rrtype == "TXT" {
		value = quoteTXT(value)
	}
	return string(name) + " " + strconv.FormatUint(uint64(ttl), 10) + " IN " + rrtype + " " + value
}

// ZoneFile makes a zone file (RFC 1035 §5) of lines.
func ZoneFile(origin Name, lines []string) string {
	var b strings.Builder
	b.WriteString("$ORIGIN " + string(origin) + "\n")
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.String()
}

// ParseLine reads what [Line] has written.
func ParseLine(line string) (name Name, ttl uint32, rrtype, value string, err error) {
	rr, err := dns.NewRR(line)
	if err == nil && rr == nil {
		err = errors.New("it has no record")
	}
	if err != nil {
		return "", 0, "", "", fmt.Errorf("line of a zone file: %w", err)
	}
	rrtype, value, err = Value(rr)
	return Name(rr.Header().Name), rr.Header().Ttl, rrtype, value, err
}
