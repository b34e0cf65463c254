package dovecot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/dovecot"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func storageAt(path string) schema.Resource {
	none := cty.NullVal(cty.Number)
	return providertest.Resource(schema.KindLocation, "storage", attrs{"content": str("storage"), "path": str(path), "messages": none, "bytes": none, "free": none})
}

// moveMail applies that the mail is to lie elsewhere. It is cut off after some steps.
func (r *rig) moveMail(to string, steps int) error { return r.move(storageAt(to), steps) }

// move applies that something is to lie elsewhere. It is cut off after some steps.
func (r *rig) move(want schema.Resource, steps int) error {
	r.t.Helper()
	p := r.provider().(*dovecot.Provider)
	to := want.Attrs.GetAttr("path").AsString()
	list, err := p.Read(r.t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation && o.Key == want.Key })
	if i < 0 {
		r.t.Fatal("it does not say where that lies")
	}
	if list[i].Owner == want.Address && list[i].Attrs.GetAttr("path").AsString() == to {
		return nil
	}
	p.Through(&hosttest.Dying{Host: host.Local(), Left: steps, Counts: func(line string) bool {
		return strings.Contains(line, "tar -C") || strings.Contains(line, "rm -rf") || strings.HasSuffix(line, " stop") || strings.HasSuffix(line, "dovecot.conf")
	}})
	var got error
	err = p.Apply(r.t.Context(), []providers.Change{{Action: providers.Update, Resource: want, Prior: &list[i]}}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	})
	return errors.Join(err, got)
}

// running starts Dovecot if it does not run, as the next apply does.
func (r *rig) running() {
	r.t.Helper()
	if _, there := r.observed()["service dovecot"]; !there {
		r.apply(providers.Change{Action: providers.Create, Resource: service()})
	}
}

// The mail of a Dovecot is moved while mail comes in, and the move is cut off after each
// of its steps. All of it is there once, under the numbers that it had.
func TestTheMailMoves(t *testing.T) {
	t.Parallel()
	for name, instance := range map[string]func(testing.TB) *mailtest.DovecotInstance{"2.3": mailtest.Dovecot, "2.4": mailtest.Dovecot24} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theMailMoves(newRigOf(t, instance(t), user("alice", nil), user("bob", nil)), name == "2.3")
		})
	}
}

func theMailMoves(r *rig, steps bool) {
	t := r.t
	home, vols := r.path("mail"), []string{r.path("vol/one"), r.path("two")}
	sent := []string{"one", "two", "three"}
	for _, subject := range sent {
		if out, ok := r.deliver("alice@example.com", subject); !ok {
			t.Fatalf("LMTP: %s", out)
		}
	}
	r.doveadm("flags", "add", "-u", "alice@example.com", `\Seen $Kept`, "mailbox", "INBOX", "subject", "two")
	r.doveadm("mailbox", "create", "-u", "alice@example.com", "Work.Döner")
	r.doveadm("move", "-u", "alice@example.com", "Work.Döner", "mailbox", "INBOX", "subject", "three")
	numbers := func() string {
		t.Helper()
		return r.doveadm("-f", "tab", "mailbox", "status", "-u", "alice@example.com", "uidvalidity uidnext messages guid", "*") +
			r.doveadm("-f", "tab", "fetch", "-u", "alice@example.com", "mailbox uid flags date.received guid hdr.subject", "all")
	}
	before := numbers()
	lies := func(at string) {
		t.Helper()
		for _, place := range append([]string{home}, vols...) {
			if _, err := os.Stat(filepath.Join(place, "example.com")); (err == nil) != (place == at) {
				t.Errorf("when the mail lies in %s, for %s: %v", at, place, err)
			}
		}
		if got := numbers(); got != before {
			t.Errorf("alice has\n%s\nand had\n%s", got, before)
		}
	}
	at, cut := home, 0
	for i, n := range []int{3, 6, 9} { // all others were tried, and are like one of these
		if !steps {
			break
		}
		to := vols[i%2]
		err := r.moveMail(to, n)
		if err != nil && !errors.Is(err, hosttest.ErrDied) {
			t.Fatalf("cut off after %d steps: %v", n, err)
		}
		if err != nil {
			cut++
		}
		if err := r.moveMail(to, 1000); err != nil {
			t.Fatalf("the move after one that was cut off after %d steps: %v", n, err)
		}
		r.running()
		lies(to)
		at = to
	}
	t.Logf("cut off %d times", cut)
	if steps && cut < 3 {
		t.Error("the test shows little")
	}

	// While mail comes in: what is answered with 250 is there.
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	var taken []string
	sending.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			subject := fmt.Sprint("during-", n)
			if _, ok := r.deliver("bob@example.com", subject); ok {
				taken = append(taken, subject)
			}
			time.Sleep(100 * time.Millisecond) // a client is not all there is
		}
	})
	for _, to := range []string{home, vols[0]} {
		if err := r.moveMail(to, 1000); err != nil {
			t.Errorf("from %s to %s: %v", at, to, err)
		}
		lies(to)
		at = to
	}
	stop()
	sending.Wait()
	if out, ok := r.deliver("bob@example.com", "after"); !ok {
		t.Errorf("LMTP afterwards: %s", out)
	}
	got := strings.Fields(r.doveadm("-f", "flow", "fetch", "-u", "bob@example.com", "hdr.subject", "mailbox", "INBOX"))
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], "hdr.subject=")
	}
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("bob has some twice: %q", got)
	}
	for _, subject := range append(taken, "after") {
		if !slices.Contains(got, subject) {
			t.Errorf("bob does not have %s", subject)
		}
	}
	t.Logf("%d messages came in meanwhile", len(taken))

	// Where it cannot lie, it stays, and so it does where nothing is said any more.
	if err := errors.Join(os.Mkdir(r.path("taken"), 0o755), os.WriteFile(r.path("taken/theirs"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := r.moveMail(r.path("taken"), 1000); err == nil || !strings.Contains(err.Error(), "taken/theirs") {
		t.Errorf("to a directory of others: %v", err)
	}
	lies(at)
	r.apply(r.removal(storageAt(at)))
	lies(at)
	if _, there := r.observed()["service dovecot"]; !there {
		t.Error("then it does not run")
	}
}
