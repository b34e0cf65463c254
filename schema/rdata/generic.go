package rdata

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// generic reports whether a value is written as RFC 3597 §5 writes data of any
// type: \# 4 0a000001.
func generic(value string) bool {
	f := strings.Fields(value)
	return len(f) > 0 && f[0] == `\#`
}

// isNumbered reports whether a type is one of those whose values are kept as
// RFC 3597 writes them.
func isNumbered(rrtype string) bool { return strings.HasPrefix(rrtype, "TYPE") }

// canonicalNumbered brings a value of a type that mailform has no form of its own
// for into that of RFC 3597. Of types that the library knows it takes their own
// form too, with names that are complete.
func canonicalNumbered(rrtype, value string) (string, error) {
	rr, err := parseBelow(".", rrtype, value)
	if err != nil {
		return "", err
	}
	text, err := numbered(rr)
	if err != nil {
		return "", err
	}
	if _, err := parseBelow(".", rrtype, text); err != nil {
		return "", errUnfit
	}
	return text, nil
}

// numbered is the data of a record as RFC 3597 writes it.
func numbered(rr dns.RR) (string, error) {
	octets, err := wire(rr)
	if err != nil {
		return "", err
	}
	return genericText(octets), nil
}

func genericText(octets []byte) string {
	return strings.TrimSuffix(fmt.Sprintf(`\# %d %s`, len(octets), hex.EncodeToString(octets)), " ")
}

// wire is the data of a record as octets.
func wire(rr dns.RR) ([]byte, error) {
	rr = dns.Copy(rr)
	rr.Header().Name = "."
	buf := make([]byte, dns.Len(rr)+16)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	const header = 11 // a name of one octet, type, class, time to live, length
	if err != nil || n < header {
		return nil, errUnfit
	}
	return buf[header:n], nil
}

// TypeName is the name of a type as [ParseType] returns it.
func TypeName(number uint16) string {
	name := dns.TypeToString[number]
	if _, ok := expected[name]; ok || notDeclared[name] != "" {
		return name
	}
	return "TYPE" + strconv.Itoa(int(number))
}
