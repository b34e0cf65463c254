package masterfile_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/masterfile"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

const zone = rdata.Name("example.org.")

const whole = `$TTL 1h
$ORIGIN example.org.
@ SOA ns1 hostmaster ( 1 1d 2h 4w 1h )
@ NS ns1
@ NS ns2.provider.example.
@ MX 10 mail
@ MX 20 mx2.example.net.
@ TXT "v=spf1 mx ip4:192.0.2.0/24 include:_spf.example.net ~all"
@ TXT "site=${abc} \"x\""
@ CAA 0 issue "ca.example.net"
ns1 A 192.0.2.1
mail A 192.0.2.2
mail 300 AAAA 2001:db8::2
www CNAME @
@ A 192.0.2.80
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"
s1._domainkey TXT ( "v=DKIM1; k=rsa; p=MIIBIjAN" "BgkqhkiG9w0B" )
*.dev 60 A 192.0.2.99
_sip._tcp SRV 0 5 5060 mail
_25._tcp.mail TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
sub NS ns.sub
ns.sub A 192.0.2.7
sub DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
a\.b A 192.0.2.8
odd\$name A 192.0.2.9
$GENERATE 1-3 host$ A 192.0.2.1$
`

// lines are the records of things, one a line, without the SOA record.
func lines(things []providers.Observed) []string {
	var out []string
	for _, o := range things {
		if o.Kind != schema.KindRRset {
			continue
		}
		ttl, _ := o.Attrs.GetAttr("ttl").AsBigFloat().Uint64()
		for _, v := range o.Attrs.GetAttr("values").AsValueSlice() {
			out = append(out, rdata.Line(rdata.Name(o.Attrs.GetAttr("name").AsString()), uint32(ttl), o.Attrs.GetAttr("type").AsString(), v.AsString()))
		}
	}
	slices.Sort(out)
	return out
}

