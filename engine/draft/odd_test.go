package draft_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A server, a name server and a domain; the odd worlds have something beside.
const base = `
server "main" {
  hostname = "mail.example.com"
  smtp { listen = ["127.0.0.1:2525"] }
}
nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}
domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  mx { host = "mx.example.net" }
  server = server.main
}
user "alice" {
  domain        = domain.example
  name          = "alice"
  password_hash = "$6$salt$SECRET"
}
`

func mailbox(address, mail string) providers.Observed {
	return providers.Observed{Kind: schema.KindMailbox, Key: address, Attrs: cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(address), "password_hash": cty.ListValEmpty(cty.String), "quota": cty.NumberIntVal(0),
		"protocols": cty.ListVal([]cty.Value{cty.StringVal("imap"), cty.StringVal("pop3")}), "mail": cty.StringVal(mail),
		"messages": cty.NumberIntVal(1), "bytes": cty.NumberIntVal(1),
	})}
}

func route(typ, address string, members ...string) providers.Observed {
	vals := []cty.Value{}
	for _, m := range members {
		vals = append(vals, cty.StringVal(m))
	}
	return providers.Observed{Kind: schema.KindRoute, Key: address, Attrs: cty.ObjectVal(map[string]cty.Value{
		"address": cty.StringVal(address), "type": cty.StringVal(typ), "members": cty.ListVal(vals), "keep_copy": cty.False,
	})}
}

func records(name, typ string, values ...string) providers.Observed {
	vals := []cty.Value{}
	for _, v := range values {
		vals = append(vals, cty.StringVal(v))
	}
	return providers.Observed{Kind: schema.KindRRset, Key: "example.com/" + name + "/" + typ, Attrs: cty.ObjectVal(map[string]cty.Value{
		"zone": cty.StringVal("example.com."), "name": cty.StringVal(name), "type": cty.StringVal(typ),
		"ttl": cty.NumberIntVal(3600), "values": cty.ListVal(vals),
	})}
}

