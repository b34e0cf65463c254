package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func smarthostOf(owner, host string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "host": str(host), "senders": list("example.com"), "recipients": list(),
		"username": str("us"), "password": str("secret"), "tls": str("verified"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindSmarthost, owner+"/"+host, a)
}

func smarthosts() providertest.Sample {
	return providertest.Sample{
		Good: smarthostOf("main", "smtp.example.net:587", nil),
		Changed: attrs{
			"senders": list(), "recipients": list("a.example", "b.example"), "username": str("others"), "password": str("other"), "tls": str("implicit"),
		},
		Odd: map[string]schema.Resource{
			"nobody logs in": smarthostOf("main", "192.0.2.7:25", attrs{"username": str(""), "password": str(""), "tls": str("opportunistic")}),
		},
		Refused: map[string][]cty.Value{
			"owner":      {str("")},
			"host":       {str(""), str("smtp.example.net"), str("smtp.example.net:x")},
			"senders":    {list("Example.com"), list("b.example", "a.example")},
			"recipients": {list("Example.com"), list("b.example", "a.example")},
			"username":   {str("")},
			"password":   {str("")},
			"tls":        {str(""), str("maybe"), str("opportunistic")},
		},
		Many: many(50, func(i int) schema.Resource { return smarthostOf("main", fmt.Sprintf("smtp%d.example.net:587", i), nil) }),
	}
}
