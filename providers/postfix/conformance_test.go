package postfix_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func TestConformance(t *testing.T) {
	conformance(t, host.Local())
}

// Every kind goes the same few ways to another machine: these are files of Postfix's,
// maps that are built, and authd, which is put there.
func TestConformanceBySSH(t *testing.T) {
	conformance(t, hosttest.SSHD(t).Host(t), schema.KindRecipient)
}

// conformance tries a host with kinds, or with all.
func conformance(t *testing.T, on host.Host, kinds ...string) {
	t.Parallel()
	untried := providertest.Others("it is none of a server that takes mail", schema.KindSetting, schema.KindSmarthost, schema.KindDelivery, schema.KindListener, schema.KindFilter, schema.KindParameter, schema.KindLocation,
		schema.KindMailDomain, schema.KindRecipient, schema.KindRoute, schema.KindLookup)
	untried[schema.KindLocation] = "the queue is moved, with tests of its own"
	untried[schema.KindService] = "there is one in an instance, with tests of its own"
	far := len(kinds) > 0
	if far {
		untried = providertest.Others("it is tried on this machine", kinds...)
	}
	providertest.Run(t, providertest.Harness{
		Atomic: true, Untried: untried, Far: far,
		// Between them they have all: main.cf, master.cf, maps, and authd.
		Killed: []string{schema.KindSetting, schema.KindListener, schema.KindSmarthost, schema.KindRecipient},
		New: func(t *testing.T) *providertest.System {
			i := newInstance(t)
			t.Cleanup(func() { i.endAuthd(t) })
			through := func(lineage string) providers.Provider {
				p := i.provider(lineage)
				p.(*postfix.Provider).Through(on)
				return p
			}
			s := &providertest.System{Provider: through, Samples: i.samples(), Tamper: i.tamper}
			if !far {
				// It rests until it is killed for the first time, and runs from then on.
				s.Kill = func(t *testing.T) { i.Kill(t); i.Start(t) }
			}
			return s
		},
	})
}

// endAuthd ends the daemon for passwords, if it was started.
func (i *instance) endAuthd(t testing.TB) {
	if err := authd.Stop(t.Context(), filepath.Join(i.ConfigDir, "mailform/authd")); err != nil && t.Context().Err() == nil {
		t.Error(err)
	}
}

