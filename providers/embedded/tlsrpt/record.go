package tlsrpt

import (
	"net/url"
	"strings"
)

// ParseRecord returns where the reports of a domain go, out of the texts of
// _smtp._tls.DOMAIN (RFC 8460 §3): mailto: and https: URIs. None: it wants none.
func ParseRecord(texts []string) []string {
	found, n := "", 0
	for _, t := range texts {
		if version, _, _ := strings.Cut(t, ";"); strings.TrimRight(version, " \t") == "v=TLSRPTv1" {
			found, n = t, n+1
		}
	}
	if n != 1 {
		return nil
	}
	var out []string
	for f := range strings.SplitSeq(found, ";") {
		list, ok := strings.CutPrefix(strings.Trim(f, " \t"), "rua=")
		if !ok {
			continue
		}
		for uri := range strings.SplitSeq(list, ",") {
			uri = strings.Trim(uri, " \t")
			if u, err := url.Parse(uri); err == nil && (u.Scheme == "https" && u.Host != "" || u.Scheme == "mailto" && strings.Contains(u.Opaque, "@")) {
				out = append(out, uri)
			}
		}
	}
	return out
}
