package sendmail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
)

// Mail for elsewhere takes the way that is named for its sender and recipient, and what
// is at home here stays, in domains of the administrator's too.
func TestSmarthosts(t *testing.T) {
	t.Parallel()
	s, here := mailtest.Sendmail(t), newKeeper(t)
	appendTo(t, filepath.Join(s.ConfigDir, "sendmail.mc"), "MAILER(`local')dnl\n")
	appendTo(t, filepath.Join(s.ConfigDir, "local-host-names"), "home.example\n")
	appendTo(t, filepath.Join(s.ConfigDir, "aliases"), "webmaster: alice@example.com\n")
	build := s.Command("sendmail", "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "-bi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("newaliases: %v: %s", err, out)
	}
	ways := map[string]*keeper{}
	for _, name := range []string{"both", "recipient", "sender", "all"} {
		ways[name] = newKeeper(t)
	}
	smtp := porttest.Addr(t)
	apply(t, s, providers.Create, setting("mail.example.com"), delivery(here.addr, ""), service(), domain("example.com"), recipient("alice@example.com"),
		route("out@example.com", "forward", false, "x@near.test"), listener("smtp", []string{smtp}, nil),
		smarthost(ways["both"].addr, []string{"from.test"}, []string{"near.test"}), smarthost(ways["recipient"].addr, nil, []string{"near.test", "inner.near.test"}),
		smarthost(ways["sender"].addr, []string{"from.test", "other.test"}, nil), smarthost(ways["all"].addr, nil, nil))
	for _, c := range []struct{ from, to, way string }{
		{"a@from.test", "x@near.test", "both"}, {"A@FROM.test", "X@Near.Test", "both"}, {"a@else.test", "x@near.test", "recipient"}, {"a@from.test", "x@inner.near.test", "recipient"},
		{"a@from.test", "x@far.test", "sender"}, {"a@sub.from.test", "x@far.test", "all"}, {"a@else.test", "x@far.test", "all"}, {"a@else.test", "x@sub.near.test", "all"},
		{"<>", "x@far.test", "all"}, {"<>", "x@near.test", "recipient"}, {"a@from.test", "out@example.com", "both"},
		{"a@from.test", "alice@example.com", ""}, {"a@from.test", "webmaster@home.example", ""},
	} {
		// 127.0.0.1 may hand in mail for anywhere.
		out := swaks(t, smtp, "--local-interface", "127.0.0.1", "--from", c.from, "--to", c.to)
		if !strings.Contains(out, "Message accepted for delivery") {
			t.Errorf("from %s to %s: %s", c.from, c.to, out)
		}
		k, want := ways[c.way], strings.ToLower(c.to)
		switch {
		case k == nil:
			k, want = here, "alice@example.com"
		case c.to == "out@example.com":
			want = "x@near.test"
		}
		if !k.takes(t, want) {
			t.Errorf("that was from %s to %s", c.from, c.to)
		}
	}
	// Whoever may not relay still may not.
	if out := swaks(t, smtp, "--from", "a@from.test", "--to", "x@near.test", "--quit-after", "RCPT"); !strings.Contains(out, "550 5.7.1") {
		t.Errorf("mail of a stranger for a domain with a way: %s", out)
	}

	// A domain more is a row more, and no new configuration.
	pid := s.PID()
	apply(t, s, providers.Update, smarthost(ways["recipient"].addr, nil, []string{"near.test", "new.test"}))
	swaks(t, smtp, "--local-interface", "127.0.0.1", "--from", "a@else.test", "--to", "x@new.test")
	ways["recipient"].takes(t, "x@new.test")
	if s.PID() != pid {
		t.Error("Sendmail was started anew for a row of a map")
	}
	// Two ways for the same mail are none.
	twice := []schema.Resource{smarthost("192.0.2.1:25", nil, []string{"a.test"}), smarthost("192.0.2.2:25", nil, []string{"a.test"})}
	problems, err := provider(t, s, "L").Validate(t.Context(), twice)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Detail, "Mail for a.test goes to 192.0.2.1:25 already") {
		t.Errorf("validate: %v, %v", problems, err)
	}
}

