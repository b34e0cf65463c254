package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func secondary(key string, change attrs) schema.Resource {
	a := attrs{
		"owner": str("ns1"), "address": str("192.0.2.54:53"), "unsigned": cty.False,
		"key_name": str("ns2.example.com."), "key_algorithm": str("hmac-sha256"), "key_secret": str("c2VjcmV0LXNlY3JldA=="),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindSecondary, key, a)
}

func secondaries() providertest.Sample {
	none := attrs{"key_name": str(""), "key_algorithm": str(""), "key_secret": str("")}
	return providertest.Sample{
		Good: secondary("ns1/192.0.2.54:53", nil),
		Changed: attrs{
			"address": str("[2001:db8::54]:5353"), "unsigned": cty.True, "key_name": str("other.example.com."),
			"key_algorithm": str("hmac-sha512"), "key_secret": str("YW5vdGhlci1zZWNyZXQ="),
		},
		Odd: map[string]schema.Resource{
			"a key alone":      secondary("ns1/ns2.example.com", attrs{"address": str("")}),
			"an address alone": secondary("ns1/192.0.2.55:53", none),
		},
		Refused: map[string][]cty.Value{
			"owner":         {str("")},
			"address":       {str("192.0.2.54"), str("ns2.example.com:53")},
			"key_name":      {str(""), str("ns2.example.com"), str("NS2.example.com.")},
			"key_algorithm": {str(""), str("hmac-md5"), str("HMAC-SHA256")},
			"key_secret":    {str(""), str("!")},
		},
		Many: many(50, func(i int) schema.Resource {
			return secondary(fmt.Sprintf("ns1/192.0.2.%d:53", i), attrs{"address": str(fmt.Sprintf("192.0.2.%d:53", i))})
		}),
	}
}

func signing(zone string, change attrs) schema.Resource {
	a := attrs{
		"zone": str(zone + "."), "denial": str("nsec3"), "signature_lifetime": num(14 * 86400), "zsk_lifetime": num(90 * 86400),
		"ksk_lifetime": num(0), "propagation": num(3600), "parental_agents": list(), "withdraw": cty.False,
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindDNSSEC, zone, a)
}

func signings() providertest.Sample {
	return providertest.Sample{
		Good: signing("example.com", nil),
		Changed: attrs{
			"denial": str("nsec"), "signature_lifetime": num(30 * 86400), "zsk_lifetime": num(0), "ksk_lifetime": num(365 * 86400),
			"propagation": num(0), "parental_agents": list("192.0.2.53:53", "[2001:db8::53]:53"), "withdraw": cty.True,
		},
		Odd: map[string]schema.Resource{
			"an internationalised name": signing("xn--bcher-kva.example", nil),
			"a long name":               signing(longDomain, nil),
		},
		Refused: map[string][]cty.Value{
			"zone":               {str(""), str("example.com"), str("Example.com.")},
			"denial":             {str(""), str("nsec5"), str("NSEC3")},
			"signature_lifetime": {num(0), num(3600), num(3 * 365 * 86400)},
			"zsk_lifetime":       {num(3600), num(-1)},
			"ksk_lifetime":       {num(3600), num(-1)},
			"propagation":        {num(-1), num(30 * 86400)},
			"parental_agents":    {list("192.0.2.53"), list("ns.example.net:53")},
		},
		Many: many(50, func(i int) schema.Resource { return signing(fmt.Sprintf("d%d.example.net", i), nil) }),
	}
}
