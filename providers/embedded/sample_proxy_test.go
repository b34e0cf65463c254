package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func proxyOf(owner string) schema.Resource {
	return providertest.Resource(schema.KindProxy, owner, attrs{"owner": str(owner), "from": list("192.0.2.7/32")})
}

func proxies() providertest.Sample {
	return providertest.Sample{
		Good:    proxyOf("main"),
		Changed: attrs{"from": list("192.0.2.0/24", "2001:db8::/32")},
		Odd:     map[string]schema.Resource{"of a server with a dot in its name": proxyOf("o.dd")},
		Refused: map[string][]cty.Value{"owner": {str("")}, "from": {list("192.0.2.1"), list("192.0.2.1/24")}},
		Many:    many(50, func(i int) schema.Resource { return proxyOf(fmt.Sprintf("many%d", i)) }),
	}
}
