package rdata_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A kept is a type of record with values of which no two mean the same, each in
// one spelling or more.
type kept struct {
	rrtype string
	values [][]string
}

var allTypes = []kept{
	{"A", [][]string{{"192.0.2.1", " 192.0.2.1 ", `\# 4 C0000201`}, {"192.0.2.2"}}},
	{"AAAA", [][]string{{"2001:db8::1", "2001:DB8:0:0:0::1", "2001:0db8::0.0.0.1", `\# 16 20010db8 0000000000000000 00000001`}, {"::ffff:192.0.2.1"}, {"2001:db8::"}}},
	{"CNAME", [][]string{{"www", "WWW.Example.com", "www.example.com."}, {"@", "example.com"}, {"ööö", "xn--ndaaa.example.com."}, {"中文.example.", "XN--FIQ228C.example"}, {`a\046b.example.`, `a\.b.example`}}},
	{"DNAME", [][]string{{"example.net.", "Example.NET"}, {"b"}}},
	{"PTR", [][]string{{"mail", "MAIL.example.com."}, {"."}}},
	{"NS", [][]string{{"ns1", "ns1.example.com."}, {"@"}}},
	{"MX", [][]string{{"10 mail", "010  Mail.example.com."}, {"0 .", `\# 3 000000`}, {"20 mail"}, {"10 @"}, {"10 mail.bücher.example"}}},
	{"SRV", [][]string{{"0 1 993 mail", "00 01 0993 MAIL.example.com."}, {"1 1 993 mail"}, {"0 2 993 mail"}, {"0 1 994 mail"}, {"0 1 993 other"}, {"0 0 0 ."}}},
	{"AFSDB", [][]string{{"1 afs", "1 AFS.example.com."}, {"2 afs"}}},
	{"RP", [][]string{{"admin info", "Admin.example.com. info.example.com."}, {"other info"}, {"admin ."}, {". info"}}},
	{"TXT", [][]string{{""}, {" "}, {"a"}, {"A"}, {`"a"`}, {`a\b`}, {`a\\b`}, {`a\\\b`}, {`a\\\\b`}, {"a;b"}, {"a ; b"}, {"a'b"}, {"a`b"}, {`a"b`}, {`"a`}, {`a"`}, {`a"b"c`}, {"a  b"}, {"a "}, {"é"}, {"\t"}, {`\# 1 00`},
		{strings.Repeat("a", 254)}, {strings.Repeat("a", 255)}, {strings.Repeat("a", 256)}, {strings.Repeat("a", 509)}, {strings.Repeat("a", 510)}, {strings.Repeat("a", 511)},
		{strings.Repeat("b", 764)}, {strings.Repeat("b", 765)}, {strings.Repeat("b", 766)}, {strings.Repeat(`\`, 256)}, {strings.Repeat(`"`, 255)}, {strings.Repeat("é", 128)}}},
	{"CAA", [][]string{{`0 issue "ca.example.net"`, `0 ISSUE ca.example.net`, `000 issue "ca.example.net"`}, {`128 issue "ca.example.net"`}, {`0 issuewild "ca.example.net"`}, {`0 issuemail "ca.example.net"`},
		{`0 iodef "mailto:a@example.com"`}, {`0 issue ";"`}, {`0 issue "ca.example.net; validationmethods=dns-01; accounturi=https://a.example/1"`}, {`0 contactemail "a@example.com"`}, {`0 issue ""`}, {`0 issue "a\"b"`, `0 issue "a\034b"`}}},
	{"TLSA", [][]string{{"3 1 1 abcdef01", "3 1 1 ABCD EF01", "03 01 01 aBcDeF01"}, {"2 1 1 abcdef01"}, {"3 0 1 abcdef01"}, {"3 1 2 abcdef01"}, {"3 1 1 abcdef02"}}},
	{"SMIMEA", [][]string{{"3 1 1 abcdef01", "3 1 1 ABCD EF01"}, {"2 1 1 abcdef01"}, {"3 0 1 abcdef01"}, {"3 1 2 abcdef01"}, {"3 1 1 abcdef02"}}},
	{"SSHFP", [][]string{{"4 2 abcdef01", "4 2 ABCD EF01"}, {"1 2 abcdef01"}, {"4 1 abcdef01"}, {"4 2 abcdef02"}}},
	{"DS", [][]string{{"12345 13 2 abcdef01", "12345 ECDSAP256SHA256 2 ABCD EF01"}, {"12346 13 2 abcdef01"}, {"12345 8 2 abcdef01"}, {"12345 13 4 abcdef01"}, {"12345 13 2 abcdef02"}}},
	{"CDS", [][]string{{"12345 13 2 abcdef01", "12345 13 2 ABCD EF01"}, {"0 0 0 00"}}},
	{"DNSKEY", [][]string{{"257 3 13 AQIDBAUG", "257 3 13 AQID BAUG", "257 3 ECDSAP256SHA256 AQIDBAUG"}, {"256 3 13 AQIDBAUG"}, {"257 3 8 AQIDBAUG"}, {"257 3 13 AQIDBAUH"}}},
	{"CDNSKEY", [][]string{{"257 3 13 AQIDBAUG", "257 3 ecdsap256sha256 AQID BAUG"}, {"0 3 0 AA=="}}},
	{"NAPTR", [][]string{{`100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .`, `100 10 U E2U+sip !^.*$!sip:a@b! .`, `0100 10 "U" "E2U+sip"  "!^.*$!sip:a@b!" .`}, {`101 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .`}, {`100 11 "u" "E2U+sip" "!^.*$!sip:a@b!" .`},
		{`100 10 "s" "E2U+sip" "!^.*$!sip:a@b!" .`}, {`100 10 "u" "E2U+mail" "!^.*$!sip:a@b!" .`}, {`100 10 "u" "E2U+sip" "!^.*$!sip:c@b!" .`}, {`100 10 "" "" "" a.example.net`, `100 10 "" "" "" A.example.net.`}, {`100 10 "u" "E2U+sip" "!^(.*)$!sip:\\1@b!" .`}}},
	{"SVCB", [][]string{{`1 svc port=53 alpn=h2,h3`, `1 svc.example.com. alpn="h2,h3" port="53"`}, {`1 .`}, {`0 other.example.net.`}, {`1 . mandatory=alpn,port alpn=h2 port=1`, `1 . port=1 alpn=h2 mandatory=port,alpn`},
		{`1 . ipv6hint=2001:db8::1`, `1 . ipv6hint="2001:DB8:0:0::1"`}, {`1 . ipv4hint=192.0.2.1,192.0.2.2`}, {`1 . alpn=h2 no-default-alpn`, `1 . no-default-alpn="" alpn=h2`}, {`1 . key65333=ex1`, `1 . key65333="ex1"`}, {`1 . dohpath=/dns-query{?dns}`}}},
	{"HTTPS", [][]string{{`1 . alpn=h2`, `01 . alpn="h2"`}, {`2 . alpn=h2`}, {`1 . alpn=h3`}, {`1 . ech="AEn+DQ=="`, `1 . ech=AEn+DQ==`}, {`1 . ech="AEn+Dg=="`}, {"1 @"}, {"1 .", "1 . "}}},
	{"LOC", [][]string{{"52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "52 22 23 n 04 53 32 e -2 0 10000 10", "52 22 23 N 4 53 32 E -2m 0m"},
		{"52 22 23 S 4 53 32 E -2m 0m"}, {"52 22 23 N 4 53 32 W -2m 0m"}, {"52 22 24 N 4 53 32 E -2m 0m"}, {"52 22 23 N 4 53 32 E -3m 0m"}, {"52 22 23 N 4 53 32 E -2m 1m", "52 22 23 N 4 53 32 E -2m"}, {"52 22 23 N 4 53 32 E -2m 0m 20m"}, {"52 22 23 N 4 53 32 E -2m 0m 10000m 20m"}, {"52 N 4 E 0"}}},
	{"OPENPGPKEY", [][]string{{"mDMEX6ZJABYJKwYBBAHaRw8BAQdA", "mDME X6ZJABYJKwYBBAHaRw8BAQdA", "983304 5fa649001609 2B06010401DA470F01010740"}, {"mDMEX6ZJABYJKwYBBAHaRw8BAQdB"}, {"abcd", "AB CD", `\# 2 abcd`}, {`\# 3 69b71d`}}},
	{"DHCID", [][]string{{"AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=", "AAIBY2/AuCccgoJb saxcQc9TUapptP69lOjxfNuVAA2kjEA="}, {"AAEB"}}},
	{"URI", [][]string{{`10 1 "https://example.com/a"`, `010 1 https://example.com/a`}, {`11 1 "https://example.com/a"`}, {`10 2 "https://example.com/a"`}, {`10 1 "https://example.com/A"`}}},
	{"HINFO", [][]string{{`"PC" "Linux"`, "PC Linux"}, {`"pc" "Linux"`}, {`"" ""`}}},
	{"CERT", [][]string{{"PKIX 1 RSASHA256 AQIDBA==", "1 1 8 AQID BA=="}, {"1 2 8 AQIDBA=="}}},
	{"TYPE65280", [][]string{{`\# 4 0a000001`, `\# 4 0A00 0001`}, {`\# 0`}, {`\# 4 0a000002`}}},
	{"TYPE62", [][]string{{`\# 9 000000010003000160`, "1 3 A NS"}, {"2 3 A NS"}}},
	{"TYPE108", [][]string{{"00-00-5e-00-53-2a", `\# 6 00005E00532A`}}},
}

func TestEveryType(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range allTypes {
		seen[k.rrtype] = true
		t.Run(k.rrtype, func(t *testing.T) {
			meaning := map[string]string{}
			for _, spellings := range k.values {
				first := ""
				for i, s := range spellings {
					got, err := rdata.Canonical(k.rrtype, s, "example.com.")
					if err != nil {
						t.Fatalf("%.80q: %v", s, err)
					}
					if i == 0 {
						first = got
						if other, ok := meaning[got]; ok {
							t.Errorf("%.80q and %.80q are not the same, and both become %.80q", s, other, got)
						}
						meaning[got] = s
					}
					if got != first {
						t.Errorf("%.80q becomes %.80q, and %.80q means the same and becomes %.80q", s, got, spellings[0], first)
					}
				}
				if again, err := rdata.Canonical(k.rrtype, first, "other.example."); err != nil || again != first {
					t.Errorf("%.80q becomes %.80q, %v: canonical form must be stable", first, again, err)
				}
				checkRoundTrip(t, k.rrtype, first)
			}
		})
	}
	for _, rrtype := range rdata.Types() {
		if !seen[rrtype] {
			t.Errorf("the type %s is not tested", rrtype)
		}
	}
}

// The known types by their numbers are the known types.
func TestATypeByItsNumber(t *testing.T) {
	for _, rrtype := range rdata.Types() {
		number := fmt.Sprintf("TYPE%d", dns.StringToType[rrtype])
		if got, err := rdata.ParseType(number); err != nil || got != rrtype {
			t.Errorf("ParseType(%s) = %s, %v, want %s", number, got, err, rrtype)
		}
	}
	for in, want := range map[string]string{"csync": "TYPE62", "EUI48": "TYPE108", "TYPE108": "TYPE108"} {
		if got, err := rdata.ParseType(in); err != nil || got != want {
			t.Errorf("ParseType(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

// Plain values take a shorter way, which leads to the same place.
func TestTheShortWayIsTheSame(t *testing.T) {
	names := []string{".", "@", "a", "A", "a.b", "a.b.", "*", "xn--a", "a_b", "-a", "a-", "192.0.2.1", "1", "1.2", "a..b", ".a", "a b", `a\.b`, "é", strings.Repeat("a.", 126) + "a", strings.Repeat("a", 63), strings.Repeat("a", 64), `"a"`, "a;b", "a(", ""}
	numbers := []string{"0", "00", "1", "65535", "65536", "-1", "+1", "x", "", "0x1"}
	r := rand.New(rand.NewPCG(1, 2))
	for _, rrtype := range []string{"CNAME", "DNAME", "NS", "PTR", "MX", "AFSDB", "SRV"} {
		for range 2000 {
			var f []string
			for range map[string]int{"MX": 1, "AFSDB": 1, "SRV": 3}[rrtype] {
				f = append(f, numbers[r.IntN(len(numbers))])
			}
			f = append(f, names[r.IntN(len(names))])
			value := strings.Join(f, []string{" ", "  ", "\t"}[r.IntN(3)])
			for _, origin := range []rdata.Name{"example.com.", rdata.Root, rdata.Name(strings.Repeat("b.", 126))} {
				short, shortErr := rdata.Canonical(rrtype, value, origin)
				long, longErr := rdata.CanonicalByParser(rrtype, value, origin)
				if (shortErr == nil) != (longErr == nil) || short != long {
					t.Fatalf("%s %q below %.20s: %q, %v, and by the parser %q, %v", rrtype, value, origin, short, shortErr, long, longErr)
				}
			}
		}
	}
}

// A record of any type, made of any octets that the library takes for one, comes
// back as it was.
func TestRecordsOfAnyOctets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	types := append(rdata.Types(), "TYPE65280", "TYPE62")
	made := map[string]int{}
	for range 60_000 {
		rrtype := types[r.IntN(len(types))]
		octets := make([]byte, r.IntN(24))
		for i := range octets {
			octets[i] = byte([]int{r.IntN(4), r.IntN(256), 'a' + r.IntN(26)}[r.IntN(3)])
		}
		number := dns.StringToType[rrtype]
		if number == 0 {
			fmt.Sscanf(rrtype, "TYPE%d", &number)
		}
		msg := append([]byte{0, byte(number >> 8), byte(number), 0, 1, 0, 0, 0, 60, 0, byte(len(octets))}, octets...)
		rr, _, err := dns.UnpackRR(msg, 0)
		if err != nil {
			continue
		}
		gotType, value, err := rdata.Value(rr)
		if err != nil || rrtype == "TXT" {
			continue
		}
		if gotType != rrtype {
			t.Fatalf("%v is a %s, want %s", rr, gotType, rrtype)
		}
		made[rrtype]++
		if again, err := rdata.Canonical(rrtype, value, "other.example."); err != nil || again != value {
			t.Fatalf("%s %q becomes %q, %v", rrtype, value, again, err)
		}
		checkRoundTrip(t, rrtype, value)
	}
	for _, rrtype := range types {
		if made[rrtype] == 0 && rrtype != "TXT" && !slices.Contains([]string{"AAAA", "LOC", "NAPTR", "RP"}, rrtype) {
			t.Errorf("no record of type %s was made", rrtype)
		}
	}
}
