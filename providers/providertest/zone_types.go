package providertest

import "strings"

// Digests of the lengths that their algorithms have.
var (
	sha1A   = strings.Repeat("0a", 20)
	sha256A = strings.Repeat("1b", 32)
	sha256B = strings.Repeat("2c", 32)
	sha384A = strings.Repeat("3d", 48)
	sha512A = strings.Repeat("4e", 64)
)

// fields makes a group that changes one field of a value after the other.
func fields(name, owner, rrtype string, values ...string) ZoneGroup {
	g := ZoneGroup{Name: name}
	for i, v := range values {
		what := "create"
		if i > 0 {
			what = "change to " + shortened(v)
		}
		g.Steps = append(g.Steps, step(what, set(owner, rrtype, v)))
	}
	return g
}

// shortened is a value as it can stand in the name of a test.
func shortened(v string) string {
	if len(v) > 48 {
		return v[:48] + "…"
	}
	return v
}

// and adds steps to a group.
func (g ZoneGroup) and(steps ...ZoneStep) ZoneGroup {
	g.Steps = append(g.Steps, steps...)
	return g
}

// typeGroups change each field of each type.
func typeGroups() []ZoneGroup {
	return []ZoneGroup{
		fields("CAA", "@", "CAA",
			`0 issue "letsencrypt.org"`, `0 issuewild "letsencrypt.org"`, `0 issuewild "example.net"`,
			`128 issuewild "example.net"`, `0 issue ";"`,
			`0 issue "letsencrypt.org; validationmethods=dns-01; accounturi=https://acme-v02.api.letsencrypt.org/acme/acct/1234"`,
		).and(
			step("several tags", set("@", "CAA", `0 issue "letsencrypt.org"`, `0 issuewild ";"`, `0 iodef "mailto:admin@example.com"`, `0 issuemail "example.net"`)),
			same("in upper case, another order and without quotes",
				set("@", "CAA", `0 ISSUEMAIL example.net`, `0 iodef "mailto:admin@example.com"`, `0 issueWild ";"`, `0 issue letsencrypt.org`)),
		),
		fields("LOC", "@", "LOC",
			"42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m",
			"42 21 54.000 N 71 6 18.000 W 24.00m 30.00m 10000.00m 10.00m",
			"52 14 5.000 N 0 8 50.000 E 10.00m 0.00m 0.00m 0.00m",
			"32 7 19.000 S 116 2 25.000 E 10.00m 1.00m 10000.00m 10.00m",
		),
		fields("NAPTR", "test", "NAPTR",
			`100 10 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .`,
			`102 10 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .`,
			`102 20 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .`,
			`102 20 "A" "E2U+sip" "!^.*$!sip:info@example.com!" .`,
			`102 20 "A" "E2U+email" "!^.*$!sip:info@example.com!" .`,
			`102 20 "A" "E2U+email" "!^.*$!mailto:information@example.com!" .`,
			`102 20 "S" "SIP+D2T" "" _sip._tcp.example.net.`,
			`102 20 "" "" "" other.example.net.`,
		).and(
			step("and a second", set("test", "NAPTR", `102 20 "" "" "" other.example.net.`, `10 20 "S" "SIP+D2U" "" _sip._udp.example.net.`)),
			step("without the first", set("test", "NAPTR", `10 20 "S" "SIP+D2U" "" _sip._udp.example.net.`)),
		),
		fields("PTR", "4", "PTR", "foo.example.net.", "bar.example.net."),
		fields("SSHFP", "@", "SSHFP",
			"1 1 "+sha1A, "2 1 "+sha1A, "2 2 "+sha256A,
		).and(
			same("in upper case and with spaces", set("@", "SSHFP", "2 2 "+strings.ToUpper(sha256A[:20])+" "+sha256A[20:])),
			step("and a second", set("@", "SSHFP", "2 2 "+sha256A, "4 2 "+sha256B)),
		),
		fields("TLSA", "_443._tcp", "TLSA",
			"3 1 1 "+sha256A, "2 1 1 "+sha256A, "2 0 1 "+sha256A, "2 0 2 "+sha512A, "2 0 1 "+sha256B,
		).and(same("in upper case", set("_443._tcp", "TLSA", "2 0 1 "+strings.ToUpper(sha256B)))),
		fields("SMIMEA", strings.Repeat("ab", 28)+"._smimecert", "SMIMEA",
			"3 1 1 "+sha256A, "2 1 1 "+sha256A, "2 0 1 "+sha256A, "2 0 2 "+sha512A, "2 0 1 "+sha256B,
		),
		fields("OPENPGPKEY", strings.Repeat("cd", 28)+"._openpgpkey", "OPENPGPKEY",
			strings.Repeat("mQGiBE", 20), strings.Repeat("mQGiBF", 20),
		).and(
			same("in pieces", set(strings.Repeat("cd", 28)+"._openpgpkey", "OPENPGPKEY", strings.TrimSpace(strings.Repeat("mQGiBF ", 20)))),
			same("in hex", set(strings.Repeat("cd", 28)+"._openpgpkey", "OPENPGPKEY", strings.Repeat("9901a20459901a2045", 10))),
		),
		fields("DHCID", "test", "DHCID",
			"AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", "AAAAAAAAuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
		),
		fields("DNAME", "test", "DNAME", "example.net.", "example.org.").and(
			step("and one below", set("test", "DNAME", "example.org."), set("a.b", "DNAME", "example.net.")),
		),
		fields("HTTPS", "@", "HTTPS",
			`1 test.example.net. port="80"`, `2 test.example.net. port="80"`, `2 . port="80"`, `2 . port="99"`,
			`2 . alpn="h2,h3" port="99"`, `1 . alpn="h2,h3" port="99" ipv4hint="192.0.2.1" ipv6hint="2001:db8::1"`,
		).and(
			same("parameters in another order", set("@", "HTTPS", `1 . port="99" ipv6hint="2001:db8::1" ipv4hint="192.0.2.1" alpn="h2,h3"`)),
			step("without parameters", set("@", "HTTPS", "1 .")),
			step("an alias", set("www", "HTTPS", "0 www.example.net.")),
		),
		fields("ECH", "@", "HTTPS",
			`1 . alpn="h2,h3"`, `1 . alpn="h2,h3" ech="AAAA"`, `1 . alpn="h2,h3" ech="AAAB"`, `1 . alpn="h2,h3"`,
		),
		fields("SVCB", "_dns", "SVCB",
			`1 test.example.net. port="80"`, `2 test.example.net. port="80"`, `2 . port="80"`, `2 . port="99"`,
			`2 . alpn="h2,h3" port="99"`, `1 . mandatory="port" port="99" no-default-alpn="" alpn="dot"`, `1 .`,
		),
		fields("URI", "_ftp._tcp", "URI",
			`10 1 "ftp://ftp.example.com/public"`, `20 1 "ftp://ftp.example.com/public"`, `20 2 "ftp://ftp.example.com/public"`, `20 2 "https://example.com/a?b=c;d"`,
		),
		fields("AFSDB", "afs", "AFSDB", "1 afs1.example.net.", "2 afs1.example.net.", "2 afs2.example.net."),
		fields("HINFO", "host", "HINFO", `"PDP-11/70" "UNIX"`, `"PDP-11/70" "BSD 2.11"`),
		fields("CERT", "cert", "CERT", "1 12345 8 AQIDBAUG", "1 12345 8 AQIDBAUH", "6 0 0 AQIDBAUH"),
		fields("a type without a name", "new", "TYPE65280", `\# 4 0a000001`, `\# 4 0a000002`, `\# 0`).and(
			step("two values", set("new", "TYPE65280", `\# 1 00`, `\# 1 01`)),
		),
		fields("a type by its number", "foo", "TYPE16", "text", "another text").and(
			same("and by its name", set("foo", "TXT", "another text")),
		),
	}
}

