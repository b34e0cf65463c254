package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func filter(service, name string, change attrs) schema.Resource {
	a := attrs{"owner": str("main"), "service": str(service), "name": str(name), "position": num(1), "type": str("rspamd"),
		"address": str("127.0.0.1:11332"), "on_failure": str("tempfail"), "timeout": num(60), "junk": list("X-Spam-Flag: Yes", "X-Spam: Yes")}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindFilter, "main/"+service+"/"+name, a)
}

func filters() providertest.Sample {
	return providertest.Sample{
		Good: filter("smtp", "spam", nil),
		Changed: attrs{"position": num(2), "type": str("milter"), "address": str("unix:/run/f.sock"), "on_failure": str("accept"),
			"timeout": num(1), "junk": list()},
		Odd: map[string]schema.Resource{
			"at an address of IPv6": filter("submission", "six", attrs{"address": str("[2001:db8::1]:11332")}),
			"of a module":           filter("smtp", `module.a.spam["x"]`, attrs{"timeout": num(3600)}),
		},
		Refused: map[string][]cty.Value{
			"service":    {str(""), str("imap")},
			"position":   {num(0), num(-1)},
			"type":       {str(""), str("amavis")},
			"address":    {str(""), str("127.0.0.1"), str("unix:f"), str("/run/f.sock"), str("unix:/run/../f")},
			"on_failure": {str(""), str("defer")},
			"timeout":    {num(0), num(-1), num(3601)},
			"junk":       {list("X-Spam"), list("X-Spam: Yes", "X-A: b"), list("X-Spam:Yes")},
		},
		Many: many(50, func(i int) schema.Resource { return filter("smtp", fmt.Sprintf("many%d", i), nil) }),
	}
}
