package html_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/plan"
	planHTML "github.com/mailform/mailform/engine/plan/html"
	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/html"
)

// A thing is a resource of the plan: before, after, or both.
type thing struct {
	address, kind, key string
	before, after      map[string]cty.Value
}

func set(values ...string) cty.Value {
	if len(values) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	list := make([]cty.Value, len(values))
	for i, v := range values {
		list[i] = cty.StringVal(v)
	}
	return cty.ListVal(list)
}

func mx(values ...string) map[string]cty.Value {
	return map[string]cty.Value{"zone": cty.StringVal("example.com."), "name": cty.StringVal("example.com."), "type": cty.StringVal("MX"), "ttl": cty.NumberIntVal(3600), "values": set(values...)}
}

func smtp(owner, host string) map[string]cty.Value {
	return map[string]cty.Value{"owner": cty.StringVal(owner), "service": cty.StringVal("smtp"), "hostname": cty.StringVal(host), "listen": set("192.0.2.1:25"), "listen_tls": set()}
}

func mailbox(address string) map[string]cty.Value {
	return map[string]cty.Value{
		"address": cty.StringVal(address), "password_hash": set("secret"), "quota": cty.NumberIntVal(0), "protocols": set("imap"), "mail": cty.StringVal("enabled"),
		"sieve": cty.NullVal(cty.String), "messages": cty.NumberIntVal(0), "bytes": cty.NumberIntVal(0),
	}
}

func domain(name string) map[string]cty.Value {
	return map[string]cty.Value{"name": cty.StringVal(name)}
}

func planOf(t *testing.T, things ...thing) *plan.Plan {
	t.Helper()
	in := plan.Input{Observed: map[string][]providers.Observed{}}
	for _, th := range things {
		kind := schema.KindByName(th.kind)
		if th.after != nil {
			in.Desired = append(in.Desired, schema.Resource{Address: th.address, Target: "embedded", Kind: th.kind, Key: th.key, Attrs: kind.Object(th.after)})
		}
		if th.before != nil {
			in.Observed["embedded"] = append(in.Observed["embedded"], providers.Observed{Kind: th.kind, Key: th.key, Owner: th.address, Attrs: kind.Object(th.before)})
		}
	}
	p, diags := plan.Make(in)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// movingAway is a domain whose mail goes from one server to another.
func movingAway(t *testing.T) *plan.Plan {
	return planOf(t,
		thing{"domain.example.mail", schema.KindMailDomain, "example.com", domain("example.com"), domain("example.com")},
		thing{"domain.example.mx", schema.KindRRset, "example.com/example.com./MX", mx("10 old.example.com."), mx("10 new.example.com.")},
		thing{"server.old.smtp", schema.KindListener, "old/smtp", smtp("old", "old.example.com"), nil},
		thing{"server.new.smtp", schema.KindListener, "new/smtp", nil, smtp("new", "new.example.com")},
		thing{"user.alice.mailbox", schema.KindMailbox, "alice@example.com", mailbox("alice@example.com"), mailbox("alice@example.com")},
		thing{"user.bob.mailbox", schema.KindMailbox, "bob@example.com", nil, mailbox("bob@example.com")},
	)
}

func rendered(t *testing.T, p *plan.Plan, name string) (string, *html.Node) {
	t.Helper()
	var b strings.Builder
	if err := planHTML.Plan(&b, p, name); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), root
}

// each visits the elements of a name.
func each(n *html.Node, name string, visit func(*html.Node)) {
	if n.Type == html.ElementNode && n.Data == name {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, name, visit)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(textOf(c))
	}
	return b.String()
}