// Mail is taken in for a domain, and not for what lies below it; and nobody may hand in
// mail for anywhere for being called as it is.
func TestSubdomainsAreNotTakenIn(t *testing.T) {
	t.Parallel()
	for name, withM4 := range map[string]bool{"by m4": true, "without m4": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Sendmail(t)
			if !withM4 {
				if err := os.Remove(filepath.Join(s.ConfigDir, "sendmail.mc")); err != nil {
					t.Fatal(err)
				}
			}
			apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", ""), domain("example.com"), recipient("alice@example.com"))
			for about, c := range map[string]struct{ client, address, want string }{
				"one of ours":                       {"[203.0.113.9]", "alice@example.com", "RELAY"},
				"a subdomain":                       {"[203.0.113.9]", "alice@sub.example.com", "$# error"},
				"a subdomain's subdomain":           {"[203.0.113.9]", "alice@a.b.example.com", "$# error"},
				"one that only ends so":             {"[203.0.113.9]", "alice@myexample.com", "$# error"},
				"elsewhere, by one called as ours":  {"example.com", "x@far.test", "$# error"},
				"elsewhere, by one in our domain":   {"web.example.com", "x@far.test", "$# error"},
				"one of ours, by one in our domain": {"web.example.com", "alice@example.com", "RELAY"},
			} {
				test := s.Command("sendmail", "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "-bt")
				test.Stdin = strings.NewReader(".D{client_addr}203.0.113.9\n.D{client_name}" + c.client + "\n.D{client_resolve}OK\nBasic_check_rcpt " + c.address + "\n")
				out, err := test.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				answer := ""
				for _, line := range lines {
					if ruleset, result, ok := strings.Cut(line, "returns:"); ok && strings.HasPrefix(strings.TrimSpace(ruleset), "Basic_check_rcpt") {
						answer = strings.TrimSpace(result)
					}
				}
				if !strings.HasPrefix(answer, c.want) {
					t.Errorf("%s: %s is answered %q, want %q", about, c.address, answer, c.want)
				}
			}
		})
	}
}

// Rows of the administrator's in mailertable, access and local-host-names are shown as
// somebody else's where blocks can say the same, can be taken over, and stay as they
// are, byte for byte; what access refuses stays refused.
func TestMapsOfOthers(t *testing.T) {
	t.Parallel()
	s, here := mailtest.Sendmail(t), newKeeper(t)
	smtp := porttest.Addr(t)
	path := func(name string) string { return filepath.Join(s.ConfigDir, name) }
	edit(t, path("sendmail.mc"), "FEATURE(`nocanonify')dnl\n", "FEATURE(`mailertable', `hash -o "+path("mailertable")+"')dnl\nFEATURE(`access_db', `hash -T<TMPF> -o "+path("access")+
		"')dnl\nFEATURE(`blocklist_recipients')dnl\nFEATURE(`nocanonify')dnl\n")
	appendTo(t, path("local-host-names"), "# ours\nhome.example\nbox\nexample.com # the old place\n")
	appendTo(t, path("mailertable"), "# by hand\npartner.test\tesmtp:[192.0.2.7]\nthird.test smtp:192.0.2.7\n.partner.test\trelay:[Hub.partner.test]\nnobody.test\terror:nohost 550 gone\nfax.test\tlocal:root\n")
	appendTo(t, path("access"), "# by hand\nFrom:spam.test\tREJECT\nTo:bob@example.com\t550 Bob has left\nConnect:127.0.0.3\tREJECT\n")
	made := s.M4(t)
	if err := os.WriteFile(path("sendmail.cf"), made, 0o644); err != nil {
		t.Fatal(err)
	}
	was := map[string]string{}
	for _, name := range []string{"mailertable", "access"} {
		build := s.Command("makemap", "-C", path("sendmail.cf"), "hash", path(name))
		build.Stdin = strings.NewReader(content(t, path(name)))
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		was[name], was[name+".db"] = content(t, path(name)), content(t, path(name+".db"))
	}
	was["local-host-names"] = content(t, path("local-host-names"))

	partner := smarthost("192.0.2.7:25", nil, []string{"partner.test", "third.test"})
	wanted := []schema.Resource{setting("mail.example.com")}
	list, err := provider(t, s, "L").Read(t.Context(), providers.Scope{Wanted: wanted})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]providers.Observed{}
	for _, o := range list {
		seen[o.Kind+" "+o.Key] = o
	}
	for _, want := range []schema.Resource{partner, smarthost("hub.partner.test:25", nil, []string{".partner.test"}), domain("home.example"), domain("example.com")} {
		if o, there := seen[want.Kind+" "+want.Key]; !there || o.Owner != "" || !o.Attrs.RawEquals(want.Attrs) {
			t.Errorf("%s is seen as %#v", want.Key, o)
		}
	}
	if len(seen) != 4 {
		t.Errorf("there are %d: %v", len(seen), seen)
	}

	// Two are taken over.
	apply(t, s, providers.Create, setting("mail.example.com"), delivery(here.addr, ""), service(), listener("smtp", []string{smtp}, nil), recipient("alice@example.com"), recipient("bob@example.com"))
	ours := []schema.Resource{domain("example.com"), smarthost("192.0.2.7:25", []string{"example.com"}, []string{"partner.test"})}
	apply(t, s, providers.Update, ours...)
	now := observed(t, s)
	for _, r := range ours {
		if o := now[r.Kind+" "+r.Key]; o.Owner != r.Address || !o.Attrs.RawEquals(r.Attrs) {
			t.Errorf("taken over %s is %#v", r.Key, o)
		}
	}
	for about, args := range map[string][]string{
		"Bob has left": {"--from", "a@remote.test", "--to", "bob@example.com"}, "550 5.7.1": {"--from", "a@spam.test", "--to", "alice@example.com"},
		"Access denied": {"--from", "a@remote.test", "--to", "alice@example.com", "--local-interface", "127.0.0.3"},
	} {
		if out := swaks(t, smtp, append(args, "--quit-after", "RCPT")...); !strings.Contains(out, about) {
			t.Errorf("the administrator's access map no longer says %s: %s", about, out)
		}
	}
	if out := swaks(t, smtp, "--from", "a@remote.test", "--to", "alice@example.com"); !strings.Contains(out, "accepted for delivery") {
		t.Errorf("mail for alice: %s", out)
	}
	here.takes(t, "alice@example.com")
	apply(t, s, providers.Delete, ours...)
	now = observed(t, s)
	for _, want := range []schema.Resource{partner, domain("example.com")} {
		if o := now[want.Kind+" "+want.Key]; o.Owner != "" || !o.Attrs.RawEquals(want.Attrs) {
			t.Errorf("given back %s is %#v", want.Key, o)
		}
	}
	for name, text := range was {
		if content(t, path(name)) != text {
			t.Errorf("%s is another one", name)
		}
	}
}

