package plan_test

import (
	"testing"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestParseAddress(t *testing.T) {
	var root *schema.ModuleInstance
	acme := root.Child("acme", cty.StringVal("x"))
	inner := root.Child("a", cty.NilVal).Child("b", cty.NilVal)
	for address, want := range map[string]schema.Ref{
		"user.alice.mailbox":                   {Type: "user", Name: "alice", Part: "mailbox"},
		"record.www":                           {Type: "record", Name: "www"},
		`user.staff["b.o]b"].mailbox`:          {Type: "user", Name: "staff", Key: cty.StringVal("b.o]b"), Part: "mailbox"},
		"user.staff[3].mailbox":                {Type: "user", Name: "staff", Key: cty.NumberIntVal(3), Part: "mailbox"},
		`domain.example.dkim["s1"]`:            {Type: "domain", Name: "example", Part: `dkim["s1"]`},
		`module.acme["x"].domain.main.zone`:    {Module: acme, Type: "domain", Name: "main", Part: "zone"},
		"module.a.module.b.user.x[\"\\\"\"].y": {Module: inner, Type: "user", Name: "x", Key: cty.StringVal(`"`), Part: "y"},
		`module.acme["x"]`:                     {Module: acme},
		"module.a.module.b":                    {Module: inner},
		"odd":                                  {Name: "odd"},
		"module.a.odd":                         {Module: inner.Parent(), Name: "odd"},
		"":                                     {},
	} {
		got := plan.ParseAddress(address)
		if module := plan.ModuleOf(address); want.Type != "" && module != want.Module.String() {
			t.Errorf("%s: it is in the module %q", address, module)
		}
		same := got.Module.String() == want.Module.String() && got.Type == want.Type && got.Name == want.Name && got.Part == want.Part &&
			(got.Key == cty.NilVal) == (want.Key == cty.NilVal) && (got.Key == cty.NilVal || got.Key.RawEquals(want.Key))
		if !same {
			t.Errorf("%s: got %#v", address, got)
		}
	}
}

func TestNotesSpeakOfSizesAndTimes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1258291: "1.2 MiB", 1<<30 - 1: "1.0 GiB", 1 << 62: "4.0 EiB"} {
		if got := plan.Size(n); got != want {
			t.Errorf("%d bytes: got %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 seconds", 1: "1 second", 2592000: "30 days", 5400: "1 hour 30 minutes", 86401: "1 day 1 second"} {
		if got := plan.Duration(n); got != want {
			t.Errorf("%d seconds: got %q, want %q", n, got, want)
		}
	}
}
