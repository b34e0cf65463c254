package rdata

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// spell rewrites what zone files may have in several spellings and the library
// reads in one only.
func spell(rrtype, value string) string {
	switch rrtype {
	case "NAPTR":
		return quoteFields(value, 2, 5)
	case "DNSKEY", "CDNSKEY":
		return algorithmNumber(value)
	case "OPENPGPKEY":
		return keyInHex(value)
	}
	return value
}

// quoteFields puts quotes around the fields from one number to before another
// that have none (RFC 1035 §5.1: a character-string can do without).
func quoteFields(value string, from, to int) string {
	var b strings.Builder
	b.Grow(len(value) + 2*(to-from))
	field, i := 0, 0
	for i < len(value) {
		if c := value[i]; c == ' ' || c == '\t' {
			b.WriteByte(c)
			i++
			continue
		}
		end, quoted := i, value[i] == '"'
		for j := i; ; j++ {
			if j >= len(value) || !quoted && (value[j] == ' ' || value[j] == '\t') {
				end = min(j, len(value))
				break
			}
			if value[j] == '\\' {
				j++
			} else if quoted && j > i && value[j] == '"' {
				end = j + 1
				break
			}
		}
		if quoted || field < from || field >= to {
			b.WriteString(value[i:end])
		} else {
			b.WriteByte('"')
			b.WriteString(value[i:end])
			b.WriteByte('"')
		}
		i = end
		field++
	}
	return b.String()
}

// algorithmNumber replaces the mnemonic of an algorithm in a key record (RFC 4034
// §2.2, appendix A.1).
func algorithmNumber(value string) string {
	f := strings.Fields(value)
	if len(f) < 4 {
		return value
	}
	n, ok := dns.StringToAlgorithm[strings.ToUpper(f[2])]
	if !ok {
		return value
	}
	f[2] = strconv.Itoa(int(n))
	return strings.Join(f, " ")
}

// keyInHex rewrites a key in hex in the base64 that zone files have. What
// consists of hex digits alone is taken for hex.
func keyInHex(value string) string {
	octets, ok := hexOnly(value)
	if !ok {
		return value
	}
	return base64.StdEncoding.EncodeToString(octets)
}

func hexOnly(value string) ([]byte, bool) {
	octets, err := hex.DecodeString(strings.Join(strings.Fields(value), ""))
	return octets, err == nil && len(octets) > 0
}

// keyText is the canonical text of a key: base64, but where that would be read as
// hex, the form of RFC 3597.
func keyText(text string) string {
	if _, ok := hexOnly(text); !ok {
		return text
	}
	octets, err := base64.StdEncoding.DecodeString(text)
	if err != nil { // it has come over the wire
		return text
	}
	return genericText(octets)
}
