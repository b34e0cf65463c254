package rdata

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// numbersBefore says how many numbers of 16 bits stand before the name in a value
// of a type whose data are numbers and one name.
var numbersBefore = map[string]int{"CNAME": 0, "DNAME": 0, "NS": 0, "PTR": 0, "MX": 1, "AFSDB": 1, "SRV": 3}

// canonicalHost takes what nearly all values of those types are: plain numbers
// and a plain name. It reports false for all else, which the parser of zone files
// judges.
func canonicalHost(rrtype, value string, origin Name) (string, bool) {
	numbers, ok := numbersBefore[rrtype]
	if !ok {
		return "", false
	}
	var fields [4]string
	n := 0
	for f := range strings.FieldsSeq(value) {
		if n > numbers {
			return "", false
		}
		fields[n] = f
		n++
	}
	if n != numbers+1 {
		return "", false
	}
	for i, f := range fields[:numbers] {
		number, err := strconv.ParseUint(f, 10, 16)
		if err != nil {
			return "", false
		}
		fields[i] = strconv.FormatUint(number, 10)
	}
	host := fields[numbers]
	name := Root
	if host != "." {
		if name, ok = fastName(host); !ok {
			return "", false
		}
		if host[len(host)-1] != '.' && strings.IndexByte(host, '.') < 0 { // one label
			if origin == Root {
				return "", false
			}
			if name += origin; len(name) > 254 {
				return "", false
			}
		}
	}
	fields[numbers] = string(name)
	return strings.Join(fields[:numbers+1], " "), true
}

// hostRecord makes a record of a canonical value of one of those types; nil where
// the value is not as plain as nearly all are.
func hostRecord(hdr dns.RR_Header, rrtype, value string) dns.RR {
	if c, ok := canonicalHost(rrtype, value, Root); !ok || c != value {
		return nil
	}
	host := value[strings.LastIndexByte(value, ' ')+1:]
	hdr.Rrtype = dns.StringToType[rrtype]
	var numbers [3]uint16
	for i, f := range strings.Fields(value)[:numbersBefore[rrtype]] {
		n, _ := strconv.ParseUint(f, 10, 16) // it is canonical
		numbers[i] = uint16(n)
	}
	switch rrtype {
	case "CNAME":
		return &dns.CNAME{Hdr: hdr, Target: host}
	case "DNAME":
		return &dns.DNAME{Hdr: hdr, Target: host}
	case "NS":
		return &dns.NS{Hdr: hdr, Ns: host}
	case "PTR":
		return &dns.PTR{Hdr: hdr, Ptr: host}
	case "MX":
		return &dns.MX{Hdr: hdr, Preference: numbers[0], Mx: host}
	case "AFSDB":
		return &dns.AFSDB{Hdr: hdr, Subtype: numbers[0], Hostname: host}
	case "SRV":
		return &dns.SRV{Hdr: hdr, Priority: numbers[0], Weight: numbers[1], Port: numbers[2], Target: host}
	}
	return nil
}
