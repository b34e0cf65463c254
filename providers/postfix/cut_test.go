package postfix_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// changes are the programs that mailform has change something.
var changes = regexp.MustCompile(`/?(postmap -c \S+ \w+:|postfix -c \S+ (start|stop|reload)$|mv -f|cp -a|rm -rf)`)

// An apply is cut off before each of the things that it does, as where mailform is
// killed or the machine is not to be reached any more. Whatever was done by then,
// Postfix itself finds nothing wrong with it and goes on, with all of the users or none,
// and the next apply does the rest.
func TestCutOffAtEachStep(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	mx := porttest.Addr(t)
	i.apply(t, append(i.everything("alice"), create(listener("smtp", strs(mx), strs()))...)...)
	foreign := i.read("main.cf")
	phases := [][]schema.Resource{ // one goes through maps, the other through main.cf and master.cf
		{recipient("a@example.com"), recipient("b@example.com"), recipient("c@example.com")},
		{smarthost("relay.example.net:25", map[string]cty.Value{"senders": strs("a.example")}), parameter("smtpd_helo_required", "yes"), parameter("inet_protocols", "ipv4, ipv6")},
	}
	for n, rs := range phases {
		for cut := 0; ; cut++ {
			was := i.observed(t, rs...)
			p := i.provider("L").(*postfix.Provider)
			p.Through(&hosttest.Dying{Host: host.Local(), Left: cut, Counts: changes.MatchString})
			var batch []providers.Change
			for _, r := range rs {
				c := providers.Change{Action: providers.Create, Resource: r}
				if o, there := was[r.Kind+" "+r.Key]; there {
					c.Action, c.Prior = providers.Update, &o
				}
				batch = append(batch, c)
			}
			reported := 0
			var failed error
			err := p.Apply(t.Context(), batch, func(_ providers.Change, _ providers.Observed, err error) error {
				if failed = errors.Join(failed, err); err == nil {
					reported++
				}
				return nil
			})
			err = errors.Join(err, failed)
			if err := i.Check(); err != nil {
				t.Fatalf("phase %d, cut off after %d steps: %v", n, cut, err)
			}
			if got := answers(t, mx, "alice@example.com"); got != 0 {
				t.Errorf("phase %d, cut off after %d steps: alice is answered %d", n, cut, got)
			}
			there, now := 0, i.observed(t, rs...)
			for _, r := range rs {
				if now[r.Kind+" "+r.Key].Owner != "" {
					there++
				}
			}
			if there < reported || there != 0 && there != len(rs) {
				t.Errorf("phase %d, cut off after %d steps: %d of %d are there, %d were reported", n, cut, there, len(rs), reported)
			}
			if err == nil && reported == len(rs) {
				t.Logf("phase %d has %d steps", n, cut)
				break
			}
			if !errors.Is(err, hosttest.ErrDied) || cut > 60 {
				t.Fatalf("phase %d, cut off after %d steps: %v", n, cut, err)
			}
		}
	}
	for _, r := range phases[1][1:] {
		have := i.observed(t, r)[r.Kind+" "+r.Key]
		i.apply(t, providers.Change{Action: providers.Delete, Resource: r, Prior: &have})
	}
	have := i.observed(t)["smarthost main/relay.example.net:25"]
	i.apply(t, providers.Change{Action: providers.Delete, Resource: phases[1][0], Prior: &have})
	if got := i.read("main.cf"); got != foreign {
		t.Errorf("main.cf is now:\n%s\nwas:\n%s", got, foreign)
	}
}

// Each file of others is kept as it was before its first change, and what is changed
// afterwards is not kept in its place.
func TestBackups(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	if err := os.Mkdir(filepath.Join(i.ConfigDir, "mailform"), 0o755); err != nil {
		t.Fatal(err)
	}
	was := map[string]string{"main.cf": i.read("main.cf"), "master.cf": i.read("master.cf")}
	for _, name := range []string{"domains", "recipients", "aliases", "transport", "sender-transport", "passwords"} {
		was["mailform/"+name] = "# of " + name + ", by hand\nsomebody@old.example\tx\n"
		i.write("mailform/"+name, was["mailform/"+name])
	}
	way := smarthost("smtp.example.net:587", login("us", "secret", map[string]cty.Value{"recipients": strs("a.example")}))
	from := smarthost("smtp.example.org:587", login("us", "secret", map[string]cty.Value{"senders": strs("a.example")}))
	batch := append(i.everything("alice"), create(listener("smtp", strs(porttest.Addr(t)), strs()), way, from, route("al@example.com", "alias", false, "alice@example.com"))...)
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindService {
			batch[n].Resource = providertest.With(batch[n].Resource, "running", cty.False)
		}
	}
	i.apply(t, batch...)
	i.write("mailform/new/__db.recipients.db", "") // as a postmap leaves it that is killed
	i.apply(t, create(recipient("bob@example.com"), domain("example.org"), route("bo@example.com", "alias", false, "bob@example.com"),
		smarthost("smtp.example.com:587", map[string]cty.Value{"recipients": strs("b.example")}), parameter("smtpd_helo_required", "yes"))...)
	for name, text := range was {
		if got := i.read(name + ".before-mailform"); got != text {
			t.Errorf("%s as it was before: %q, want %q", name, got, text)
		}
		if got := i.read(name); got == text || strings.HasPrefix(name, "mailform/") && !strings.Contains(got, "somebody@old.example\tx\n") {
			t.Errorf("%s is now: %q", name, got)
		}
	}
}
