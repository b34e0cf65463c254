// Package masterfiletest makes master files for tests: large ones, with records
// of every type in every way of writing them.
package masterfiletest

import (
	"fmt"
	"strings"
)

// Main is the name of the file that includes the others.
const Main = "main.zone"

// sorts are records as people write them, below a name. Several
// lines are records of one name, or of names below it.
var sorts = []string{
	"<n>\tIN\tA\t192.0.2.1\n\tIN A 192.0.2.2\n\t\tAAAA 2001:DB8:0:0::<hex>",
	"<N> A ( 192.0.2.3\n ) ; a comment (in parentheses\n<n> TXT \"v=spf1 include:_spf.example.net -all\"",
	"<n> 1h30m CNAME Host1\n",
	"<n> IN 7200 MX 10 mail\n\t\t2h MX 020 MX2.Example.NET.\n",
	"<n> TXT unquoted\n\tTXT \"two\" \"strings\"\n\tTXT \"a \\\"quote\\\"; a semicolon\" \" and \\\\ more\"\n\tTXT \"\\195\\182\\032\\059\"\n\tTXT \"\"",
	"_sip._tcp.<n> SRV 0 5 5060 host1\n_xmpp._tcp.<n> SRV 00 1 0993 host2.example.org.",
	"<n> CAA 0 issue \"ca.example.net; accounturi=https://ca.example.net/1\"\n\tCAA 128 ISSUEMAIL \";\"\n\tCAA 0 iodef mailto:sec@example.org",
	"_25._tcp.<n> TLSA 3 1 1 ( ABCDEF0123456789ABCDEF0123456789\n\tABCDEF0123456789abcdef01234567<octet> )",
	"<n> SSHFP 4 2 0123456789abcdef 0123456789abcdef 0123456789ABCDEF 0123456789abcdef",
	"<n> NAPTR 100 10 \"U\" \"E2U+sip\" \"!^.*$!sip:info@example.org!\" .\n\tNAPTR 100 50 \"s\" \"SIP+D2U\" \"\" _sip._udp",
	"<n> LOC 52 22 23 N 4 53 32 E -2m 0 10000 10\n",
	"<n> NS ns1.<n>\n\tNS ns.example.net.\nns1.<n> A 192.0.2.53\n<n> DS 12345 13 2 0123456789abcdef0123456789abcdef 0123456789abcdef0123456789abcdef",
	"<n> HTTPS 1 . port=8443 alpn=h2,h3 ipv4hint=192.0.2.7\n_dns.<n> SVCB 1 dns.example.net. alpn=dot",
	"<n> URI 10 1 \"https://example.org/a?b=c;d\"\n\tRP admin.example.org. host1\n\tHINFO PC \"Linux 7\"",
	"<n> OPENPGPKEY mDMEX6ZJABYJKwYBBAHaRw8BAQdA mDMEX6ZJABYJKwYBBAHaRw8BAQdA\n\tSMIMEA 3 0 0 DEADBEEF\n\tCERT PKIX 1 RSASHA256 AQIDBA==",
	"<n> DNAME <N>.example.net.\n",
	"*.<n> 60 A 192.0.2.9\n<n> AFSDB 1 afs.example.net.",
	"<n> TYPE65280 \\# 4 0A0000<octet>\n\tTYPE62 \\# 9 000000010003000160\n\tEUI48 00-00-5e-00-53-2a",
	"a\\.b.<n> A 192.0.2.8\nodd\\$<n> TXT $$\n",
	"xn--bcher-kva.<n> PTR host3\n\tDHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
}

// Files are the files of the zone example.org, by their paths, with about as many
// names as given; Main is the one to read.
func Files(names int) map[string]string {
	const generated = 4 // one in so many
	var hosts, more strings.Builder
	for i := range names - names/generated {
		text := sorts[i%len(sorts)]
		name := fmt.Sprintf("n%d", i)
		text = strings.NewReplacer("<n>", name, "<N>", strings.ToUpper(name), "<octet>", fmt.Sprintf("%02x", i%256), "<hex>", fmt.Sprintf("%x", i%65536)).Replace(text)
		w := &hosts
		if i%3 == 0 {
			w = &more
		}
		fmt.Fprintln(w, strings.TrimSuffix(text, "\n"))
	}
	half := names / generated / 2
	return map[string]string{
		Main: fmt.Sprintf(`; A zone as it has grown.
$TTL 1h
$ORIGIN org.
example IN SOA ns1.example hostmaster.example.org. (
	2026112501 ; serial
	4H 1H 2W 1H )
	NS ns1.example
	NS ns2.provider.example.net.
	MX 10 mail.example
	TXT "v=spf1 mx -all"
	TXT "site-verification=" "0123456789"
$ORIGIN example.org.
ns1 A 127.0.0.1
mail A 192.0.2.25
s1._domainkey TXT ( "v=DKIM1; k=rsa; p=%s"
	"%s" )
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"
host1 A 192.0.2.101
host3 A 192.0.2.103
$INCLUDE parts/hosts
$INCLUDE more.zone
$GENERATE 1-%d dhcp-$ A 10.0.0.${0,1,d}
$GENERATE 1-%d v6-${0,4,x} AAAA 2001:db8::${0,1,x}
$TTL 1d
last A 192.0.2.250`, strings.Repeat("A", 200), strings.Repeat("B", 192), min(half, 255), 2*half-min(half, 255)),
		"parts/hosts": hosts.String(),
		"more.zone":   more.String(),
	}
}
