package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func inboundOf(owner string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "spf": str("report"), "dkim": str("report"), "arc": str("report"), "dmarc": str("enforce"),
		"trusted_sealers": list("lists.example.net"), "exempt": list("127.0.0.0/8", "::1/128"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindInbound, owner, a)
}

func inbound() providertest.Sample {
	return providertest.Sample{
		Good: inboundOf("main", nil),
		Changed: attrs{
			"spf": str("enforce"), "dkim": str("off"), "arc": str("off"), "dmarc": str("report"),
			"trusted_sealers": list("a.example", "b.example"), "exempt": list(),
		},
		Odd: map[string]schema.Resource{"all off": inboundOf("quiet", attrs{
			"spf": str("off"), "dkim": str("off"), "arc": str("off"), "dmarc": str("off"), "trusted_sealers": list()})},
		Refused: map[string][]cty.Value{
			"owner":           {str("")},
			"spf":             {str(""), str("maybe")},
			"dkim":            {str(""), str("enforce")},
			"arc":             {str(""), str("enforce")},
			"dmarc":           {str(""), str("reject")},
			"trusted_sealers": {list("Example.com"), list("com"), list("b.example", "a.example")},
			"exempt":          {list("192.0.2.1"), list("192.0.2.1/24"), list("2001:db8::/32", "192.0.2.0/24")},
		},
		Many: many(50, func(i int) schema.Resource { return inboundOf(fmt.Sprintf("many%d", i), nil) }),
	}
}

func resolverOf(owner string, servers ...string) schema.Resource {
	return providertest.Resource(schema.KindResolver, owner, attrs{"owner": str(owner), "servers": list(servers...)})
}

func resolvers() providertest.Sample {
	return providertest.Sample{
		Good:    resolverOf("main", "192.0.2.53:53", "127.0.0.1:5353"),
		Changed: attrs{"servers": list("[2001:db8::53]:53")},
		Odd:     map[string]schema.Resource{"the same twice": resolverOf("twice", "192.0.2.53:53", "192.0.2.53:53")},
		Refused: map[string][]cty.Value{
			"owner":   {str("")},
			"servers": {list(), list("192.0.2.53"), list("ns.example.com:53")},
		},
		Many: many(50, func(i int) schema.Resource { return resolverOf(fmt.Sprintf("many%d", i), "192.0.2.53:53") }),
	}
}