func TestRead(t *testing.T) {
	const soa = "@ 60 SOA ns1 hostmaster 1 2 3 4 5\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"; a comment\n", "there are no records in it"},
		"another zone":               {"a.example.net. 1 A 192.0.2.1\n", "none of its records lies in the zone example.org"},
		"an include":                 {soa + "$INCLUDE other.zone\n", "$INCLUDE is not followed here: put the records into one file"},
		"no time to live":            {"\na A 192.0.2.1\n", "line 2: a.example.org. A has no time to live, and there is none before it: begin with $TTL"},
		"none, with a class":         {"a IN A 192.0.2.1\n", "line 1: a.example.org. A has no time to live"},
		"wrong after the minimum":    {"@ SOA ns1 hostmaster 1 2 3 4 5\n\na A 192.0.2\n", "line 3, column 11"},
		"skipped after the minimum":  {"@ SOA ns1 hostmaster 1 2 3 4 5\n\nb.example.net. A 192.0.2.2\na A 192.0.2.1\n", "skipped: line 3"},
		"a wrong address":            {soa + "\n\na 60 A 192.0.2\n", "line 4"},
		"an open parenthesis":        {soa + "a 60 TXT ( \"x\"\n", "line"},
		"a record outside":           {soa + "a 60 A 192.0.2.1\nb.example.net. 60 A 192.0.2.1\n", "skipped: line 3: b.example.net. A: the name lies outside the zone example.org"},
		"another class":              {soa + "a 60 CH TXT x\n", "skipped: line 2: a.example.org. TXT: its class is CH"},
		"a signature":                {soa + "a 60 RRSIG A 8 3 60 20300101000000 20200101000000 1 example.org. AAAA\n", "skipped: line 2: a.example.org. RRSIG: no type of record that can be declared: signatures are made by the name server"},
		"text that is no text":       {soa + `a 60 TXT "\255"` + "\n", "skipped: line 2: a.example.org. TXT: its text is not Unicode in normal form"},
		"text in another form":       {soa + `a 60 TXT "e\204\129"` + "\n", "skipped: line 2: a.example.org. TXT: its text is not Unicode"},
		"two times to live":          {soa + "a 60 A 192.0.2.1\na 30 A 192.0.2.2\n", "changed: line 3: a.example.org. A: records of one name and type have one time to live (RFC 2181 §5.2): 30 is taken, not 60"},
		"a time to live too long":    {soa + "a 2147483648 A 192.0.2.1\n", "changed: line 2: a.example.org. A: a time to live of 2147483648 seconds counts as none (RFC 2181 §8): 0 is taken"},
		"a second SOA":               {soa + soa, "skipped: line 2: example.org. SOA: a zone has one SOA record"},
		"the last line has no break": {soa + "b.example.net. 60 A 192.0.2.1", "skipped: line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			z, err := masterfile.Read(strings.NewReader(c.text), zone, masterfile.Options{})
			got := fmt.Sprint(err)
			if err == nil {
				got = ""
				for _, s := range z.Skipped {
					got += "skipped: " + s.String()
				}
				for _, s := range z.Changed {
					got += "changed: " + s.String()
				}
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestATransferIsTheSameZone(t *testing.T) {
	var rrs []dns.RR
	zp := dns.NewZoneParser(strings.NewReader(whole), string(zone), "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		rrs = append(rrs, rr)
	}
	fromFile, err := masterfile.Read(strings.NewReader(whole), zone, masterfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	transferred, err := masterfile.FromRecords(append(rrs, rrs[0]), zone)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lines(fromFile.Things), lines(transferred.Things)); d != "" || len(transferred.Skipped) > 0 {
		t.Errorf("%s\nskipped: %v", d, transferred.Skipped)
	}
}

// include is a zone in several files.
var include = map[string]string{
	"zone":          "$TTL 60\n@ SOA ns1 hostmaster 1 2 3 4 5\n$INCLUDE sub/hosts sub\n$INCLUDE /mail\nz A 192.0.2.9\n",
	"sub/hosts":     "a A 192.0.2.1\n$INCLUDE deep/more\nb A 192.0.2.2\n",
	"sub/deep/more": "\nc SPF \"v=spf1\"\n",
	"mail":          "@ MX 10 z\nwww.example.net. A 192.0.2.3\n",
	"empty":         "",
	"self":          "$INCLUDE self\n",
	"wrong":         "\n\na A 192.0.2\n",
}

func TestInclude(t *testing.T) {
	files := fstest.MapFS{"folder": {Mode: fs.ModeDir}}
	for name, text := range include {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	z, err := masterfile.Read(strings.NewReader(include["zone"]), zone, masterfile.Options{Include: files})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.sub.example.org. 60 IN A 192.0.2.1", "b.sub.example.org. 60 IN A 192.0.2.2",
		"example.org. 60 IN MX 10 z.example.org.", "z.example.org. 60 IN A 192.0.2.9",
	}
	if d := cmp.Diff(want, lines(z.Things)); d != "" {
		t.Error(d)
	}
	told := fmt.Sprint(z.Skipped)
	for _, part := range []string{"sub/deep/more, line 2: c.sub.example.org. SPF", "mail, line 2: www.example.net. A"} {
		if !strings.Contains(told, part) {
			t.Errorf("no %q in %s", part, told)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"a file that is not there":       {"$INCLUDE nowhere\n", "nowhere"},
		"a folder":                       {"$INCLUDE folder\n", "not a regular file"},
		"one out of the folder":          {"$INCLUDE ../x\n", "line 1"},
		"a file that includes itself":    {"$INCLUDE self\n", "too deeply nested"},
		"an error within":                {"$INCLUDE wrong\n", "wrong, line 3, column"},
		"empty ones without end":         {strings.Repeat("$INCLUDE empty\n", 20_000), masterfile.ErrTooLarge.Error()},
		"generating nothing without end": {strings.Repeat("$GENERATE 1-1 \n", 20_000), masterfile.ErrTooLarge.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := masterfile.Read(strings.NewReader(c.text), zone, masterfile.Options{Include: files})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

var manyDigits = regexp.MustCompile(`[0-9]{3}`)

// FuzzRead reads anything, and does not panic.
func FuzzRead(f *testing.F) {
	f.Add(whole, "")
	f.Add(include["zone"], include["mail"])
	f.Add("@ 60 TXT (\n", "$GENERATE 0-3/2 a${0,3,x} 60 A 192.0.2.$\n")
	f.Fuzz(func(t *testing.T, text, other string) {
		if strings.Contains(text+other, "$") && manyDigits.MatchString(text+other) {
			return // a few octets would make a hundred thousand records
		}
		files := fstest.MapFS{"mail": {Data: []byte(other)}, "sub/hosts": {Data: []byte(other)}}
		z, err := masterfile.Read(strings.NewReader(text), zone, masterfile.Options{Include: files})
		if err != nil {
			return
		}
		for _, line := range lines(z.Things) {
			if _, _, _, _, err := rdata.ParseLine(line); err != nil {
				t.Errorf("%q cannot be read: %v", line, err)
			}
		}
	})
}
