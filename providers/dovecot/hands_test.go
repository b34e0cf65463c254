package dovecot_test

// What becomes of the configuration when others have a hand in it, or something
// goes wrong.

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
)

// What others have written stays to the byte while mailform comes and goes.
func TestForeignConfigurationStays(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	kept, err := os.ReadFile(host.BackupOf(r.path("dovecot.conf")))
	if err != nil {
		t.Fatal(err)
	}
	before := string(kept)
	now := r.read("dovecot.conf")
	if rest, ok := strings.CutPrefix(now, before); !ok || strings.Count(rest, "\n") > 3 {
		t.Errorf("dovecot.conf is now:\n%s\nwas:\n%s", now, before)
	}
	r.edit("dovecot.conf", "# a comment within", "# another comment")
	r.apply(creates(parameter("mail_max_keyword_length", "77"))...)
	if got, want := r.read("dovecot.conf"), strings.Replace(now, "# a comment within", "# another comment", 1); got != want {
		t.Errorf("dovecot.conf is now:\n%s\nwas:\n%s", got, want)
	}
	if out, ok := r.run("doveconf", "-c", r.path("dovecot.conf"), "-h", "login_greeting"); !ok || out != "Ready, at last\n" {
		t.Errorf("the greeting of the administrator is %q", out)
	}
	var batch []providers.Change
	for _, o := range r.observed() {
		batch = append(batch, providers.Change{Action: providers.Delete, Prior: &o, Resource: schema.Resource{Address: o.Owner, Kind: o.Kind, Key: o.Key, Attrs: o.Attrs}})
	}
	slices.SortFunc(batch, func(a, b providers.Change) int {
		return schema.KindByName(b.Resource.Kind).Rank - schema.KindByName(a.Resource.Kind).Rank
	})
	for _, c := range batch {
		r.apply(c)
	}
	if got, want := r.read("dovecot.conf"), strings.Replace(before, "# a comment within", "# another comment", 1); got != want {
		t.Errorf("in the end dovecot.conf is:\n%s\nwas:\n%s", got, want)
	}
}

// An entry whose user was taken out by hand leaves its note: that is none of whoever
// comes after it.
func TestNoteOfAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	line := ""
	for l := range strings.Lines(r.read("mailform/users")) {
		if strings.HasPrefix(l, "alice@example.com:") {
			line = l
		}
	}
	r.edit("mailform/users", line, strings.Replace(line, "alice@", "bob@", 1))
	if o := r.observed()[schema.KindMailbox+" bob@example.com"]; o.Owner != "" || o.Revision == "" {
		t.Errorf("bob is seen as %+v", o)
	}
}

