package markdown_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/markdown"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// records is a plan that changes the TTL of n record sets.
func records(t *testing.T, n int, value string) *plan.Plan {
	t.Helper()
	in := plan.Input{Observed: map[string][]providers.Observed{}}
	for i := range n {
		attrs := func(ttl int64) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{
				"zone": cty.StringVal("example.com."), "name": cty.StringVal(fmt.Sprintf("r%d.example.com.", i)), "type": cty.StringVal("TXT"),
				"ttl": cty.NumberIntVal(ttl), "values": cty.ListVal([]cty.Value{cty.StringVal(fmt.Sprint(value, ttl))}),
			})
		}
		r := schema.Resource{Address: fmt.Sprintf("record.r%04d", i), Target: "embedded", Kind: schema.KindRRset, Key: fmt.Sprint(i), Attrs: attrs(1)}
		in.Desired = append(in.Desired, r)
		in.Observed["embedded"] = append(in.Observed["embedded"], providers.Observed{Kind: r.Kind, Key: r.Key, Owner: r.Address, Attrs: attrs(2)})
	}
	p, diags := plan.Make(in)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func written(t *testing.T, p *plan.Plan, name string) string {
	t.Helper()
	var b strings.Builder
	if err := markdown.Plan(&b, p, name); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAPlanIsAComment(t *testing.T) {
	p := records(t, 1, "x")
	p.Brakes = []plan.Brake{{ID: "mx:example.com", Detail: "The MX records go."}, {ID: "ns:example.com", Detail: "The NS records go.", Confirmed: true}}
	want := "<!-- mailform:mail/prod -->\n### Plan: 0 to add, 1 to change, 0 to destroy\n" + `
**Brakes:** this is rarely meant, so it has to be confirmed.

- The MX records go. (plan with <code>-confirm=mx:example.com</code>)
- The NS records go. (confirmed)

<details><summary><code>record.r0000</code>: update</summary>

` + "```diff" + `
  # record.r0000 will be updated in-place
!   resource "rrset" "r0000" {
!       ttl    = "2s" -> "1s"
!       values = [
-           "x2",
+           "x1",
        ]
        # (3 unchanged attributes hidden)
    }
` + "```" + `

</details>
`
	if got := written(t, p, "mail/prod"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := written(t, &plan.Plan{Mode: plan.Normal}, "x"); got != "<!-- mailform:x -->\n### No changes\n" {
		t.Errorf("an empty plan: %q", got)
	}
}

func TestAPlanIsNeverLongerThanACommentMayBe(t *testing.T) {
	for name, p := range map[string]*plan.Plan{
		"many changes": records(t, 1000, "x"),
		"a huge one":   records(t, 3, strings.Repeat("x", 70_000)),
	} {
		got := written(t, p, strings.Repeat("n", 5000))
		if len(got) > markdown.Limit {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		shown := strings.Count(got, "<details>")
		if want := fmt.Sprintf("\n%d more: ", len(p.Changes)-shown); !strings.Contains(got, want) {
			t.Errorf("%s: does not say %q", name, want)
		}
		if strings.Count(got, "</details>") != shown {
			t.Errorf("%s: something is cut in the middle", name)
		}
	}
}

func TestValuesDoNotEscape(t *testing.T) {
	got := written(t, records(t, 1, "```</details>"), "a--><script>")
	if !strings.Contains(got, "\n````diff\n") || !strings.HasPrefix(got, "<!-- mailform:a-__script_ -->\n") {
		t.Errorf("got %s", got)
	}
}
