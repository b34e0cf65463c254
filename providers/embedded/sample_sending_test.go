package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func sendingOf(owner string, warning, all, each int64, verified ...string) schema.Resource {
	return providertest.Resource(schema.KindSending, owner, attrs{
		"owner": str(owner), "delay_warning": num(warning), "concurrency": num(all), "concurrency_per_destination": num(each), "verified_tls": list(verified...),
	})
}

func sendings() providertest.Sample {
	return providertest.Sample{
		Good:    sendingOf("main", 4*3600, 50, 5, "bank.example"),
		Changed: attrs{"delay_warning": num(60), "concurrency": num(1000), "concurrency_per_destination": num(1), "verified_tls": list()},
		Odd:     map[string]schema.Resource{"nobody is warned": sendingOf("silent", 0, 1, 1)},
		Refused: map[string][]cty.Value{
			"owner":                       {str("")},
			"delay_warning":               {num(-1)},
			"concurrency":                 {num(0), num(1001)},
			"concurrency_per_destination": {num(0), num(1001)},
			"verified_tls":                {list("Bank.example"), list("b.example", "a.example")},
		},
		Many: many(50, func(i int) schema.Resource { return sendingOf(fmt.Sprintf("many%d", i), int64(i), 10, 2) }),
	}
}