// What is done by hand is seen for what it is, and undone.
func TestDriftByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil), user("bob", nil))
	r.apply(creates(parameter("mail_max_keyword_length", "77"))...)
	for name, tt := range map[string]struct {
		by        func()
		res       schema.Resource
		attribute string
	}{
		"another quota in the file of users": {func() { r.edit("mailform/users", "bytes=1073741824", "bytes=5") }, user("alice", nil), "quota"},
		"a user who is denied a protocol": {func() {
			r.edit("mailform/deny.pop3", "log in with this service.\n", "log in with this service.\nbob@example.com\n")
		},
			user("bob", nil), "protocols"},
		"a setting below our line": {func() {
			if err := os.WriteFile(r.path("dovecot.conf"), []byte(r.read("dovecot.conf")+"mail_max_keyword_length = 9\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, parameter("mail_max_keyword_length", "77"), "value"},
		"another name in our file": {func() {
			r.edit("mailform/mailform.conf", "\nhostname = mail.example.com\n", "\nhostname = other.example.com\n")
		}, store(), "hostname"},
		"a listener that was moved": {func() {
			_, port, _ := strings.Cut(r.pop3, ":")
			other := strconv.Itoa(porttest.Port(t))
			r.edit("mailform/mailform.conf", "port = "+port, "port = "+other)
		}, listener(t, "pop3", []string{r.pop3}, []string{r.pop3s}), "listen"},
	} {
		t.Run(name, func(t *testing.T) {
			was := r.observed()
			tt.by()
			now := r.observed()
			id := tt.res.Kind + " " + tt.res.Key
			for key, o := range now {
				var differ []string
				for _, a := range schema.KindByName(o.Kind).Attributes {
					if !o.Attrs.GetAttr(a.Name).RawEquals(was[key].Attrs.GetAttr(a.Name)) {
						differ = append(differ, a.Name)
					}
				}
				if want := []string{tt.attribute}; key == id && !slices.Equal(differ, want) || key != id && differ != nil {
					t.Errorf("of %s have changed: %v", key, differ)
				}
			}
			o := was[id]
			if err := r.try(providers.Change{Action: providers.Update, Resource: tt.res, Prior: &o}); !errors.Is(err, providers.ErrConflict) {
				t.Errorf("a plan from before that is carried out: %v", err)
			}
			r.apply(r.update(tt.res))
			if o := r.observed()[id]; !o.Attrs.GetAttr(tt.attribute).RawEquals(tt.res.Attrs.GetAttr(tt.attribute)) {
				t.Errorf("%s is not put back", tt.attribute)
			}
		})
	}
}

// A configuration that Dovecot refuses is not there afterwards: it goes on with the
// one that it had.
func TestRefusedConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	before := r.read("mailform/mailform.conf")
	for _, bad := range []schema.Resource{parameter("mail_max_keyword_length", "many"), parameter("no_such_setting", "1")} {
		err := r.try(creates(bad)...)
		if err == nil || !strings.Contains(err.Error(), "doveconf") {
			t.Errorf("%s: %v", bad.Key, err)
		}
		if got := r.read("mailform/mailform.conf"); got != before {
			t.Errorf("it is not put back, but\n%s", got)
		}
	}
	if !r.logsIn("alice", "imap://"+r.imap+"/") {
		t.Error("nobody can log in any more")
	}
	if _, err := os.Stat(r.path("mailform/unfinished")); !os.IsNotExist(err) {
		t.Errorf("the note of it is still there: %v", err)
	}
}

// Who is killed while Dovecot judges a configuration leaves it behind. The next plan
// is made all the same, and the next apply puts it back first.
func TestKilledHalfWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	before := r.read("mailform/mailform.conf")
	settings, err := host.Local().Read(t.Context(), r.path("mailform/mailform.conf"))
	if err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	trial := host.Trial{Host: interrupted{host.Local(), killed}, Note: r.path("mailform/unfinished"), Accept: func(context.Context) error { return killed }}
	if err := trial.Run(t.Context(), settings[0].With([]byte(before+"\nno_such_setting = 1\n"))); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	if !strings.Contains(r.read("mailform/mailform.conf"), "no_such_setting") {
		t.Fatal("it is not half way")
	}
	if o := r.observed(); len(o) == 0 || o[schema.KindMailbox+" alice@example.com"].Owner == "" {
		t.Errorf("half way it reads %v", o)
	}
	r.apply(creates(user("bob", nil))...)
	if got := r.read("mailform/mailform.conf"); got != before {
		t.Errorf("it is not put back, but\n%s", got)
	}
	if !r.logsIn("bob", "imap://"+r.imap+"/") {
		t.Error("bob cannot log in")
	}
}

// A directory that cannot be written to leaves everything as it was.
func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t, user("alice", nil))
	users, denied := r.read("mailform/users"), r.read("mailform/deny.imap")
	if out, ok := r.run("chattr", "+i", r.path("mailform")); !ok {
		t.Skipf("SKIPPED: chattr: %s", out)
	}
	t.Cleanup(func() { r.run("chattr", "-i", r.path("mailform")) })
	if err := r.try(creates(user("pia", attrs{"protocols": list("pop3")}))...); err == nil || !strings.Contains(err.Error(), "mailform/deny.imap") {
		t.Errorf("the error is: %v", err)
	}
	if r.read("mailform/users") != users || r.read("mailform/deny.imap") != denied {
		t.Error("it is half written")
	}
	if !r.logsIn("alice", "imap://"+r.imap+"/") {
		t.Error("alice cannot log in any more")
	}
	r.run("chattr", "-i", r.path("mailform"))
	r.apply(creates(user("pia", attrs{"protocols": list("pop3")}))...)
	if !r.logsIn("pia", "pop3://"+r.pop3+"/") {
		t.Error("pia cannot log in")
	}
}

// interrupted is a machine on which nothing can be put back.
type interrupted struct {
	host.Host
	err error
}

func (i interrupted) Write(ctx context.Context, files ...host.File) error {
	for _, f := range files {
		if f.Was == "" && !strings.HasSuffix(f.Path, "unfinished") {
			return i.err
		}
	}
	return i.Host.Write(ctx, files...)
}
