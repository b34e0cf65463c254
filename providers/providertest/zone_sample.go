package providertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// longName is a domain name of 253 bytes, with labels of 63.
var longName = strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 57) + ".net"

func many(n int, one func(i int) schema.Resource) []schema.Resource {
	out := make([]schema.Resource, n)
	for i := range out {
		out[i] = one(i)
	}
	return out
}

// ZoneResource is a zone. change are attributes that are not the usual ones.
func ZoneResource(name string, change map[string]cty.Value) schema.Resource {
	a := map[string]cty.Value{
		"name": cty.StringVal(name), "primary": cty.StringVal("ns1.example.net."), "contact": cty.StringVal("hostmaster.example.net."),
		"refresh": cty.NumberIntVal(7200), "retry": cty.NumberIntVal(900), "expire": cty.NumberIntVal(1209600), "negative_ttl": cty.NumberIntVal(300),
	}
	for n, v := range change {
		a[n] = v
	}
	key := strings.TrimSuffix(name, ".")
	if key == "" {
		key = "."
	}
	return Resource(schema.KindZone, key, a)
}

// ZoneSample is a sample of zones that every name server can hold.
func ZoneSample() Sample {
	return Sample{
		Good:    ZoneResource("example.com.", nil),
		Changed: map[string]cty.Value{"primary": cty.StringVal("ns2.example.net."), "contact": cty.StringVal(`host\.master.example.net.`)},
		Odd: map[string]schema.Resource{
			"the root":                  ZoneResource(".", nil),
			"one label":                 ZoneResource("test.", nil),
			"a slash (RFC 2317)":        ZoneResource("0/25.2.0.192.in-addr.arpa.", nil),
			"escapes":                   ZoneResource(`a\.b\;c\"d.example.`, nil),
			"a name of 253 bytes":       ZoneResource(longName+".", nil),
			"an internationalised name": ZoneResource("xn--bcher-kva.example.", nil),
			"the least of numbers":      ZoneResource("example.com.", map[string]cty.Value{"refresh": cty.NumberIntVal(0), "retry": cty.NumberIntVal(0), "expire": cty.NumberIntVal(0), "negative_ttl": cty.NumberIntVal(0)}),
			"the greatest of numbers":   ZoneResource("example.com.", map[string]cty.Value{"refresh": cty.NumberIntVal(1<<31 - 1), "retry": cty.NumberIntVal(1<<31 - 1), "expire": cty.NumberIntVal(1<<31 - 1), "negative_ttl": cty.NumberIntVal(1<<31 - 1)}),
		},
		Refused: map[string][]cty.Value{
			"name":         {cty.StringVal(""), cty.StringVal("example.com"), cty.StringVal("Example.com."), cty.StringVal("a..b."), cty.StringVal("bücher.example."), cty.StringVal("a b.")},
			"primary":      {cty.StringVal(""), cty.StringVal("ns1.example.net"), cty.StringVal("NS1.example.net.")},
			"contact":      {cty.StringVal(""), cty.StringVal("hostmaster@example.net")},
			"refresh":      {cty.NumberIntVal(1 << 31), cty.NumberIntVal(1 << 32)},
			"retry":        {cty.NumberIntVal(1 << 31)},
			"expire":       {cty.NumberIntVal(1 << 31)},
			"negative_ttl": {cty.NumberIntVal(1 << 31)},
		},
		Many: many(100, func(i int) schema.Resource { return ZoneResource(fmt.Sprintf("z%d.example.", i), nil) }),
	}
}

// RRsetResource is a record set that lives for an hour.
func RRsetResource(zone, name, rrtype string, values ...string) schema.Resource {
	values = slices.Sorted(slices.Values(values)) // as they are declared
	return Resource(schema.KindRRset, strings.TrimSuffix(zone, ".")+"/"+name+"/"+rrtype, map[string]cty.Value{
		"zone": cty.StringVal(zone), "name": cty.StringVal(name), "type": cty.StringVal(rrtype), "ttl": cty.NumberIntVal(3600), "values": List(values...),
	})
}

