package dovecot_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func indexAt(path string) schema.Resource {
	none := cty.NullVal(cty.Number)
	return providertest.Resource(schema.KindLocation, "index", attrs{"content": str("index"), "path": str(path), "messages": none, "bytes": none, "free": none})
}

// The indexes of a Dovecot are moved away from the mail, on, and back; what clients
// know of changes is true all the time.
func TestTheIndexesMove(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theIndexesMove(newRigOf(t, instance(t), user("alice", nil), user("bob", nil)), name == "2.3")
		})
	}
}

func theIndexesMove(r *rig, steps bool) {
	t := r.t
	for _, subject := range []string{"one", "two", "three"} {
		if out, ok := r.deliver("alice@example.com", subject); !ok {
			t.Fatalf("LMTP: %s", out)
		}
	}
	r.doveadm("mailbox", "create", "-u", "alice@example.com", "Work")
	r.doveadm("move", "-u", "alice@example.com", "Work", "mailbox", "INBOX", "subject", "three")
	for range 5 {
		r.doveadm("flags", "add", "-u", "alice@example.com", `\Seen`, "mailbox", "INBOX", "subject", "two")
		r.doveadm("flags", "remove", "-u", "alice@example.com", `\Seen`, "mailbox", "INBOX", "subject", "two")
	}
	// The number of the last change is nowhere but in an index.
	numbers := func() string {
		t.Helper()
		return r.doveadm("-f", "tab", "mailbox", "status", "-u", "alice@example.com", "uidvalidity uidnext messages highestmodseq guid", "*") +
			r.doveadm("-f", "tab", "fetch", "-u", "alice@example.com", "mailbox uid flags modseq hdr.subject", "all")
	}
	before := numbers()
	if modseq := regexp.MustCompile(`INBOX\t\d+\t\d+\t\d+\t(\d+)`).FindStringSubmatch(before); modseq == nil || len(modseq[1]) < 2 {
		t.Fatalf("the test shows little: %s", before)
	}
	mail, one, two := r.path("mail"), r.path("vol/one"), r.path("two")
	lies := func(at string) {
		t.Helper()
		for place, of := range map[string][]string{
			mail: {"example.com/alice/Maildir/dovecot.index.log", "example.com/alice/Maildir/.Work/dovecot.index.log"},
			one:  {"example.com/alice/.INBOX/dovecot.index.log", "example.com/alice/.Work/dovecot.index.log"},
			two:  {"example.com/alice/.INBOX/dovecot.index.log", "example.com/alice/.Work/dovecot.index.log"},
		} {
			for _, name := range of {
				if _, err := os.Stat(filepath.Join(place, name)); (err == nil) != (place == at) {
					t.Errorf("when the indexes lie in %s, for %s of %s: %v", at, name, place, err)
				}
			}
		}
		if got := numbers(); got != before {
			t.Errorf("alice has\n%s\nand had\n%s", got, before)
		}
		if got := r.observedAt(indexAt(at)); got != at {
			t.Errorf("the indexes are seen in %s, and lie in %s", got, at)
		}
	}
	lies(mail)
	cut := 0
	for i, to := range []string{one, two, mail, two} {
		if n := []int{5, 7, 3, 0}[i]; steps && n > 0 { // all others were tried, and are like one of these
			switch err := r.move(indexAt(to), n); {
			case errors.Is(err, hosttest.ErrDied):
				cut++
			case err != nil:
				t.Fatalf("the move to %s, cut off after %d steps: %v", to, n, err)
			}
		}
		if err := r.move(indexAt(to), 1000); err != nil {
			t.Fatalf("move %d, to %s: %v", i, to, err)
		}
		r.running()
		lies(to)
	}
	t.Logf("cut off %d times", cut)
	if steps && cut < 3 {
		t.Error("the test shows little")
	}
	if problems, err := r.provider().(providers.Validator).Validate(t.Context(), []schema.Resource{indexAt(filepath.Join(mail, "below"))}); err != nil || len(problems) != 1 || problems[0].Attribute != "path" {
		t.Errorf("a place within the mail: %+v, %v", problems, err)
	}
	if err := r.move(indexAt(filepath.Join(mail, "below")), 1000); err == nil || !strings.Contains(err.Error(), "lies in the other") {
		t.Errorf("to a place within the mail: %v", err)
	}
	lies(two)

	// The mail is moved without them, and of a user who goes for good they go too.
	if err := r.moveMail(one, 1000); err != nil {
		t.Fatal(err)
	}
	if got := numbers(); got != before {
		t.Errorf("when the mail was moved, alice has\n%s\nand had\n%s", got, before)
	}
	gone := store()
	vals := gone.Attrs.AsValueMap()
	vals["retention"] = num(0)
	gone.Attrs = cty.ObjectVal(vals)
	r.apply(r.update(gone))
	r.apply(r.removal(user("alice", nil)))
	for _, place := range []string{one, two} {
		if _, err := os.Stat(filepath.Join(place, "example.com/alice")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("of alice there is something left in %s: %v", place, err)
		}
	}
	r.apply(r.removal(indexAt(two)))
	if got := r.observedAt(indexAt(two)); got != two {
		t.Errorf("nothing is said any more, and they are in %s", got)
	}
}

// observedAt is where something lies that is to lie somewhere.
func (r *rig) observedAt(want schema.Resource) string {
	r.t.Helper()
	list, err := r.provider().Read(r.t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, o := range list {
		if o.Kind == want.Kind && o.Key == want.Key {
			return o.Attrs.GetAttr("path").AsString()
		}
	}
	return ""
}
