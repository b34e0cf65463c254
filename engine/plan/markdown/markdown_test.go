package markdown_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/markdown"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/html"
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

- The MX records go. (plan with ` + "`-confirm=mx:example.com`" + `)
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

// hostile are texts that would like to be more than text.
var hostile = []string{
	"```</details><script>alert(1)</script>", "`a` ``b`` | c", "@somebody #1 !2 GH-1", "[x](http://evil.example) ![y](z)",
	"http://evil.example www.evil.example a@evil.example", "\n# heading\n\n- list\n\n```\n", "--><img src=x onerror=alert(1)>", "*a* __b__ ~~c~~ $d$ &lt; \\", "<!-- ",
	"\u202egnp.exe\x1b[31m", "- # a", "+ b", "1. c", "=", "===", "%1 &2 ~bug", " + d",
}

// TestNothingOfOthersTakesEffect renders what is written and looks at what has
// become of it: nothing but the elements that are ours, and no name or number
// that a forge would take for one outside of code.
func TestNothingOfOthersTakesEffect(t *testing.T) {
	for _, text := range hostile {
		checkHarmless(t, text)
	}
}

func FuzzNothingOfOthersTakesEffect(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 1000 { // else not all of it fits
			checkHarmless(t, text)
		}
	})
}

func checkHarmless(t *testing.T, text string) {
	t.Helper()
	ours := map[string]bool{"html": true, "head": true, "body": true, "h3": true, "p": true, "strong": true, "ul": true, "li": true, "code": true, "details": true,
		"summary": true, "pre": true, "table": true, "thead": true, "tbody": true, "tr": true, "th": true, "td": true}
	mention := regexp.MustCompile(`(^|[^A-Za-z0-9])[@#!~$%&][A-Za-z0-9]`)
	p := records(t, 1, text)
	q := records(t, 1, "x")
	q.Changes[0].ID.Target = text
	q.Changes[0].Address = fmt.Sprintf("record.r[%q]", text)
	q.Changes[0].Notes = []string{text}
	q.Changes[0].After = rename(q.Changes[0].After, "zone", text)
	p.Changes = append(p.Changes, q.Changes...)
	p.Brakes = []plan.Brake{{ID: text, Detail: text}, {ID: "b", Detail: text, Confirmed: true}}
	p.Checks = []config.CheckResult{{Name: text, Status: config.CheckFail, Problems: []string{text}}}
	p.Outputs = []plan.OutputChange{{Name: text, Action: plan.Create, Before: cty.NullVal(cty.String), After: cty.StringVal(text)}}
	got := written(t, p, text)
	var rendered strings.Builder
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(gmhtml.WithUnsafe()))
	if err := md.Convert([]byte(got), &rendered); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(rendered.String()))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	var walk func(n *html.Node, inCode bool)
	walk = func(n *html.Node, inCode bool) {
		switch n.Type {
		case html.ElementNode:
			found[n.Data]++
			if !ours[n.Data] {
				t.Errorf("%q makes an element <%s>", text, n.Data)
			}
			inCode = inCode || n.Data == "code"
		case html.TextNode:
			if !inCode && mention.MatchString(n.Data) {
				t.Errorf("%q stands in the text as %q", text, n.Data)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inCode)
		}
	}
	walk(root, false)
	if found["details"] != 2 || found["summary"] != 2 || found["pre"] != 2 || found["li"] != 3 || found["h3"] != 1 || found["td"] != 10 {
		t.Errorf("%q: of the parts there are %v in\n%s", text, found, got)
	}
	if t.Failed() {
		t.Fatalf("%s\n%s", got, rendered.String())
	}
}

// rename sets an attribute.
func rename(v cty.Value, name, to string) cty.Value {
	vals := v.AsValueMap()
	vals[name] = cty.StringVal(to)
	return cty.ObjectVal(vals)
}

func TestWhatGoesComesFirst(t *testing.T) {
	p := records(t, 3, "x")
	p.Changes[1].Action, p.Changes[2].Action = plan.Move, plan.Delete
	p.Changes[2].After = cty.NullVal(p.Changes[2].Before.Type())
	got := written(t, p, "x")
	if a, b := strings.Index(got, "r0002</code>: delete"), strings.Index(got, "r0000</code>: update"); a < 0 || b < a {
		t.Errorf("got\n%s", got)
	}
}

func TestValuesDoNotEscape(t *testing.T) {
	got := written(t, records(t, 1, "```</details>"), "a--><script>")
	if !strings.Contains(got, "\n````diff\n") || !strings.HasPrefix(got, "<!-- mailform:a-__script_ -->\n") {
		t.Errorf("got %s", got)
	}
}
