package plan_test

import (
	"testing"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestNames(t *testing.T) {
	object := func(attrs ...string) cty.Value {
		vals := map[string]cty.Value{}
		for i := 0; i < len(attrs); i += 2 {
			vals[attrs[i]] = cty.StringVal(attrs[i+1])
		}
		return cty.ObjectVal(vals)
	}
	mailbox := schema.Resource{Kind: schema.KindMailbox, Key: "alice@example.com", Attrs: object()}
	catchAll := schema.Resource{Kind: schema.KindRoute, Key: "@example.com", Attrs: object()}
	domain := schema.Resource{Kind: schema.KindMailDomain, Key: "xn--bcher-kva.example", Attrs: object()}
	setting := schema.Resource{Kind: schema.KindSetting, Key: "main", Attrs: object("hostname", "mail.example.com")}
	listener := schema.Resource{Kind: schema.KindListener, Key: "ns1/dns", Attrs: object("owner", "ns1", "hostname", "ns1.example.com")}
	rrset := schema.Resource{Kind: schema.KindRRset, Key: "example.com/www.example.com./A",
		Attrs: object("zone", "example.com.", "name", "www.example.com.", "type", "A")}
	reverse := schema.Resource{Kind: schema.KindRRset, Key: "2.0.192.in-addr.arpa/0/26.2.0.192.in-addr.arpa./NS",
		Attrs: object("zone", "2.0.192.in-addr.arpa.", "name", "0/26.2.0.192.in-addr.arpa.", "type", "NS")}
	key := schema.Resource{Kind: schema.KindDKIMKey, Key: "example.com/s1", Attrs: object("domain", "example.com", "selector", "s1")}
	process := schema.Resource{Kind: schema.KindProcess, Key: "/srv/mail", Attrs: object()}
	for name, c := range map[string]struct {
		r    schema.Resource
		id   string
		want bool
	}{
		"the key":                             {mailbox, "alice@example.com", true},
		"an address in other letters":         {mailbox, "Alice@EXAMPLE.com", true},
		"another address":                     {mailbox, "alice@example.org", false},
		"no address at all":                   {mailbox, "alice", false},
		"a catch-all":                         {catchAll, "@Example.com", true},
		"a domain as people read it":          {domain, "Bücher.example", true},
		"a domain with its dot":               {domain, "xn--bcher-kva.example.", true},
		"a server by its label":               {setting, "main", true},
		"a server by its name":                {setting, "MAIL.example.com", true},
		"a name server by its label":          {listener, "ns1", true},
		"a name server by its name":           {listener, "ns1.example.com", true},
		"a listener by its key":               {listener, "ns1/dns", true},
		"a listener of another":               {listener, "ns2", false},
		"records by their key":                {rrset, "example.com/www.example.com./A", true},
		"records without the zone":            {rrset, "www.example.com/a", true},
		"records in another zone":             {rrset, "com/www.example.com/A", false},
		"records of another type":             {rrset, "www.example.com/AAAA", false},
		"records without a type":              {rrset, "www.example.com", false},
		"records with a slash in their name":  {reverse, "0/26.2.0.192.in-addr.arpa./NS", true},
		"the same with the zone":              {reverse, "2.0.192.in-addr.arpa/0/26.2.0.192.in-addr.arpa/NS", true},
		"a key by its record":                 {key, "s1._domainkey.example.com", true},
		"a key by its key":                    {key, "example.com/s1", true},
		"another key":                         {key, "s2._domainkey.example.com", false},
		"a process by its directory":          {process, "/srv/mail", true},
		"a process by something else":         {process, "mail", false},
		"nothing":                             {rrset, "", false},
		"nothing where there are no segments": {rrset, "//", false},
	} {
		if got := plan.Names(&c.r, c.id); got != c.want {
			t.Errorf("%s: %q means %s %s: %v", name, c.id, c.r.Kind, c.r.Key, got)
		}
	}
}