// tamper does with Postfix's own tools what an administrator would.
func (i *instance) tamper(t *testing.T, r schema.Resource) {
	t.Helper()
	gone := r.Attrs.IsNull()
	value := func(name string) string { return r.Attrs.GetAttr(name).AsString() }
	set := func(name, format string, attribute string) {
		t.Helper()
		if gone {
			i.Tool(t, "postconf", "-X", name)
		} else {
			i.Tool(t, "postconf", "-e", name+"="+format+value(attribute))
		}
	}
	switch r.Kind {
	case schema.KindSetting:
		set("myhostname", "", "hostname")
	case schema.KindDelivery:
		set("virtual_transport", "lmtp:inet:", "lmtp")
	case schema.KindParameter:
		set(r.Key, "", "value")
	case schema.KindListener:
		for _, name := range i.listens {
			if gone {
				i.Tool(t, "postconf", "-MX", name+"/inet")
			} else {
				i.Tool(t, "postconf", "-Pe", name+"/inet/myhostname="+value("hostname"))
			}
		}
	case schema.KindFilter:
		if gone {
			i.Tool(t, "postconf", "-X", "mailform_smtp_milters")
			return
		}
		position, _ := r.Attrs.GetAttr("position").AsBigFloat().Int64()
		timeout := r.Attrs.GetAttr("timeout").AsBigFloat().Text('f', 0) + "s"
		i.Tool(t, "postconf", "-e", "mailform_smtp_milters="+strings.Repeat("inet:192.0.2.1:1, ", int(position)-1)+
			"{ inet:"+value("address")+", default_action="+value("on_failure")+", connect_timeout="+timeout+", command_timeout="+timeout+", content_timeout="+timeout+" }")
	case schema.KindSmarthost:
		if gone { // as below
			providertest.Tamper(t, i.provider("somebody"), r)
			return
		}
		i.tamperSmarthost(t, r)
	case schema.KindLookup:
		if gone { // what is in the ledger would be put back with the next change
			providertest.Tamper(t, i.provider("somebody"), r)
			return
		}
		for _, name := range []string{"users.cf", "copies.cf", "aliases.cf", "refused.cf"} {
			i.write("mailform/"+name, strings.Replace(i.read("mailform/"+name), "server_host = "+providertest.LookupURL, "server_host = "+value("url"), 1))
		}
	case schema.KindMailDomain:
		i.editMap(t, "domains", func(text string) string { return without(text, r.Key) })
	case schema.KindRoute:
		i.editMap(t, "aliases", func(text string) string {
			if gone {
				return without(text, r.Key)
			}
			return regexp.MustCompile(`"type":"\w+"(.*\n`+regexp.QuoteMeta(r.Key)+")").ReplaceAllString(text, `"type":"`+value("type")+`"$1`)
		})
	case schema.KindRecipient:
		if gone {
			i.editMap(t, "recipients", func(text string) string { return without(text, r.Key) })
			return
		}
		path := authd.UsersFile(filepath.Join(i.ConfigDir, "mailform/authd"))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		users, err := authd.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for n := range users {
			if users[n].Address == r.Key {
				users[n].Verifiers = nil
				for _, v := range r.Attrs.GetAttr("password_hash").AsValueSlice() {
					users[n].Verifiers = append(users[n].Verifiers, v.AsString())
				}
			}
		}
		if text, err = authd.Format(users); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// editMap changes the text of a map of ours, and builds it.
func (i *instance) editMap(t testing.TB, name string, edit func(string) string) {
	t.Helper()
	i.write("mailform/"+name, edit(i.read("mailform/"+name)))
	i.Tool(t, "postmap", "hash:"+filepath.Join(i.ConfigDir, "mailform", name))
}

// without takes out the line of a key, and leaves the comment before it.
func without(text, key string) string {
	return regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(key)+`\t.*\n`).ReplaceAllString(text, "")
}

// everything is a server with all that it can have.
func (i *instance) everything(users ...string) []providers.Change {
	rs := []schema.Resource{
		parameter("smtpd_banner", "$myhostname ESMTP"), providertest.With(providertest.With(setting(), "tls_certificate", cty.StringVal("")), "tls_key", cty.StringVal("")),
		delivery("dovecot:127.0.0.1:12345"), service(), domain("example.com"),
	}
	for _, u := range users {
		rs = append(rs, recipient(u+"@example.com"))
	}
	var batch []providers.Change
	for _, r := range rs {
		batch = append(batch, providers.Change{Action: providers.Create, Resource: r})
	}
	return batch
}

// apply carries out changes one phase after the other, as their ranks say.
func (i *instance) apply(t testing.TB, batch ...providers.Change) {
	t.Helper()
	slices.SortStableFunc(batch, func(a, b providers.Change) int {
		return schema.KindByName(a.Resource.Kind).Rank - schema.KindByName(b.Resource.Kind).Rank
	})
	p := i.provider("L")
	for len(batch) > 0 {
		n := 1
		for n < len(batch) && batch[n].Resource.Kind == batch[0].Resource.Kind {
			n++
		}
		err := p.Apply(t.Context(), batch[:n], func(c providers.Change, _ providers.Observed, err error) error {
			if err != nil {
				t.Errorf("%s %s: %v", c.Action, c.Resource.Address, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		batch = batch[n:]
	}
}

func create(rs ...schema.Resource) []providers.Change {
	var batch []providers.Change
	for _, r := range rs {
		batch = append(batch, providers.Change{Action: providers.Create, Resource: r})
	}
	return batch
}

// observed reads everything of ours.
func (i *instance) observed(t testing.TB, wanted ...schema.Resource) map[string]providers.Observed {
	t.Helper()
	list, err := i.provider("L").Read(t.Context(), providers.Scope{Wanted: wanted})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]providers.Observed{}
	for _, o := range list {
		out[o.Kind+" "+o.Key] = o
	}
	return out
}

// removals are the changes that take everything away.
func (i *instance) removals(t testing.TB) []providers.Change {
	t.Helper()
	var batch []providers.Change
	for _, o := range i.observed(t) {
		if o.Owner != "" {
			batch = append(batch, providers.Change{Action: providers.Delete, Prior: &o,
				Resource: schema.Resource{Address: o.Owner, Kind: o.Kind, Key: o.Key, Attrs: o.Attrs}})
		}
	}
	slices.SortFunc(batch, func(a, b providers.Change) int {
		return schema.KindByName(b.Resource.Kind).Rank - schema.KindByName(a.Resource.Kind).Rank
	})
	return batch
}

// What is taken away leaves main.cf and master.cf as they were before mailform
// came, to the byte; while it is there, every line of others stays.
func TestForeignConfigurationStays(t *testing.T) {
	i := newInstance(t)
	i.write("valias", "old@old.example someone@example.net\n")
	i.Tool(t, "postmap", "hash:"+i.ConfigDir+"/valias")
	i.write("main.cf", i.read("main.cf")+"virtual_alias_maps =\n  # theirs\n  hash:"+i.ConfigDir+"/valias\nmyhostname = twice.internal\n")
	main, master := i.read("main.cf"), i.read("master.cf")
	listen := listener("smtp", strs(i.Foreign), strs())
	i.apply(t, append(i.everything("alice"), create(listen, route("al@example.com", "alias", false, "alice@example.com"))...)...)
	// One that is there is taken over, not made.
	mine := parameter("mydestination", "localhost")
	have := i.observed(t, mine)["parameter mydestination"]
	i.apply(t, providers.Change{Action: providers.Update, Resource: mine, Prior: &have})
	now := i.read("main.cf")
	for line := range strings.Lines(main) {
		name, _, isParameter := strings.Cut(line, " =")
		if isParameter && (name == "myhostname" || name == "mydestination" || name == "virtual_alias_maps" || name == "inet_interfaces") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "  hash:") {
			continue
		}
		if !strings.Contains(now, line) {
			t.Errorf("main.cf has lost %q", line)
		}
	}
	if !strings.Contains(i.read("master.cf"), "smtpd_banner=here") {
		t.Error("the service of the administrator has lost his option")
	}
	if got := i.Tool(t, "postmap", "-q", "old@old.example", "hash:"+i.ConfigDir+"/valias"); got != "someone@example.net\n" {
		t.Errorf("the map of the administrator has %q", got)
	}
	if o := i.observed(t)["route old@old.example"]; o.Owner != "" || o.Attrs == cty.NilVal || !o.Attrs.GetAttr("members").RawEquals(strs("someone@example.net")) {
		t.Errorf("the alias of the administrator is seen as %#v", o)
	}
	before, err := os.ReadFile(filepath.Join(i.ConfigDir, "main.cf.before-mailform"))
	if err != nil || string(before) != main {
		t.Errorf("main.cf was not kept as it was: %v", err)
	}
	for _, c := range i.removals(t) {
		i.apply(t, c)
	}
	if got := i.read("main.cf"); got != main {
		t.Errorf("main.cf is now:\n%s\nwas:\n%s", got, main)
	}
	if got := i.read("master.cf"); got != master {
		t.Errorf("master.cf is now:\n%s\nwas:\n%s", got, master)
	}
	for deadline := time.Now().Add(time.Minute); i.PID() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) { // what has ended has first to be taken note of by its parent
			t.Fatal("it still runs")
		}
	}
}
