package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func sharingOf(address string, change attrs) schema.Resource {
	a := attrs{"address": str(address), "readers": list(), "writers": list(), "managers": list(), "everyone": str("nothing")}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindSharing, address, a)
}

func sharings() providertest.Sample {
	return providertest.Sample{
		Good:    sharingOf("team@example.com", attrs{"readers": list("bob@example.com"), "writers": list("alice@example.com", "carol@example.com")}),
		Changed: attrs{"readers": list("alice@example.com"), "writers": list("bob@example.com"), "managers": list("carol@example.com"), "everyone": str("read")},
		Odd: map[string]schema.Resource{
			"for nobody":          sharingOf("nobody@example.com", nil),
			"for everybody":       sharingOf("all@example.com", attrs{"everyone": str("write")}),
			"with somebody twice": sharingOf("twice@example.com", attrs{"readers": list("a@example.com"), "managers": list("a@example.com")}),
		},
		Refused: map[string][]cty.Value{
			"address":  {str(""), str("team"), str("Team@example.com")},
			"readers":  {list("bob"), list("Bob@example.com"), list("b@example.com", "a@example.com")},
			"everyone": {str(""), str("all")},
		},
		Many: many(50, func(i int) schema.Resource {
			return sharingOf(fmt.Sprintf("many%d@example.com", i), attrs{"readers": list("alice@example.com")})
		}),
	}
}
