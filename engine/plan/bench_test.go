package plan_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// users is a world of n mailboxes, of which the first is to be changed.
func users(n int) plan.Input {
	in := plan.Input{Observed: map[string][]providers.Observed{}, Prior: &state.State{Lineage: "l", Serial: 1, Resources: map[schema.ID]*state.Resource{}}}
	for i := range n {
		name := fmt.Sprintf("u%d@example.com", i)
		attrs := func(quota int64) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{
				"address": cty.StringVal(name), "quota": cty.NumberIntVal(quota), "mail": cty.StringVal("enabled"),
				"password_hash": cty.ListVal([]cty.Value{cty.StringVal("$argon2id$" + name)}),
				"protocols":     cty.ListVal([]cty.Value{cty.StringVal("imap"), cty.StringVal("pop3")}),
				"messages":      cty.NullVal(cty.Number), "bytes": cty.NullVal(cty.Number),
			})
		}
		r := schema.Resource{Address: fmt.Sprintf("user.staff[\"u%d\"].mailbox", i), Target: "embedded", Kind: schema.KindMailbox, Key: name, Attrs: attrs(1 << 30)}
		have := attrs(1 << 30)
		if i == 0 {
			have = attrs(1)
		}
		in.Desired = append(in.Desired, r)
		in.Observed["embedded"] = append(in.Observed["embedded"], providers.Observed{Kind: r.Kind, Key: r.Key, Attrs: have, Owner: r.Address, Revision: "1"})
		in.Prior.Resources[r.ID()] = &state.Resource{ID: r.ID(), Address: r.Address, Attrs: state.Keep(r.Kind, have)}
	}
	return in
}

func BenchmarkMake(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := users(n)
			for b.Loop() {
				p, diags := plan.Make(in)
				if diags.HasErrors() || p.Summary().Change != 1 {
					b.Fatal(diags, p.Summary())
				}
				if err := text.Plan(io.Discard, p, text.Style{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
