package embedded_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func websiteOf(owner, cert, key string) schema.Resource {
	return providertest.Resource(schema.KindWebsite, owner, attrs{
		"owner": str(owner), "hostname": str("mail.example.com"), "addresses": list("127.0.0.1"), "tls_certificate": str(cert), "tls_key": str(key),
	})
}

func websites(t *testing.T) providertest.Sample {
	cert, key, sameCert, sameKey := pemFilesTwice(t)
	return providertest.Sample{
		Good:    websiteOf("main", cert, key),
		Changed: attrs{"hostname": str("www.example.com"), "addresses": list("127.0.0.1", "192.0.2.1"), "tls_certificate": str(sameCert), "tls_key": str(sameKey)},
		Odd: map[string]schema.Resource{
			"of a server with a dot in its name": websiteOf("o.dd", "", ""),
			"its own certificate":                websiteOf("main", "", ""),
		},
		Refused: map[string][]cty.Value{
			"owner":    {str("")},
			"hostname": {str(""), str("a b"), str("-.example.com")},
			// One without the other.
			"tls_certificate": {str("")},
			"tls_key":         {str("")},
		},
		Many: many(20, func(i int) schema.Resource { return websiteOf(fmt.Sprintf("many%d", i), "", "") }),
	}
}

func webDomainOf(domain string) schema.Resource {
	return providertest.Resource(schema.KindWebDomain, domain, attrs{
		"domain": str(domain), "owner": str("main"), "doors": list("imap tls mail.example.com 993"), "authority": cty.False, "policy": str(""),
	})
}

func webDomains() providertest.Sample {
	return providertest.Sample{
		Good: webDomainOf("example.com"),
		Changed: attrs{
			"owner": str("second"), "doors": list("pop3 starttls mail.example.com 110", "imap tls mail.example.com 993"), "authority": cty.True,
			"policy": str("version: STSv1\r\nmode: none\r\nmax_age: 1\r\n"),
		},
		Odd: map[string]schema.Resource{"an internationalised name": webDomainOf("xn--bcher-kva.example"), "a long name": webDomainOf(longDomain)},
		Refused: map[string][]cty.Value{
			"domain": {str(""), str("a b"), str("example.com.")},
			"owner":  {str("")},
			"doors":  {list("imap"), list("imap tls mail.example.com 0"), list("ftp tls mail.example.com 21")},
			"policy": {str("mode: enforce")},
		},
		Many: many(50, func(i int) schema.Resource { return webDomainOf(fmt.Sprintf("many%d.example", i)) }),
	}
}