// pointerGroups are about records that hand names on to other servers, and about
// services.
func pointerGroups() []ZoneGroup {
	ns := set("child", "NS", "ns101.example.net.")
	key := strings.Repeat("AwEAAaOu", 16)
	return []ZoneGroup{
		group("NS",
			step("one", set("xyz", "NS", "ns2.example.net.")),
			step("two", set("xyz", "NS", "ns2.example.net.", "ns1.example.net.")),
			step("the zone itself", set("xyz", "NS", "ns1.example.net.", "@"), set("@", "A", "192.0.2.1")),
			step("with glue", set("xyz", "NS", "ns.xyz"+".example.com."), set("ns.xyz", "A", "192.0.2.53"), set("ns.xyz", "AAAA", "2001:db8::53")),
			step("other glue", set("xyz", "NS", "ns.xyz"+".example.com."), set("ns.xyz", "A", "192.0.2.54")),
		),
		group("NS of the zone",
			step("a second", Set{Name: "@", Type: "NS", Values: []string{"ns2.example.net."}}),
			step("another second", Set{Name: "@", Type: "NS", Values: []string{"ns3.example.net."}}),
			step("four", Set{Name: "@", Type: "NS", Values: []string{"ns2.example.net.", "ns3.example.net.", "ns4.example.org."}}),
			step("one again"),
		),
		group("SRV",
			step("one", set("_sip._tcp", "SRV", "5 6 7 foo.example.net.")),
			step("two", set("_sip._tcp", "SRV", "5 6 7 foo.example.net.", "15 65 75 foo4.example.net.")),
			step("three", set("_sip._tcp", "SRV", "5 6 7 foo.example.net.", "15 65 75 foo4.example.net.", "5 66 77 foo5.example.net.")),
			step("delete one", set("_sip._tcp", "SRV", "5 6 7 foo.example.net.", "5 66 77 foo5.example.net.")),
			step("change the target", set("_sip._tcp", "SRV", "5 6 7 foo6.example.net.", "5 66 77 foo5.example.net.")),
			step("change the priority", set("_sip._tcp", "SRV", "52 6 7 foo6.example.net.", "5 66 77 foo5.example.net.")),
			step("change the weight", set("_sip._tcp", "SRV", "52 62 7 foo6.example.net.", "5 66 77 foo5.example.net.")),
			step("change the port", set("_sip._tcp", "SRV", "52 62 72 foo6.example.net.", "5 66 77 foo5.example.net.")),
			step("no such service", set("_sip._tcp", "SRV", "0 0 0 .")),
			step("change the TTL alone", set("_sip._tcp", "SRV", "0 0 0 .").In("20m")),
		),
		group("DS",
			step("of a child", ns, set("child", "DS", "1 13 1 "+sha1A)),
			step("change the key tag", ns, set("child", "DS", "9999 13 1 "+sha1A)),
			step("change the algorithm", ns, set("child", "DS", "9999 15 1 "+sha1A)),
			step("change the digest's type and the digest", ns, set("child", "DS", "9999 15 2 "+sha256A)),
			step("change the digest", ns, set("child", "DS", "9999 15 2 "+sha256B)),
			same("in upper case", ns, set("child", "DS", "9999 15 2 "+strings.ToUpper(sha256B))),
			step("SHA-384", ns, set("child", "DS", "9999 15 4 "+sha384A)),
			step("several", ns, set("child", "DS", "9999 15 4 "+sha384A, "9999 15 2 "+sha256A, "1234 13 2 "+sha256B)),
			step("delete some", ns, set("child", "DS", "1234 13 2 "+sha256B)),
			step("delete all", ns),
		),
		group("DS before NS",
			// The DS is declared first, and by its name would come first too.
			step("both at once", set("a-child", "DS", "1 13 2 "+sha256A), set("a-child", "NS", "ns101.example.net.")),
			step("and a second child", set("a-child", "DS", "1 13 2 "+sha256A), set("a-child", "NS", "ns101.example.net."),
				set("b-child", "DS", "2 13 2 "+sha256B), set("b-child", "NS", "ns101.example.net.")),
			step("neither"),
		),
		group("DNSKEY",
			step("of a child that lies within", set("test", "DNSKEY", "257 3 13 "+key)),
			step("change the flags", set("test", "DNSKEY", "256 3 13 "+key)),
			step("change the algorithm", set("test", "DNSKEY", "256 3 15 "+key)),
			step("change the key", set("test", "DNSKEY", "256 3 15 "+strings.Repeat("AwEAAaOv", 16))),
		),
		group("CDS and CDNSKEY",
			step("create", set("test", "CDS", "1 13 2 "+sha256A), set("test", "CDNSKEY", "257 3 13 "+key)),
			step("delete (RFC 8078)", set("test", "CDS", "0 0 0 00"), set("test", "CDNSKEY", "0 3 0 AA==")),
		),
	}
}
