package cyrus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
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
func moveMail(t *testing.T, c *mailtest.CyrusInstance, to string, steps int) error {
	t.Helper()
	return moves(t, c, storageAt(to), steps)
}

// moves applies that something is to lie elsewhere. It is cut off after some steps.
func moves(t *testing.T, c *mailtest.CyrusInstance, want schema.Resource, steps int) error {
	t.Helper()
	p := provider(t, c, "L")
	to := want.Attrs.GetAttr("path").AsString()
	list, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation && o.Key == want.Key })
	if i < 0 {
		t.Fatal("it does not say where that lies")
	}
	if list[i].Owner == want.Address && list[i].Attrs.GetAttr("path").AsString() == to {
		return nil
	}
	p.Through(&hosttest.Dying{Host: host.Local(), Left: steps, Counts: func(line string) bool {
		return strings.Contains(line, "tar -C") || strings.Contains(line, "rm -rf") || strings.Contains(line, "kill -") || strings.Contains(line, "master -C")
	}})
	var got error
	err = p.Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: want, Prior: &list[i]}}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	})
	return errors.Join(err, got)
}

// The mail of a Cyrus is moved while mail comes in, and the move is cut off after each of
// its steps. All of it is there once, under the numbers that it had.
func TestTheMailMoves(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 2)
	imap, lmtp := ps[0], ps[1]
	begin(t, p, listener("imap", list(imap), list()), listener("lmtp", list(lmtp), list()))
	change(t, p, creates(mailbox("alice@example.com", nil), mailbox("bob@example.com", nil))...)
	deliver := func(to, subject string) (string, bool) {
		return ask(t, "swaks", "--timeout", "180", "--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", to, "--header", "Subject: "+subject)
	}
	query := func(user, box, command string) string {
		t.Helper()
		out, ok := ask(t, "curl", "-sS", "-u", user+"@example.com:quickstart", "imap://"+imap+"/"+box, "-X", command)
		if !ok {
			t.Errorf("%s: %s", command, out)
		}
		return out
	}
	for _, subject := range []string{"one", "two", "three"} {
		if out, ok := deliver("alice@example.com", subject); !ok {
			t.Fatalf("LMTP: %s", out)
		}
	}
	query("alice", "", "CREATE INBOX/Work")
	query("alice", "INBOX", `UID STORE 2 +FLAGS.SILENT (\Seen Kept)`)
	query("alice", "INBOX", "UID MOVE 3 INBOX/Work")
	numbers := func() string {
		t.Helper()
		s := ""
		for _, box := range []string{"INBOX", "INBOX/Work"} {
			s += query("alice", "", "STATUS "+box+" (MESSAGES UIDNEXT UIDVALIDITY)") + query("alice", box, "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)")
		}
		return regexp.MustCompile(` ?\\Recent ?`).ReplaceAllString(s, "")
	}
	dir := filepath.Dir(c.ConfigDir)
	spool, vols := filepath.Join(dir, "spool"), []string{filepath.Join(dir, "vol", "one"), filepath.Join(dir, "two")}
	query("alice", "INBOX", "NOOP")
	before := numbers()
	lies := func(at string) {
		t.Helper()
		for _, place := range append([]string{spool}, vols...) {
			entries, err := os.ReadDir(place)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
			if (len(entries) > 0) != (place == at) {
				t.Errorf("when the mail lies in %s, %s has %v", at, place, entries)
			}
		}
		if got := numbers(); got != before {
			t.Errorf("alice has\n%s\nand had\n%s", got, before)
		}
	}
	at, cut := spool, 0
	for i, n := range []int{3, 6, 9} { // all others were tried, and are like one of these
		to := vols[i%2]
		err := moveMail(t, c, to, n)
		if err != nil && !errors.Is(err, hosttest.ErrDied) {
			t.Fatalf("cut off after %d steps: %v", n, err)
		}
		if err != nil {
			cut++
		}
		if err := moveMail(t, c, to, 1000); err != nil {
			t.Fatalf("the move after one that was cut off after %d steps: %v", n, err)
		}
		running := providertest.Resource(schema.KindService, "cyrus", attrs{"name": str("cyrus"), "running": cty.True})
		if o := find(t, p, schema.KindService, "cyrus"); o.Attrs.GetAttr("running").False() { // which the next apply does
			change(t, p, providers.Change{Action: providers.Update, Resource: running, Prior: o})
		}
		lies(to)
		at = to
	}
	t.Logf("cut off %d times", cut)
	if cut < 3 {
		t.Error("the test shows little")
	}

	// While mail comes in: what is answered with 250 is there.
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	var taken []string
	tried := 0
	sending.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			subject := fmt.Sprint("during-", n)
			tried++
			if _, ok := deliver("bob@example.com", subject); ok {
				taken = append(taken, subject)
			}
			time.Sleep(100 * time.Millisecond) // a client is not all there is
		}
	})
	for _, to := range []string{spool, vols[0]} {
		if err := moveMail(t, c, to, 1000); err != nil {
			t.Errorf("from %s to %s: %v", at, to, err)
		}
		lies(to)
		at = to
	}
	stop()
	sending.Wait()
	if out, ok := deliver("bob@example.com", "after"); !ok {
		t.Errorf("LMTP afterwards: %s", out)
	}
	for _, subject := range append(taken, "after") {
		out := strings.TrimSpace(query("bob", "INBOX", `SEARCH HEADER Subject "`+subject+`"`))
		if found := strings.Fields(strings.TrimPrefix(out, "* SEARCH")); len(found) == 0 || subject == "after" && len(found) != 1 {
			t.Errorf("bob has %s as %v", subject, found)
		}
	}
	// One that came in as Cyrus was stopped may be there without an answer.
	out := strings.TrimSpace(query("bob", "", "STATUS INBOX (MESSAGES)"))
	var has int
	if _, err := fmt.Sscanf(out, "* STATUS INBOX (MESSAGES %d)", &has); err != nil || has < len(taken)+1 || has > tried+1 {
		t.Errorf("bob has %s; %d were taken of %d, and one afterwards", out, len(taken), tried)
	}

	// Where it cannot lie, it stays, and so it does where nothing is said any more.
	taker := filepath.Join(dir, "taken")
	if err := errors.Join(os.Mkdir(taker, 0o755), os.WriteFile(filepath.Join(taker, "theirs"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := moveMail(t, c, taker, 1000); err == nil || !strings.Contains(err.Error(), "taken/theirs") {
		t.Errorf("to a directory of others: %v", err)
	}
	lies(at)
	change(t, p, providers.Change{Action: providers.Delete, Resource: storageAt(at), Prior: find(t, p, schema.KindLocation, "storage")})
	lies(at)
	if got := find(t, p, schema.KindLocation, "storage"); got != nil {
		t.Errorf("it still says where it lies: %v", got)
	}
}
