package sendmail_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
)

// What the administrator has in his virtusertable is shown as somebody else's, can be
// taken over, and stays as it is, byte for byte.
func TestVirtusertableOfOthers(t *testing.T) {
	t.Parallel()
	s := mailtest.Sendmail(t)
	mc, table := filepath.Join(s.ConfigDir, "sendmail.mc"), filepath.Join(s.ConfigDir, "virtusertable")
	source, err := os.ReadFile(mc)
	if err != nil {
		t.Fatal(err)
	}
	feature := "FEATURE(`virtusertable', `hash -o " + table + "')dnl\nFEATURE(`nocanonify')dnl\n"
	for path, text := range map[string]string{
		mc:    strings.Replace(string(source), "FEATURE(`nocanonify')dnl\n", feature, 1),
		table: "# by hand\nOld@old.example\tsomeone@elsewhere.test\n@old.example   old@elsewhere.test\nno@old.example\terror:nouser 550 nobody\nsales@example.com\teve@elsewhere.test\nlocal\tx\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if o := observed(t, s); len(o) != 0 {
		t.Errorf("of a table that is not made and not named there is %v", o)
	}
	apply(t, s, providers.Create, setting("mail.example.com"), delivery("127.0.0.1:24", ""), domain("example.com"), recipient("alice@example.com"))
	was := observed(t, s)
	build := exec.Command(filepath.Join(s.ProgramDir, "makemap"), "-C", filepath.Join(s.ConfigDir, "sendmail.cf"), "hash", table)
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	build.Stdin = strings.NewReader(string(text))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	built, err := os.ReadFile(table + ".db")
	if err != nil {
		t.Fatal(err)
	}

	now := observed(t, s)
	for _, want := range []schema.Resource{
		route("old@old.example", "alias", false, "someone@elsewhere.test"), route("@old.example", "catch_all", false, "old@elsewhere.test"),
		route("no@old.example", "refused", false), route("sales@example.com", "alias", false, "eve@elsewhere.test"),
	} {
		if o, there := now["route "+want.Key]; !there || o.Owner != "" || !o.Attrs.RawEquals(want.Attrs) {
			t.Errorf("%s is seen as %#v", want.Key, o)
		}
	}
	if len(now) != len(was)+4 {
		t.Errorf("there are %d, before the table was made %d", len(now), len(was))
	}

	// One is taken over, and given back.
	sales := route("sales@example.com", "alias", false, "alice@example.com")
	prior := now["route sales@example.com"]
	err = provider(t, s, "L").Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: sales, Prior: &prior}},
		func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	taken := observed(t, s)["route sales@example.com"]
	if taken.Owner != sales.Address || !taken.Attrs.GetAttr("members").RawEquals(providertest.List("alice@example.com")) {
		t.Errorf("taken over it is %#v", taken)
	}
	err = provider(t, s, "L").Apply(t.Context(), []providers.Change{{Action: providers.Delete, Resource: sales, Prior: &taken}},
		func(_ providers.Change, _ providers.Observed, err error) error { return err })
	if err != nil {
		t.Fatal(err)
	}
	if o := observed(t, s)["route sales@example.com"]; o.Owner != "" || !o.Attrs.RawEquals(prior.Attrs) {
		t.Errorf("given back it is %#v", o)
	}
	for path, want := range map[string]string{table: string(text), table + ".db": string(built)} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is another one: %v", path, err)
		}
	}
}
