package sendmail_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/schema"
)

// makemap changes a map of ours as an administrator can: what Sendmail reads, not the
// text beside it.
func makemap(t *testing.T, s *mailtest.SendmailInstance, name string, edit func(string) string) {
	t.Helper()
	program, path := filepath.Join(s.ProgramDir, "makemap"), filepath.Join(s.ConfigDir, "mailform", name)
	cf := filepath.Join(s.ConfigDir, "sendmail.cf")
	rows, err := exec.Command(program, "-C", cf, "-u", "hash", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command(program, "-C", cf, "hash", path)
	build.Stdin = strings.NewReader(edit(string(rows)))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// What an administrator does with makemap is seen as what it is, is not overwritten
// unseen, and is put right where that is asked for.
func TestDriftByHand(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	sales := route("sales@example.com", "alias", false, "alice@example.com")
	apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", ""), domain("example.com"),
		recipient("alice@example.com"), recipient("bob@example.com"), sales)
	was := observed(t, s)

	makemap(t, s, "aliases", func(rows string) string {
		return strings.ReplaceAll(rows, "alice@example.com", "eve@elsewhere.test") + "group@example.com\talice@example.com, bob@example.com\n"
	})
	makemap(t, s, "addresses", func(rows string) string {
		rows = regexp.MustCompile(`(?m)^bob@example\.com\t.*\n`).ReplaceAllString(rows, "")
		return rows + "byhand@example.com\tbyhand@example.com\ngroup@example.com\tgroup@example.com\n"
	})
	now := observed(t, s)
	led := now["route sales@example.com"]
	if members := led.Attrs.GetAttr("members"); led.Owner != sales.Address || !members.RawEquals(schema.StringList([]string{"eve@elsewhere.test"})) {
		t.Errorf("a route that leads elsewhere is %#v", led)
	}
	if o, there := now["recipient bob@example.com"]; there {
		t.Errorf("a recipient who was taken out is %+v", o)
	}
	if o, there := now["recipient byhand@example.com"]; !there || o.Owner != "" {
		t.Errorf("a recipient put in by hand is %+v", o)
	}

	// A plan made before that is not carried out over it.
	prior := was["route sales@example.com"]
	var told error
	update := providers.Change{Action: providers.Update, Resource: route("sales@example.com", "alias", false, "bob@example.com"), Prior: &prior}
	err := provider(t, s, "L").Apply(t.Context(), []providers.Change{update}, func(_ providers.Change, _ providers.Observed, err error) error {
		told = err
		return nil
	})
	if err != nil || !errors.Is(told, providers.ErrConflict) {
		t.Errorf("an update of what was there before: %v, %v; want a conflict", err, told)
	}
	if again := observed(t, s)["route sales@example.com"]; again.Revision != led.Revision {
		t.Error("it was overwritten all the same")
	}

	update.Resource, update.Prior = sales, &led
	err = provider(t, s, "L").Apply(t.Context(), []providers.Change{update}, func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, providers.Create, recipient("bob@example.com"))
	put := observed(t, s)
	if o := put["route sales@example.com"]; !o.Attrs.GetAttr("members").RawEquals(sales.Attrs.GetAttr("members")) {
		t.Errorf("the route was not put right: %#v", o)
	}
	for _, id := range []string{"recipient byhand@example.com", "route group@example.com"} {
		if is, there := put[id]; !there || is.Owner != "" || !is.Attrs.RawEquals(now[id].Attrs) {
			t.Errorf("%s, put in by hand, is now %#v", id, is)
		}
	}
	if _, there := put["recipient bob@example.com"]; !there {
		t.Error("bob was not put back")
	}
}
