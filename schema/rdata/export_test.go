package rdata

// CanonicalByParser is Canonical without its shorter ways.
func CanonicalByParser(rrtype, value string, origin Name) (string, error) {
	rr, err := parse(rrtype, value)
	if err != nil {
		return "", err
	}
	return canonicalRR(rrtype, rr, origin)
}