// RRsetSample is a sample of record sets, in zones of its own.
func RRsetSample() Sample {
	const classless = "0/25.2.0.192.in-addr.arpa."
	txt := func(values ...string) schema.Resource {
		return RRsetResource("example.com.", "txt.example.com.", "TXT", values...)
	}
	label := strings.Repeat("a", 63) + "."
	return Sample{
		Needs:   []schema.Resource{ZoneResource("example.com.", nil), ZoneResource(classless, nil)},
		Good:    RRsetResource("example.com.", "www.example.com.", "A", "192.0.2.80"),
		Changed: map[string]cty.Value{"values": List("192.0.2.81", "192.0.2.82")},
		Odd: map[string]schema.Resource{
			"an empty text":               txt(""),
			"255 bytes":                   txt(strings.Repeat("x", 255)),
			"256 bytes":                   txt(strings.Repeat("x", 256)),
			"the longest text":            txt(strings.Repeat("x", 4000)),
			"quotes":                      txt(`"`, `""`, `say "hello"`),
			"backslashes":                 txt(`\`, `\"`, `\065`, `a\\b`),
			"semicolons and parentheses":  txt(`v=spf1; (a)`, `; not a comment`),
			"unicode":                     txt("Grüße, 世界 🌍"),
			"upper case and spaces":       txt("  Two  Words  "),
			"line breaks and tabs":        txt("a\tb", "c\r\nd"),
			"markup":                      txt(`<script>&amp;</script>`),
			"a wildcard":                  RRsetResource("example.com.", "*.example.com.", "MX", "10 mail.example.com."),
			"the zone's own name":         RRsetResource("example.com.", "example.com.", "CAA", `0 issue "ca.example.net"`),
			"an underscore":               RRsetResource("example.com.", "_imaps._tcp.example.com.", "SRV", "0 1 993 mail.example.com."),
			"a dot within a label":        RRsetResource("example.com.", `a\.b.example.com.`, "A", "192.0.2.1"),
			"a name of 255 octets":        RRsetResource("example.com.", strings.Repeat(label, 3)+strings.Repeat("b", 49)+".example.com.", "A", "192.0.2.1"),
			"escapes in a name":           RRsetResource("example.com.", `a\;b\"c\@d.example.com.`, "A", "192.0.2.1"),
			"a slash in zone and name":    RRsetResource(classless, "1."+classless, "PTR", "host.example.com."),
			"a slash that is no border":   RRsetResource("example.com.", "a/b.example.com.", "A", "192.0.2.1"),
			"a type that has no name yet": RRsetResource("example.com.", "x.example.com.", "TYPE65280", `\# 4 0a000001`),
			"many values":                 RRsetResource("example.com.", "many.example.com.", "A", numbered(200, "192.0.2.%d")...),
		},
		Refused: map[string][]cty.Value{
			"zone":   {cty.StringVal(""), cty.StringVal("example.com"), cty.StringVal("Example.com.")},
			"name":   {cty.StringVal(""), cty.StringVal("www"), cty.StringVal("WWW.example.com."), cty.StringVal("www.example.net."), cty.StringVal(`www\.example.com.`), cty.StringVal("a..example.com.")},
			"type":   {cty.StringVal(""), cty.StringVal("SOA"), cty.StringVal("a"), cty.StringVal("NONSENSE"), cty.StringVal("ANY")},
			"ttl":    {cty.NumberIntVal(1 << 31), cty.NumberIntVal(1 << 32)},
			"values": {List(), List(""), List("192.0.2.300"), List("2001:db8::1"), List("192.0.2.1", "x")},
		},
		Many: many(1000, func(i int) schema.Resource {
			return RRsetResource("example.com.", fmt.Sprintf("h%d.example.com.", i), "AAAA", fmt.Sprintf("2001:db8::%x", i+1))
		}),
	}
}
