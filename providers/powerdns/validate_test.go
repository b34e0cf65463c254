package powerdns_test

import (
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/nametest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
)

// What is refused before a plan is what the server refuses, and nothing else.
func TestWhatTheServerRefusesIsRefusedBeforeThePlan(t *testing.T) {
	t.Parallel()
	s := nametest.PowerDNS(t)
	p := provider(t, "http://"+s.Control, nil)
	create := func(r schema.Resource) error {
		return apply(t, p, providers.Change{Action: providers.Create, Resource: r})[0]
	}
	if err := create(providertest.ZoneResource("example.com.", nil)); err != nil {
		t.Fatal(err)
	}
	const key = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="
	a := func(name string) schema.Resource {
		return providertest.RRsetResource("example.com.", name, "A", "192.0.2.1")
	}
	for name, r := range map[string]schema.Resource{
		"a host":                      a("www.example.com."),
		"a service":                   a("_sip._tcp-1.example.com."),
		"a wildcard":                  a("*.wild.example.com."),
		"the wildcard of the zone":    a("*.example.com."),
		"a star within":               a("a.*.example.com."),
		"a star in a label":           a("a*b.example.com."),
		"a slash":                     a("0/25.example.com."),
		"a dot within a label":        a(`a\.b.example.com.`),
		"an escaped character":        a(`a\@b.example.com.`),
		"an escaped octet":            a(`a\000b.example.com.`),
		"a space":                     a(`a\032b.example.com.`),
		"a plus sign":                 a("a+b.example.com."),
		"an exclamation mark":         a("a!b.example.com."),
		"a key of the zone":           providertest.RRsetResource("example.com.", "example.com.", "DNSKEY", key),
		"a key of another name":       providertest.RRsetResource("example.com.", "www2.example.com.", "DNSKEY", key),
		"a zone":                      providertest.ZoneResource("example.net.", nil),
		"a zone with a slash":         providertest.ZoneResource("0/25.2.0.192.in-addr.arpa.", nil),
		"a zone with an escaped name": providertest.ZoneResource(`a\@b.example.net.`, nil),
	} {
		t.Run(name, func(t *testing.T) {
			problems, err := p.Validate(t.Context(), []schema.Resource{r})
			if err != nil {
				t.Fatal(err)
			}
			if refused := create(r); (refused != nil) != (len(problems) > 0) {
				t.Errorf("before the plan: %v\nthe server: %v", problems, refused)
			}
		})
	}
}