func TestOddWorlds(t *testing.T) {
	weak := providers.Observed{Kind: schema.KindDKIMKey, Key: "example.com/weak", Attrs: cty.ObjectVal(map[string]cty.Value{
		"domain": cty.StringVal("example.com"), "selector": cty.StringVal("weak"), "algorithm": cty.StringVal("rsa"),
		"bits": cty.NumberIntVal(1024), "txt": cty.StringVal(key),
	})}
	setting := func(key string) providers.Observed {
		return providers.Observed{Kind: schema.KindSetting, Key: key, Attrs: cty.ObjectVal(map[string]cty.Value{
			"hostname": cty.StringVal("other.example.net"), "retention": cty.NumberIntVal(86400), "message_size_limit": cty.NumberIntVal(1),
		})}
	}
	owned := func(o providers.Observed, origin string) providers.Observed {
		o.Origin = origin
		return o
	}
	gone := mailbox("gone@example.com", "enabled")
	gone.Retained = true
	for name, c := range map[string]struct {
		beside []providers.Observed
		has    []string // in the file
		hasNot string
		left   string
	}{
		"a catch-all of several": {[]providers.Observed{route("catch_all", "@example.com", "a@example.net", "b@example.net")}, nil, "catch_all",
			"route @example.com: a catch-all goes to one recipient; an alias block can have several"},
		"a forward that is none": {[]providers.Observed{route("forward", "alice@example.com", "a@example.net")}, nil, "forward_to",
			"route alice@example.com: it is a forward of a mailbox that does not forward"},
		"a mailbox that forwards to nobody": {[]providers.Observed{mailbox("lost@example.com", "forward")}, nil, "lost",
			"mailbox lost@example.com: Forward to nobody: mail = \"forward\" needs forward_to: the addresses that mail for lost@example.com goes to."},
		"aliases in a circle": {[]providers.Observed{route("alias", "a@example.com", "b@example.com", "x@example.net"), route("alias", "b@example.com", "a@example.com", "x@example.net")},
			nil, `alias "a"`, "route a@example.com: Mail goes round in a circle"},
		"an alias to nobody of ours": {[]providers.Observed{route("alias", "a@example.com", "nobody@example.com")}, nil, `alias "a"`,
			"route a@example.com: Unknown address"},
		"mail in a domain that is not there": {[]providers.Observed{mailbox("a@example.org", "enabled"), route("alias", "b@example.org", "x@example.net")}, nil, "example.org",
			"mailbox a@example.org: no block of the root module declares the domain example.org\nroute b@example.org: no block of the root module declares the domain example.org"},
		"a deleted mailbox":             {[]providers.Observed{gone}, nil, "gone", ""},
		"a key that is too short":       {[]providers.Observed{weak}, nil, "weak", "it is none of these numbers"},
		"a server of a block with keys": {[]providers.Observed{setting(`fleet["a"]`)}, nil, "fleet", "it is an instance of a block with for_each or count"},
		"labels as they were":           {[]providers.Observed{owned(mailbox("bob@example.com", "enabled"), "user.Robert.mailbox")}, []string{`user "Robert" {`}, "", ""},
		"keys become labels":            {[]providers.Observed{owned(mailbox("bob@example.com", "enabled"), `user.staff["bob.b"].mailbox`)}, []string{`user "bob_b" {`}, "", ""},
		"an alias that had a block":     {[]providers.Observed{owned(route("alias", "al@example.com", "alice@example.com"), "alias.one.route")}, []string{`alias "one" {`}, "", ""},
		"postmaster as an alias of a user": {[]providers.Observed{owned(route("alias", "postmaster@example.com", "alice@example.com"), `user.alice.alias["postmaster"]`)},
			[]string{`aliases       = ["postmaster"]`}, "postmaster =", ""},
		"postmaster":                    {[]providers.Observed{route("alias", "postmaster@example.com", "alice@example.com")}, []string{"postmaster = user.alice"}, "", ""},
		"a null MX stays a record":      {[]providers.Observed{records("sub.example.com.", "MX", "0 .")}, []string{`values = ["0 ."]`}, "", ""},
		"an odd policy stays a record":  {[]providers.Observed{records("example.com.", "TXT", "v=spf1 mx a ?all")}, []string{`values = ["v=spf1 mx a ?all"]`}, "spf {", ""},
		"a policy in other words stays": {[]providers.Observed{records("example.com.", "TXT", "v=spf1 mx a:mail.example.com  -all")}, []string{`"v=spf1 mx a:mail.example.com  -all"`}, "spf {", ""},
		"a policy beside other texts": {[]providers.Observed{records("example.com.", "TXT", "site=1", "v=spf1 mx a:mail.example.com -all")},
			[]string{"spf {", `values = ["site=1"]`}, "values = [\"v=spf1", ""},
		"two policies":                 {[]providers.Observed{records("example.com.", "TXT", "v=spf1 -all", "v=spf1 mx -all")}, []string{`disable_checks = ["spf-multiple"]`}, "spf {", ""},
		"a CNAME beside other records": {[]providers.Observed{records("x.example.com.", "CNAME", "a.example.net."), records("x.example.com.", "TXT", "y")}, nil, "CNAME", "rrset example.com/x.example.com./CNAME: CNAME beside other records"},
		"a policy with unknown tags":   {[]providers.Observed{records("_dmarc.example.com.", "TXT", "v=DMARC1; p=none; fo=1")}, []string{"fo=1"}, "dmarc {", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := evaluate(t, map[string]string{"main.mf.hcl": base})
			list := things(resources(t, cfg)[schema.DefaultProvider])
			have := map[string]int{}
			for i, o := range list {
				have[o.Kind+" "+o.Key] = i
			}
			for _, o := range c.beside {
				if i, ok := have[o.Kind+" "+o.Key]; ok {
					list[i] = o
				} else {
					list = append(list, o)
				}
			}
			made, err := draft.Make(draft.Input{Target: schema.DefaultProvider, Things: list, Config: &config.Config{Dir: cfg.Dir}, Expand: options})
			if err != nil {
				t.Fatal(err)
			}
			text := string(made.Config(draft.Options{}))
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in:\n%s", want, text)
				}
			}
			if c.hasNot != "" && strings.Contains(text, c.hasNot) {
				t.Errorf("%s in:\n%s", c.hasNot, text)
			}
			var left []string
			for _, l := range made.Left {
				left = append(left, l.ID.Kind+" "+l.ID.Key+": "+l.Why)
			}
			if got := strings.Join(left, "\n"); !strings.Contains(got, c.left) || c.left == "" && got != "" {
				t.Errorf("left: %s", got)
			}
			evaluate(t, map[string]string{"all.mf.hcl": text}, made.Vars()...)
		})
	}
}

func TestOnlyWhatIsWanted(t *testing.T) {
	cfg := evaluate(t, map[string]string{"main.mf.hcl": base})
	list := things(resources(t, cfg)[schema.DefaultProvider])
	list = append(list, mailbox("bob@example.com", "enabled"), route("alias", "sales@example.com", "alice@example.com", "bob@example.com"),
		records("www.example.com.", "A", "192.0.2.80"), records("example.com.", "TXT", "one"))
	ref := func(typ, name string) schema.Ref { return schema.Ref{Type: typ, Name: name} }
	in := draft.Input{
		Target: schema.DefaultProvider, Things: list, Config: cfg, Declared: resources(t, cfg)[schema.DefaultProvider], Expand: options,
		Wanted: []draft.Wanted{
			{To: ref("user", "robert"), ID: "Bob@Example.com"}, {To: ref("alias", "team"), ID: "sales@example.com"},
			{To: ref("record", "web"), ID: "www.example.com/A"}, {To: ref("user", "nobody"), ID: "nobody@example.com"},
			{To: ref("user", "again"), ID: "alice@example.com"},
		},
	}
	made, err := draft.Make(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `
user "robert" {
  domain = domain.example
  name   = "bob"
}

alias "team" {
  domain  = domain.example
  name    = "sales"
  members = [user.alice, user.robert]
}

record "web" {
  zone   = domain.example.zone
  name   = "www"
  type   = "A"
  values = ["192.0.2.80"]
}
`
	if d := cmp.Diff(strings.TrimPrefix(want, "\n"), string(made.Config(draft.Options{}))); d != "" {
		t.Error(d)
	}
	var left []string
	for _, l := range made.Left {
		left = append(left, l.Wanted+": "+l.Why)
	}
	if d := cmp.Diff([]string{"user.nobody: there is no such thing", "user.again: it is declared already, as user.alice.mailbox"}, left); d != "" {
		t.Error(d)
	}
}
