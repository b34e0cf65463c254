package providertest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// publicKey is something of the length of a public key of that many bits, always
// the same.
func publicKey(bits int) string {
	b := make([]byte, bits/8+38)
	r := rand.New(rand.NewPCG(uint64(bits), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// mailGroups are about the records that mail is made of.
func mailGroups() []ZoneGroup {
	dkim := func(bits int) string { return "v=DKIM1; k=rsa; p=" + publicKey(bits) }
	tlsa := func(values ...string) Set { return set("_25._tcp.mail", "TLSA", values...) }
	policy := func(id string) []Set {
		return []Set{
			set("_mta-sts", "TXT", "v=STSv1; id="+id), set("mta-sts", "A", "192.0.2.80"),
			set("_smtp._tls", "TXT", "v=TLSRPTv1; rua=mailto:tls@example.com"),
		}
	}
	return []ZoneGroup{
		group("null MX",
			step("beside an address", set("nmx", "A", "192.0.2.1"), set("nmx", "MX", "0 .")),
			step("two real ones", set("nmx", "A", "192.0.2.1"), set("nmx", "MX", "1 mx1.example.net.", "2 mx2.example.net.")),
			step("null again", set("nmx", "A", "192.0.2.1"), set("nmx", "MX", "0 .")),
		),
		group("null MX of the zone",
			step("beside an address", set("@", "A", "192.0.2.1"), set("@", "MX", "0 .")),
			step("two real ones", set("@", "A", "192.0.2.1"), set("@", "MX", "1 mx1.example.net.", "2 mx2.example.net.")),
			step("null again", set("@", "A", "192.0.2.1"), set("@", "MX", "0 .")),
		),
		group("wildcard MX",
			step("create", set("*", "MX", "10 mx.example.net."), set("@", "MX", "10 mx.example.net.")),
			step("change the wildcard alone", set("*", "MX", "0 ."), set("@", "MX", "10 mx.example.net.")),
		),
		group("an MX moves within the zone",
			step("one host", set("mx1", "A", "192.0.2.1"), set("@", "MX", "10 mx1")),
			step("to another, in one step", set("mx2", "A", "192.0.2.2"), set("@", "MX", "10 mx2")),
		),
		group("DKIM keys",
			step("2,048 bits", set("s1._domainkey", "TXT", dkim(2048))),
			step("and 4,096 bits", set("s1._domainkey", "TXT", dkim(2048)), set("s2._domainkey", "TXT", dkim(4096))),
			step("the old one is revoked", set("s1._domainkey", "TXT", "v=DKIM1; k=rsa; p="), set("s2._domainkey", "TXT", dkim(4096))),
			step("and gone", set("s2._domainkey", "TXT", dkim(4096))),
			step("a selector of somebody else", set("s2._domainkey", "TXT", dkim(4096)), set("k1._domainkey", "CNAME", "dkim.example.net.")),
			step("both", set("s2._domainkey", "CNAME", "s2.dkim.example.net."), set("k1._domainkey", "CNAME", "dkim2.example.net.")),
		),
		group("texts at the zone's name",
			step("a policy", set("@", "TXT", "v=spf1 mx -all")),
			step("and tokens", set("@", "TXT", "v=spf1 mx -all", "google-site-verification=AbC123", "MS=ms12345678")),
			step("another policy", set("@", "TXT", "v=spf1 mx include:_spf.example.net ~all", "google-site-verification=AbC123", "MS=ms12345678")),
			step("one token less", set("@", "TXT", "v=spf1 mx include:_spf.example.net ~all", "MS=ms12345678")),
		),
		group("TLSA rollover",
			step("the key of today", set("mail", "A", "192.0.2.25"), tlsa("3 1 1 "+sha256A)),
			step("and of tomorrow", set("mail", "A", "192.0.2.25"), tlsa("3 1 1 "+sha256A, "3 1 1 "+sha256B)),
			step("tomorrow's alone", set("mail", "A", "192.0.2.25"), tlsa("3 1 1 "+sha256B)),
			step("and the authority", set("mail", "A", "192.0.2.25"), tlsa("3 1 1 "+sha256B, "2 1 1 "+sha256A)),
		),
		group("MTA-STS and TLS-RPT",
			step("create", policy("20260101")...),
			step("another id", policy("20260102")...),
		),
		group("DMARC",
			step("watch", set("_dmarc", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@example.com")),
			step("reject", set("_dmarc", "TXT", "v=DMARC1; p=reject; rua=mailto:dmarc@example.com,mailto:d@example.net!10m")),
			step("for another domain", set("_dmarc", "TXT", "v=DMARC1; p=reject"), set("example.net._report._dmarc", "TXT", "v=DMARC1")),
		),
		group("services (RFC 6186)",
			step("create", services("mail.example.net.")...),
			step("on another host", services("mail2.example.net.")...),
		),
		group("a domain without mail",
			step("create", set("@", "MX", "0 ."), set("@", "TXT", "v=spf1 -all"), set("_dmarc", "TXT", "v=DMARC1; p=reject"), set("*._domainkey", "TXT", "v=DKIM1; p=")),
			step("gets mail", set("@", "MX", "10 mx.example.net."), set("@", "TXT", "v=spf1 mx -all"), set("_dmarc", "TXT", "v=DMARC1; p=reject"), set("s1._domainkey", "TXT", dkim(2048))),
		),
	}
}

func services(host string) []Set {
	var sets []Set
	for i, name := range []string{"_submissions", "_imaps", "_pop3s"} {
		sets = append(sets, set(name+"._tcp", "SRV", fmt.Sprintf("0 1 %d %s", []int{465, 993, 995}[i], host)))
	}
	return append(sets, set("_imap._tcp", "SRV", "0 0 0 ."), set("_pop3._tcp", "SRV", "0 0 0 ."), set("autoconfig", "CNAME", host))
}
