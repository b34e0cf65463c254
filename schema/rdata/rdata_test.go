package rdata_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

func TestParseName(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	tests := map[string]struct {
		in, want, err string
	}{
		"a trailing dot is added":                {in: "mail.example.com", want: "mail.example.com."},
		"and kept":                               {in: "mail.example.com.", want: "mail.example.com."},
		"letters become lower-case":              {in: "Mail.EXAMPLE.com", want: "mail.example.com."},
		"other scripts become A-labels":          {in: "Bücher.example", want: "xn--bcher-kva.example."},
		"the root is a name":                     {in: ".", want: "."},
		"underscores are fine":                   {in: "_dmarc.example.com", want: "_dmarc.example.com."},
		"a wildcard in front is fine":            {in: "*.example.com", want: "*.example.com."},
		"a slash is fine in a reverse zone":      {in: "0/25.2.0.192.in-addr.arpa", want: "0/25.2.0.192.in-addr.arpa."},
		"escapes take one form":                  {in: `a\046b.example`, want: `a\.b.example.`},
		"an escaped letter is the letter":        {in: `\097.example`, want: "a.example."},
		"nothing is no name":                     {in: "", err: "empty"},
		"an empty label is refused":              {in: "a..b", err: "empty label"},
		"a dot in front is refused":              {in: ".a", err: "empty label"},
		"a space is refused":                     {in: "a b", err: "no spaces"},
		"an @ is refused":                        {in: "a@b.c", err: `"@"`},
		"a label may have 63 octets":             {in: label63 + ".example", want: label63 + ".example."},
		"and not 64":                             {in: label63 + "a.example", err: "at most 63"},
		"a name may have 253 octets":             {in: strings.Repeat("a.", 126) + "a", want: strings.Repeat("a.", 127)},
		"and not 254":                            {in: strings.Repeat("a.", 126) + "aa", err: "too long"},
		"an IPv4 address is none":                {in: "192.0.2.1", err: rdata.ErrAddress.Error()},
		"an IPv6 address is none":                {in: "2001:db8::1", err: rdata.ErrAddress.Error()},
		"a lone backslash at the end is refused": {in: `a\`, err: "escape"},
		"an escape beyond 255 is refused":        {in: `\256.example`, err: "255"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := rdata.ParseName(tt.in)
			checkErr(t, err, tt.err)
			if string(got) != tt.want {
				t.Errorf("ParseName(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseOwner(t *testing.T) {
	tests := map[string]struct{ in, want, err string }{
		"a label lies below the zone":         {in: "www", want: "www.example.com."},
		"several labels do":                   {in: "a.b", want: "a.b.example.com."},
		"@ is the zone":                       {in: "@", want: "example.com."},
		"a name that ends in the zone's name": {in: "www.example.com", want: "www.example.com."},
		"an absolute name":                    {in: "WWW.example.com.", want: "www.example.com."},
		"an absolute name elsewhere":          {in: "www.example.net.", err: rdata.ErrOutside.Error()},
		"a name that only looks alike":        {in: "notexample.com.", err: rdata.ErrOutside.Error()},
		"a wildcard":                          {in: "*", want: "*.example.com."},
		"a star elsewhere":                    {in: "a.*", err: "first label"},
		"a star within a label":               {in: "a*", err: "first label"},
		"a comma":                             {in: "www,ftp", err: "backslash"},
		"an escaped comma":                    {in: `www\,ftp`, want: "www,ftp.example.com."},
		"the escaped dot is no boundary":      {in: `a\.example.com.`, err: rdata.ErrOutside.Error()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := rdata.ParseOwner(tt.in, "example.com.")
			checkErr(t, err, tt.err)
			if string(got) != tt.want {
				t.Errorf("ParseOwner(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseContact(t *testing.T) {
	for in, want := range map[string]string{
		"hostmaster@example.com": "hostmaster.example.com.",
		"first.last@example.com": `first\.last.example.com.`,
		"hostmaster.example.com": "hostmaster.example.com.",
	} {
		got, err := rdata.ParseContact(in)
		if err != nil || string(got) != want {
			t.Errorf("ParseContact(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := rdata.ParseContact("@example.com"); err == nil {
		t.Error("ParseContact takes an address without a local part")
	}
}

func TestCanonical(t *testing.T) {
	long := strings.Repeat("x", rdata.MaxTXT)
	tests := map[string]struct{ rrtype, in, want, err string }{
		"an IPv4 address":                     {"A", " 192.0.2.1", "192.0.2.1", ""},
		"an IPv6 address is compressed":       {"AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1", ""},
		"IPv6 under A":                        {"A", "2001:db8::1", "", "its type is AAAA"},
		"IPv4 under AAAA":                     {"AAAA", "192.0.2.1", "", "its type is A"},
		"an octet too large":                  {"A", "192.0.2.256", "", "no IP address"},
		"a zone index":                        {"AAAA", "fe80::1%eth0", "", "no IP address"},
		"a mapped address stays IPv6":         {"AAAA", "::ffff:192.0.2.1", "::ffff:192.0.2.1", ""},
		"an MX with a relative label":         {"MX", "10 mail", "10 mail.example.com.", ""},
		"an MX with a full name":              {"MX", "10 Mail.Example.NET", "10 mail.example.net.", ""},
		"a null MX":                           {"MX", "0 .", "0 .", ""},
		"an MX to the zone itself":            {"MX", "10 @", "10 example.com.", ""},
		"an MX to an address":                 {"MX", "10 192.0.2.1", "", rdata.ErrAddress.Error()},
		"an MX to an IPv6 address":            {"MX", "10 2001:db8::1", "", rdata.ErrAddress.Error()},
		"an MX without preference":            {"MX", "mail.example.com.", "", "cannot be read"},
		"an MX preference too large":          {"MX", "65536 mail", "", "cannot be read"},
		"an IDN target":                       {"CNAME", "bücher.example.", "xn--bcher-kva.example.", ""},
		"a CNAME with two targets":            {"CNAME", "a b", "", "cannot be read"},
		"an SRV":                              {"SRV", "0 1 993 mail", "0 1 993 mail.example.com.", ""},
		"a TXT is plain text":                 {"TXT", `say "hi"; \o/`, `say "hi"; \o/`, ""},
		"an empty TXT":                        {"TXT", "", "", ""},
		"the longest TXT":                     {"TXT", long, long, ""},
		"a TXT too long":                      {"TXT", long + "x", "", "at most 65279"},
		"a CAA":                               {"CAA", `0 ISSUE "ca.example.net; a=b"`, `0 issue "ca.example.net; a=b"`, ""},
		"a comment is no part of a value":     {"CAA", `0 issue ca; rest`, "", "within quotes"},
		"a line break":                        {"CNAME", "a\nb 0 IN A 192.0.2.1", "", "line break"},
		"a TLSA in hex":                       {"TLSA", "3 1 1 ABCDEF", "3 1 1 abcdef", ""},
		"a TLSA that is not hex":              {"TLSA", "3 1 1 xyz", "", "cannot be"},
		"an SSHFP":                            {"SSHFP", "1 1 AB CD", "1 1 abcd", ""},
		"HTTPS parameters are sorted":         {"HTTPS", `1 . port=8443 alpn=h2`, `1 . alpn="h2" port="8443"`, ""},
		"an unknown type":                     {"TYPE65280", `\# 4 0A000001`, `\# 4 0a000001`, ""},
		"an unknown type with a wrong length": {"TYPE65280", `\# 5 0A000001`, "", "cannot be read"},
		"nothing":                             {"CNAME", " ", "", "empty"},
		"an open quote":                       {"CAA", `0 issue "ca`, "", "not closed"},
		"a directive is no record":            {"CNAME", "$INCLUDE /etc/passwd", "", "cannot be"},
		"NAPTR":                               {"NAPTR", `100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .`, `100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := rdata.Canonical(tt.rrtype, tt.in, "example.com.")
			checkErr(t, err, tt.err)
			if got != tt.want {
				t.Fatalf("Canonical(%s, %.80q) = %.80q, want %.80q", tt.rrtype, tt.in, got, tt.want)
			}
			if err != nil {
				return
			}
			if again, err := rdata.Canonical(tt.rrtype, got, "other.example."); err != nil || again != got {
				t.Errorf("Canonical(%s, %q) = %q, %v: canonical form must be stable", tt.rrtype, got, again, err)
			}
			checkRoundTrip(t, tt.rrtype, got)
		})
	}
}

// checkRoundTrip sends a canonical value over the wire and through a zone file.
func checkRoundTrip(t *testing.T, rrtype, value string) {
	t.Helper()
	const owner = rdata.Name("www.example.com.")
	rr, err := rdata.RR(owner, 300, rrtype, value)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 70000)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("pack %s %q: %v", rrtype, value, err)
	}
	wire, _, err := dns.UnpackRR(buf[:n], 0)
	if err != nil {
		t.Fatal(err)
	}
	line, err := dns.NewRR(rdata.Line(owner, 300, rrtype, value))
	if err != nil {
		t.Fatalf("line of %s %q: %v", rrtype, value, err)
	}
	for from, rr := range map[string]dns.RR{"the wire": wire, "a zone file": line} {
		gotType, got, err := rdata.Value(rr)
		if err != nil || gotType != rrtype || got != value {
			t.Errorf("from %s came %s %q (%v), want %s %q", from, gotType, got, err, rrtype, value)
		}
		if rr.Header().Name != string(owner) || rr.Header().Ttl != 300 {
			t.Errorf("from %s came the header %v", from, rr.Header())
		}
	}
}

func TestSplitTXT(t *testing.T) {
	for _, n := range []int{0, 1, 254, 255, 256, 509, 510, 511, 764, 765, 766} {
		text := strings.Repeat("é", n)[:n]
		chunks := rdata.SplitTXT(text)
		if strings.Join(chunks, "") != text {
			t.Errorf("the chunks of %d octets are not the text", n)
		}
		if want := max(1, (n+254)/255); len(chunks) != want {
			t.Errorf("%d octets make %d strings, want %d", n, len(chunks), want)
		}
		for _, c := range chunks {
			if len(c) > 255 {
				t.Errorf("a string of %d octets", len(c))
			}
		}
	}
}

func TestParseType(t *testing.T) {
	for in, want := range map[string]string{"a": "A", "TYPE16": "TXT", "type65280": "TYPE65280", " mx ": "MX"} {
		if got, err := rdata.ParseType(in); err != nil || got != want {
			t.Errorf("ParseType(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "SOA", "TYPE6", "SPF", "RRSIG", "ANY", "OPT", "TYPE41", "TYPE0", "TYPE255", "TYPE65536", "TYPE065280", "AX"} {
		if got, err := rdata.ParseType(in); !errors.Is(err, rdata.ErrType) {
			t.Errorf("ParseType(%q) = %q, %v, want ErrType", in, got, err)
		}
	}
}

func TestSPFText(t *testing.T) {
	many := make([]rdata.Name, 10)
	for i := range many {
		many[i] = "a.example."
	}
	tests := map[string]struct {
		in        rdata.SPF
		want, err string
	}{
		"only the exchangers": {in: rdata.SPF{MX: true, Policy: "fail"}, want: "v=spf1 mx -all"},
		"nobody":              {in: rdata.SPF{Policy: "fail"}, want: "v=spf1 -all"},
		"everything": {in: rdata.SPF{
			MX: true, Hosts: []rdata.Name{"out.example.com."}, Include: []rdata.Name{"_spf.example.net."},
			Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32"), netip.MustParsePrefix("2001:db8::1/32")},
			Policy:   "softfail",
		}, want: "v=spf1 mx a:out.example.com ip4:192.0.2.9 ip6:2001:db8::/32 include:_spf.example.net ~all"},
		"nothing said of others": {in: rdata.SPF{MX: true, Policy: "none"}, want: "v=spf1 mx"},
		"ten look-ups":           {in: rdata.SPF{Include: many, Policy: "neutral"}, want: "v=spf1" + strings.Repeat(" include:a.example", 10) + " ?all"},
		"eleven are too many":    {in: rdata.SPF{MX: true, Include: many, Policy: "fail"}, err: "11 look-ups"},
		"everyone is no policy":  {in: rdata.SPF{Policy: "pass"}, err: `"pass"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.in.Text()
			checkErr(t, err, tt.err)
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestSPFLookups(t *testing.T) {
	for text, want := range map[string]int{
		"v=spf1 -all":         0,
		"v=spf1 A MX ptr all": 3,
		"v=spf1 ~include:a +a:x//64 a/24 ?mx -all": 4,
		"v=spf1 redirect=a.example":                1,
		"v=spf1 redirect=a.example -all":           0,
		"v=spf1 exists:%{i}.a.example ip4:1.2.3.4": 1,
	} {
		if got := rdata.SPFLookups(text); got != want {
			t.Errorf("SPFLookups(%q) = %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]bool{"v=spf1": true, "V=SPF1 -all": true, "v=spf10 -all": false, "v=spf1-all": false, "x": false} {
		if got := rdata.IsSPF(text); got != want {
			t.Errorf("IsSPF(%q) = %v", text, got)
		}
	}
}

func TestDMARCText(t *testing.T) {
	tests := map[string]struct {
		in        rdata.DMARC
		want, err string
	}{
		"the policy alone": {in: rdata.DMARC{Policy: "reject", Percent: 100}, want: "v=DMARC1; p=reject"},
		"everything": {in: rdata.DMARC{
			Policy: "quarantine", Subdomains: "none", Percent: 0, StrictDKIM: true, StrictSPF: true,
			Reports: []string{"dmarc@example.com", "https://example.net/a,b"}, Failures: []string{"mailto:x@example.com"},
		}, want: "v=DMARC1; p=quarantine; sp=none; adkim=s; aspf=s; pct=0; rua=mailto:dmarc@example.com,https://example.net/a%2Cb; ruf=mailto:x@example.com"},
		"no policy":         {in: rdata.DMARC{Percent: 100}, err: "none, quarantine or reject"},
		"an unknown policy": {in: rdata.DMARC{Policy: "none", Subdomains: "drop", Percent: 100}, err: `"drop"`},
		"too many percent":  {in: rdata.DMARC{Policy: "none", Percent: 101}, err: "101"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.in.Text()
			checkErr(t, err, tt.err)
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestDKIM(t *testing.T) {
	if got, want := (rdata.DKIM{Algorithm: "ed25519", Key: []byte{1, 2, 3}}).Text(), "v=DKIM1; k=ed25519; p=AQID"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, err := rdata.DKIMName("S1.mail", "example.com."); err != nil || got != "s1.mail._domainkey.example.com." {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := rdata.DKIMName("*", "example.com."); err == nil {
		t.Errorf("a wildcard is taken as a selector: %q", got)
	}
}

func TestZoneFileIsReadBack(t *testing.T) {
	lines := []string{
		rdata.Line("example.com.", 3600, "MX", rdata.MX(10, "mail.example.com.")),
		rdata.Line("example.com.", 3600, "TXT", "v=spf1 mx -all"),
		rdata.Line("s1._domainkey.example.com.", 60, "TXT", "v=DKIM1; k=rsa; p="+strings.Repeat("A", 400)),
	}
	zp := dns.NewZoneParser(strings.NewReader(rdata.ZoneFile("example.com.", lines)), "", "")
	var got []string
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		rrtype, value, err := rdata.Value(rr)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rdata.Line(rdata.Name(rr.Header().Name), rr.Header().Ttl, rrtype, value))
	}
	if zp.Err() != nil {
		t.Fatal(zp.Err())
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Error(diff)
	}
}

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatal(err)
	case want != "" && err == nil:
		t.Fatalf("no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Fatalf("error %q does not say %q", err, want)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"10 mail", `0 issue "a;b"`, `\# 1 00`, "1 . alpn=h2", `a\.b.c`, "3 1 1 ab", "bücher.example", `"a" "b"`} {
		for i := range rdata.Types() {
			f.Add(uint8(i), s)
		}
	}
	types := append(rdata.Types(), "TYPE65280")
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		rrtype := types[int(i)%len(types)]
		got, err := rdata.Canonical(rrtype, value, "example.com.")
		if err != nil {
			return
		}
		if again, err := rdata.Canonical(rrtype, got, "other.example."); err != nil || again != got {
			t.Fatalf("%s %q became %q, and that %q (%v)", rrtype, value, got, again, err)
		}
		checkRoundTrip(t, rrtype, got)
	})
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"a.b", `\..a`, `a\046.`, "ß.de", "*.a", "0/25.a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = rdata.ParseContact(s)
		_, _ = rdata.ParseOwner(s, "example.com.")
		n, err := rdata.ParseName(s)
		if err != nil {
			return
		}
		if again, err := rdata.ParseName(string(n)); err != nil || again != n {
			t.Fatalf("%q became %q, and that %q (%v)", s, n, again, err)
		}
		if _, ok := dns.IsDomainName(string(n)); !ok || !dns.IsFqdn(string(n)) {
			t.Fatalf("%q became %q, which is no name", s, n)
		}
	})
}

// What a line was made of is read back from it; any other text is an error and
// no panic.
func FuzzParseLine(f *testing.F) {
	for _, line := range []string{
		"example.com. 3600 IN MX 10 mail.example.com.", "_dmarc.example.com. 60 IN TXT \"v=DMARC1; p=none\"",
		"x. 1 IN TXT \"a\" \"b\"", "; a comment", "", "x", "x. IN A 192.0.2.1", "$ORIGIN x.", "x. 1 IN A 192.0.2.1 ; y",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		name, ttl, rrtype, value, err := rdata.ParseLine(line)
		if err != nil {
			return
		}
		name2, ttl2, rrtype2, value2, err := rdata.ParseLine(rdata.Line(name, ttl, rrtype, value))
		if err != nil || name2 != name || ttl2 != ttl || rrtype2 != rrtype || value2 != value {
			t.Errorf("%q is %s %d %s %q, and read again %s %d %s %q, %v", line, name, ttl, rrtype, value, name2, ttl2, rrtype2, value2, err)
		}
	})
}