// What somebody has done to our own mailertable is seen as what it is, and put right.
func TestSmarthostsChangedByHand(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	want := smarthost("192.0.2.7:2525", []string{"a.test", "b.test"}, []string{"x.test", "y.test"})
	apply(t, s, providers.Create, setting("mail.example.com"), want)
	key := "smarthost " + want.Key
	for about, c := range map[string]struct {
		edit                func(string) string
		senders, recipients []string
	}{
		"one row is gone": {func(rows string) string {
			return strings.Replace(rows, "a.test,x.test\tmailform-to-2525:[192.0.2.7]\n", "", 1)
		},
			[]string{"a.test", "b.test"}, []string{"y.test"}},
		"one leads elsewhere": {func(rows string) string {
			return strings.Replace(rows, "a.test,x.test\tmailform-to-2525:[192.0.2.7]", "a.test,x.test\tmailform-to-2525:[192.0.2.66]", 1)
		}, []string{"a.test", "b.test"}, []string{"y.test"}},
		"one more":         {func(rows string) string { return rows + "b.test,z.test\tmailform-to-2525:[192.0.2.7]\n" }, []string{"a.test", "b.test"}, []string{"x.test", "y.test", "z.test"}},
		"one for anywhere": {func(rows string) string { return rows + "a.test,\tmailform-to-2525:[192.0.2.7]\n" }, []string{"a.test", "b.test"}, []string{"*", "x.test", "y.test"}},
	} {
		makemap(t, s, "mailertable", c.edit)
		o := observed(t, s)[key]
		if o.Owner != want.Address || !o.Attrs.GetAttr("senders").RawEquals(providertest.List(c.senders...)) || !o.Attrs.GetAttr("recipients").RawEquals(providertest.List(c.recipients...)) {
			t.Errorf("%s: it is seen as %#v", about, o.Attrs)
		}
		apply(t, s, providers.Update, want)
		if o := observed(t, s)[key]; !o.Attrs.RawEquals(want.Attrs) {
			t.Errorf("%s: put right it is %#v", about, o.Attrs)
		}
	}
	makemap(t, s, "mailertable", func(rows string) string { return rows + ",z.test\tmailform-to-2525:[192.0.2.66]\n" })
	other := "smarthost main/192.0.2.66:2525"
	if o, there := observed(t, s)[other]; !there || o.Owner != "" {
		t.Errorf("a way of somebody else's is seen as %#v", o)
	}
	apply(t, s, providers.Update, want)
	if _, there := observed(t, s)[other]; !there {
		t.Error("a way of somebody else's has gone")
	}
	makemap(t, s, "mailertable", func(string) string { return "" })
	if o, there := observed(t, s)[key]; there {
		t.Errorf("without a row it is %#v", o)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edit replaces something in a file, once.
func edit(t *testing.T, path, old, with string) {
	t.Helper()
	text := content(t, path)
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(text, old, with, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// appendTo adds lines to a file, which need not be there.
func appendTo(t *testing.T, path, lines string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(lines); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
