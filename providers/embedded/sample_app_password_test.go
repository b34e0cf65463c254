package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func appPasswordOf(user, name string, change attrs) schema.Resource {
	a := attrs{"user": str(user), "name": str(name), "password_hash": list(aHash), "services": list("imap"), "expires": str("")}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindAppPassword, user+"/"+name, a)
}

func appPasswords() providertest.Sample {
	return providertest.Sample{
		Good:    appPasswordOf("alice@example.com", "phone", attrs{"services": list("imap", "submission"), "expires": str("2027-11-26T00:00:00Z")}),
		Changed: attrs{"password_hash": list(anotherHash, aHash), "services": list("imap", "managesieve", "pop3", "submission"), "expires": str("")},
		Odd: map[string]schema.Resource{
			"of nobody":           appPasswordOf("nobody@example.com", "phone", nil),
			"with a strange name": appPasswordOf("alice@example.com", "Alice's 📱", nil),
		},
		Refused: map[string][]cty.Value{
			"user":          {str(""), str("alice"), str("Alice@example.com")},
			"name":          {str(""), str("a/b"), str("a\nb")},
			"password_hash": {list(), list("secret")},
			"services":      {list(), list("smtp"), list("submission", "imap")},
			"expires":       {str("tomorrow"), str("2027-11-26"), str("2027-11-26T00:00:00+01:00")},
		},
		Many: many(50, func(i int) schema.Resource {
			return appPasswordOf(fmt.Sprintf("many%d@example.com", i), "phone", nil)
		}),
	}
}
