package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func timeZoneOf(owner string) schema.Resource {
	return providertest.Resource(schema.KindTimeZone, owner, attrs{"owner": str(owner), "name": str("Europe/Berlin")})
}

func timeZones() providertest.Sample {
	return providertest.Sample{
		Good:    timeZoneOf("main"),
		Changed: attrs{"name": str("America/Argentina/Buenos_Aires")},
		Odd:     map[string]schema.Resource{"of a server with a dot in its name": timeZoneOf("o.dd")},
		Refused: map[string][]cty.Value{"owner": {str("")}, "name": {str(""), str("Europe/Bonn"), str("Local"), str("../../etc/localtime")}},
		Many:    many(50, func(i int) schema.Resource { return timeZoneOf(fmt.Sprintf("many%d", i)) }),
	}
}