func TestTheWayOfMailIsDrawnBeforeAndAfter(t *testing.T) {
	_, root := rendered(t, movingAway(t), "mail")
	boxes := map[string][]string{}
	each(root, "g", func(g *html.Node) {
		each(g, "title", func(title *html.Node) {
			boxes[attr(g, "class")] = append(boxes[attr(g, "class")], textOf(title))
		})
	})
	for state, want := range map[string][]string{
		"same":    {"example.com"},
		"new":     {"MX new.example.com preference 10", "server.new at embedded"},
		"gone":    {"MX old.example.com preference 10", "server.old at embedded"},
		"changed": {"1 → 2 mailboxes at embedded"},
	} {
		got := boxes[state]
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
	lines := map[string]int{}
	each(root, "path", func(p *html.Node) { lines[attr(p, "class")]++ })
	if lines["new"] != 3 || lines["gone"] != 3 || len(lines) != 2 {
		t.Errorf("lines: %v", lines)
	}
	each(root, "svg", func(svg *html.Node) {
		if label := attr(svg, "aria-label"); !strings.Contains(label, "MX new.example.com preference 10 (new)") {
			t.Errorf("those who do not see the picture are told %q", label)
		}
	})
}

func TestThePageHasThePlan(t *testing.T) {
	p := movingAway(t)
	p.Time = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	p.Brakes = []plan.Brake{{ID: "mx:example.com", Detail: "The MX records go."}}
	p.Unread = map[string]string{"postfix": "the host does not answer"}
	p.Records = map[string][]string{"far.example": {"far.example. 3600 IN MX 10 mx.far.example."}}
	p.Staged = []plan.Staged{{Address: "domain.example.mx", TTL: 3600, From: []string{"10 old.example.com."}, To: []string{"10 new.example.com."}, Steps: []plan.Step{
		{Name: state.StepLower, TTL: 60, Due: true},
		{Name: state.StepSwitch, TTL: 60, NotBefore: p.Time.Add(time.Hour)},
	}}}
	text, root := rendered(t, p, "mail/prod")
	all := textOf(root)
	for _, want := range []string{
		"Plan: 2 to add, 1 to change, 1 to destroy", "mail/prod", "2026-11-26T12:00:00Z", "The MX records go. (plan with -confirm=mx:example.com)",
		"postfix: the host does not answer", "far.example. 3600 IN MX 10 mx.far.example.", "with this plan", "not before 2026-11-26T13:00:00Z",
		`+ resource "listener" "new"`, "(sensitive value)",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Contains(text, `"secret"`) || strings.Contains(text, "&#34;secret&#34;") {
		t.Error("a secret is on the page")
	}
}

// The page needs nothing but itself, and what comes from files and systems only stands there.
func TestThePageIsByItself(t *testing.T) {
	evil := `"><script src=https://evil.example/x.js></script>`
	p := planOf(t, thing{"record.evil", schema.KindRRset, "example.com/www.example.com./TXT", nil, map[string]cty.Value{
		"zone": cty.StringVal("example.com."), "name": cty.StringVal("www.example.com."), "type": cty.StringVal("TXT"), "ttl": cty.NumberIntVal(1), "values": set(evil)}})
	p.Brakes = []plan.Brake{{ID: evil, Detail: evil}}
	p.Unread = map[string]string{evil: evil}
	p.Records = map[string][]string{evil: {evil}}
	text, root := rendered(t, p, evil)
	for _, name := range []string{"script", "img", "link", "iframe", "object", "a", "form"} {
		each(root, name, func(n *html.Node) { t.Errorf("there is an element %s: %v", name, n.Attr) })
	}
	for _, word := range []string{"src=", "href=", "url(", "@import"} {
		if i := strings.Index(strings.ReplaceAll(text, html.EscapeString(evil), ""), word); i >= 0 && !strings.Contains(text[max(0, i-20):i], "script") {
			t.Errorf("%q is on the page: …%s", word, text[max(0, i-60):i+40])
		}
	}
}

func TestALargePlanIsAPageAllTheSame(t *testing.T) {
	var things []thing
	for i := range 5000 {
		name := fmt.Sprintf("d%04d.example", i)
		things = append(things, thing{fmt.Sprintf("domain.d[%q].mail", name), schema.KindMailDomain, name, nil, domain(name)})
	}
	text, root := rendered(t, planOf(t, things...), "large")
	if all := textOf(root); !strings.Contains(all, "4800 further domains are not drawn") || !strings.Contains(all, "2000 further changes") {
		t.Error("what is left out is not counted")
	}
	if len(text) > 5<<20 {
		t.Errorf("the page has %d bytes", len(text))
	}
}

func TestNoChangesAreAPageToo(t *testing.T) {
	_, root := rendered(t, planOf(t, thing{"domain.example.mail", schema.KindMailDomain, "example.com", domain("example.com"), domain("example.com")}), "mail")
	if all := textOf(root); !strings.Contains(all, "No changes") || strings.Contains(all, "What changes") {
		t.Errorf("%s", all)
	}
}
