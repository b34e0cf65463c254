package postfix_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// What an administrator does with postconf, postmap and an editor is seen as what it is,
// and put right where that is asked for. What is his in main.cf stays, byte for byte:
// settings, comments, and the way in which he has written them.
func TestDriftByHand(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	name := providertest.With(providertest.With(setting(), "tls_certificate", cty.StringVal("")), "tls_key", cty.StringVal(""))
	sales := route("sales@example.com", "alias", false, "alice@example.com")
	batch := slices.DeleteFunc(i.everything("alice", "bob"), func(c providers.Change) bool { return c.Resource.Kind == schema.KindService })
	i.apply(t, append(batch, create(sales)...)...)

	i.Tool(t, "postconf", "-e", "myhostname = by.hand.example", "smtp_helo_timeout = 33s")
	lines := strings.SplitAfter(i.read("main.cf"), "\n")
	lines = slices.Insert(lines, len(lines)/2, "# a comment in the middle,  with  blanks\n", "\n", "lmtp_lhlo_timeout =\n\t\t44s\n")
	i.write("main.cf", strings.Join(lines, "")+"#the last line, without an end")
	i.editMap(t, "recipients", func(text string) string {
		return without(text, "bob@example.com") + "byhand@example.com\tx\n"
	})
	i.editMap(t, "aliases", func(text string) string {
		return strings.Replace(text, "sales@example.com\talice@example.com", "sales@example.com\teve@elsewhere.test", 1)
	})
	byHand := i.read("main.cf")

	now := i.observed(t)
	if o := now["setting main"]; o.Owner == "" || o.Attrs.GetAttr("hostname").AsString() != "by.hand.example" {
		t.Errorf("the name by hand is seen as %#v", o)
	}
	if o := now["route sales@example.com"]; o.Owner == "" || !o.Attrs.GetAttr("members").RawEquals(strs("eve@elsewhere.test")) {
		t.Errorf("the alias by hand is seen as %#v", o)
	}
	if o, there := now["recipient bob@example.com"]; there {
		t.Errorf("bob, who was taken out, is seen as %#v", o)
	}
	if o, there := now["recipient byhand@example.com"]; !there || o.Owner != "" {
		t.Errorf("one put in by hand is seen as %#v", o)
	}

	setName, setSales := now["setting main"], now["route sales@example.com"]
	i.apply(t, append(create(recipient("bob@example.com")),
		providers.Change{Action: providers.Update, Resource: name, Prior: &setName}, providers.Change{Action: providers.Update, Resource: sales, Prior: &setSales})...)
	put := i.observed(t)
	if o := put["setting main"]; o.Attrs.GetAttr("hostname").AsString() != "mail.example.com" {
		t.Errorf("the name is now %#v", o.Attrs.GetAttr("hostname"))
	}
	if o := put["route sales@example.com"]; !o.Attrs.GetAttr("members").RawEquals(strs("alice@example.com")) {
		t.Errorf("the alias leads to %#v", o.Attrs.GetAttr("members"))
	}
	if o, there := put["recipient byhand@example.com"]; !there || o.Owner != "" || put["recipient bob@example.com"].Owner == "" {
		t.Errorf("one put in by hand is seen as %#v, and bob as %#v", o, put["recipient bob@example.com"])
	}
	if got := i.Tool(t, "postconf", "-h", "smtp_helo_timeout", "lmtp_lhlo_timeout"); got != "33s\n44s\n" {
		t.Errorf("the administrator's settings are %q", got)
	}
	want := strings.Replace(byHand, "myhostname = by.hand.example\n", "myhostname = mail.example.com\n", 1)
	if got := i.read("main.cf"); got != want && got != want+"\n" {
		t.Errorf("main.cf is now:\n%s\nwant:\n%s", got, want)
	}
}
