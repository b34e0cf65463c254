package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func dnsblOf(owner, zone, action string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "zone": str(zone), "action": str(action), "weight": num(10), "answers": list("127.0.0.10/31", "127.0.0.2/32"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindDNSBL, owner+"/"+zone+"/"+action, a)
}

func dnsbls() providertest.Sample {
	return providertest.Sample{
		Good:    dnsblOf("main", "bl.example.net", "reject", nil),
		Changed: attrs{"weight": num(3), "answers": list()},
		Odd: map[string]schema.Resource{
			"the same list for another purpose": dnsblOf("main", "bl.example.net", "mark", attrs{"answers": list("127.0.0.0/8")}),
			"a name with underscores":           dnsblOf("main", "_wl.example.net", "allow", nil),
		},
		Refused: map[string][]cty.Value{
			"owner": {str("")}, "zone": {str(""), str("Example.net"), str("example.net.")}, "action": {str(""), str("drop")},
			"weight": {num(0), num(-1), num(11)}, "answers": {list("127.0.0.2"), list("192.0.2.0/24"), list("::1/128"), list("127.0.0.2/32", "127.0.0.10/31")},
		},
		Many: many(50, func(i int) schema.Resource {
			return dnsblOf("main", fmt.Sprintf("many%d.example.net", i), "reject", nil)
		}),
	}
}

func greylistOf(owner string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "delay": num(300), "retry_within": num(172800), "keep": num(3024000), "known_after": num(5),
		"pass_spf": cty.True, "exempt": list("192.0.2.0/24"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindGreylist, owner, a)
}

func greylists() providertest.Sample {
	return providertest.Sample{
		Good: greylistOf("main", nil),
		Changed: attrs{
			"delay": num(1), "retry_within": num(3600), "keep": num(172800), "known_after": num(0), "pass_spf": cty.False, "exempt": list(),
		},
		Odd: map[string]schema.Resource{"kept as long as it may come": greylistOf("short", attrs{"delay": num(3600), "retry_within": num(3601), "keep": num(3601)})},
		Refused: map[string][]cty.Value{
			"owner": {str("")}, "delay": {num(0), num(-1), num(3601)}, "retry_within": {num(0), num(300)}, "keep": {num(0), num(172799)},
			"known_after": {num(-1), num(101)}, "exempt": {list("192.0.2.1")},
		},
		Many: many(50, func(i int) schema.Resource { return greylistOf(fmt.Sprintf("many%d", i), nil) }),
	}
}
