package postfix_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An installation that builds no maps has texts in their place, and takes notice of
// their changes all the same, without a restart.
func TestMapsThatAreNotBuilt(t *testing.T) {
	t.Parallel()
	i, sink := newInstance(t), newSink(t)
	mx := porttest.Addr(t)
	i.write("theirs", "old@old.example someone@example.net\n")
	i.Tool(t, "postconf", "-e", "default_database_type = texthash", "virtual_alias_maps = texthash:"+i.ConfigDir+"/theirs")
	before := i.read("main.cf")
	batch := i.everything("alice")
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindDelivery {
			batch[n].Resource = providertest.With(delivery(""), "lmtp", cty.StringVal(sink.addr))
		}
	}
	i.apply(t, append(batch, create(listener("smtp", strs(mx), strs()))...)...)
	pid := i.PID()
	if got := answers(t, mx, "bob@example.com"); got != 550 {
		t.Errorf("bob, who is not there yet, is answered %d", got)
	}
	i.apply(t, create(recipient("bob@example.com"), route("al@example.com", "alias", false, "alice@example.com", "bob@example.com"))...)
	send(t, mx, "al@example.com")
	sink.took(t, "alice@example.com", "bob@example.com")
	built, err := filepath.Glob(filepath.Join(i.ConfigDir, "mailform", "*.*db"))
	if err != nil || len(built) > 0 {
		t.Errorf("these were built: %v, %v", built, err)
	}
	if o := i.observed(t)["route old@old.example"]; o.Owner != "" || o.Kind == "" {
		t.Errorf("the alias of the administrator is seen as %#v", o)
	}
	i.write("mailform/recipients", without(i.read("mailform/recipients"), "bob@example.com"))
	bob := recipient("bob@example.com")
	if _, there := i.observed(t, bob)["recipient bob@example.com"]; there {
		t.Error("bob is seen, who was taken out")
	}
	i.apply(t, create(bob)...)
	if got := answers(t, mx, "bob@example.com"); got != 0 || i.PID() != pid {
		t.Errorf("bob is answered %d, the master is %d, was %d", got, i.PID(), pid)
	}
	for _, c := range i.removals(t) {
		i.apply(t, c)
	}
	if got := i.read("main.cf"); got != before {
		t.Errorf("main.cf is now:\n%s\nwas:\n%s", got, before)
	}
	if _, err := os.Stat(filepath.Join(i.ConfigDir, "mailform/unfinished.json")); err == nil {
		t.Error("something is unfinished")
	}
}
