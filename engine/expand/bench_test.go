package expand_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// body makes the value of a block: what is given, and the defaults.
func body(typ string, given map[string]cty.Value) config.Body {
	bt := schema.BlockByType(typ)
	vals := map[string]cty.Value{}
	for name, ty := range bt.ImpliedType().AttributeTypes() {
		vals[name] = cty.NullVal(ty)
	}
	for _, a := range bt.Attributes {
		if a.Default != cty.NilVal {
			vals[a.Name] = a.Default
		}
	}
	for name, v := range given {
		vals[name] = v
	}
	return config.BodyOf(cty.ObjectVal(vals))
}

func ref(typ, name string) cty.Value { return schema.RefVal(schema.Ref{Type: typ, Name: name}) }

// staff is a configuration of one domain with n users, as for_each makes them.
func staff(n int) *config.Config {
	cfg := &config.Config{Dir: "/srv/mail"}
	add := func(r schema.Ref, given map[string]cty.Value) {
		cfg.Instances = append(cfg.Instances, config.Instance{Ref: r, Body: body(r.Type, given)})
	}
	add(schema.Ref{Type: "server", Name: "main"}, map[string]cty.Value{"hostname": cty.StringVal("mail.example.net")})
	add(schema.Ref{Type: "domain", Name: "example"}, map[string]cty.Value{
		"name": cty.StringVal("example.com"), "server": ref("server", "main"),
	})
	for i := range n {
		name := fmt.Sprintf("u%06d", i)
		add(schema.Ref{Type: "user", Name: "staff", Key: cty.StringVal(name)}, map[string]cty.Value{
			"domain": ref("domain", "example"), "name": cty.StringVal(name), "quota": cty.StringVal("2GiB"),
			"password_hash": cty.ListVal([]cty.Value{cty.StringVal("$argon2id$x").Mark(config.Sensitive)}),
		})
	}
	return cfg
}

func BenchmarkExpand(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		cfg := staff(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, diags := expand.Expand(cfg, expand.Options{}); diags.HasErrors() {
					b.Fatal(diags)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/user")
		})
	}
}
