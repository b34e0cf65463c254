package cyrus_test

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

// The indexes of a Cyrus, with the flags in them, are moved away from the mail, on, and
// back; the mail is moved without them.
func TestTheIndexesMove(t *testing.T) {
	t.Parallel()
	c := mailtest.Cyrus(t)
	p := provider(t, c, "L")
	ps := freePorts(t, 2)
	imap, lmtp := ps[0], ps[1]
	begin(t, p, listener("imap", list(imap), list()), listener("lmtp", list(lmtp), list()))
	change(t, p, creates(mailbox("alice@example.com", nil))...)
	query := func(box, command string) string {
		t.Helper()
		out, ok := ask(t, "curl", "-sS", "-u", "alice@example.com:quickstart", "imap://"+imap+"/"+box, "-X", command)
		if !ok {
			t.Errorf("%s: %s", command, out)
		}
		return out
	}
	deliver := func(subject string) {
		t.Helper()
		if out, ok := ask(t, "swaks", "--timeout", "180", "--protocol", "LMTP", "--server", lmtp, "--from", "a@remote.test", "--to", "alice@example.com", "--header", "Subject: "+subject); !ok {
			t.Fatalf("LMTP: %s", out)
		}
	}
	for _, subject := range []string{"one", "two", "three"} {
		deliver(subject)
	}
	query("", "CREATE INBOX/Work")
	query("INBOX", `UID STORE 2 +FLAGS.SILENT (\Flagged Kept)`)
	query("INBOX", "UID MOVE 3 INBOX/Work")
	query("INBOX", "NOOP")
	numbers := func() string {
		t.Helper()
		s := ""
		for _, box := range []string{"INBOX", "INBOX/Work"} {
			s += query("", "STATUS "+box+" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)") + query(box, "UID FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE)")
		}
		return regexp.MustCompile(` ?\\Recent ?`).ReplaceAllString(s, "")
	}
	before := numbers()
	dir := filepath.Dir(c.ConfigDir)
	spool, one, two := filepath.Join(dir, "spool"), filepath.Join(dir, "vol/one"), filepath.Join(dir, "two")
	lies := func(at string) {
		t.Helper()
		for _, place := range []string{spool, one, two} {
			n := 0
			err := filepath.WalkDir(place, func(_ string, e os.DirEntry, err error) error {
				if err == nil && (e.Name() == "cyrus.index" || e.Name() == "cyrus.header") {
					n++
				}
				return nil
			})
			if err != nil || (n >= 4) != (place == at) || (n > 0) != (place == at) {
				t.Errorf("when the indexes lie in %s, %s has %d files of them, %v", at, place, n, err)
			}
		}
		if got := numbers(); got != before {
			t.Errorf("alice has\n%s\nand had\n%s", got, before)
		}
	}
	lies(spool)
	cut := 0
	for i, to := range []string{one, two, spool, one} {
		if n := []int{5, 0, 3, 0}[i]; n > 0 { // all others are like one of these
			switch err := moves(t, c, indexAt(to), n); {
			case errors.Is(err, hosttest.ErrDied):
				cut++
			case err != nil:
				t.Fatalf("the move to %s, cut off after %d steps: %v", to, n, err)
			}
		}
		if err := moves(t, c, indexAt(to), 1000); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		restart(t, p)
		lies(to)
	}
	if cut < 2 {
		t.Errorf("cut off %d times, which shows little", cut)
	}

	// Where they cannot lie, they stay, and a plan says so.
	problems, err := p.Validate(t.Context(), []schema.Resource{indexAt(filepath.Join(spool, "below")), parameter("metapartition-default", two)})
	if err != nil || len(problems) != 2 || problems[0].Attribute != "path" || !strings.Contains(problems[1].Detail, "The block index") {
		t.Errorf("the problems are %+v, %v", problems, err)
	}
	if err := moves(t, c, indexAt(filepath.Join(spool, "below")), 1000); err == nil || !strings.Contains(err.Error(), "lies in the other") {
		t.Errorf("to a place within the mail: %v", err)
	}
	lies(one)
	if err := moveMail(t, c, two, 1000); err != nil {
		t.Fatal(err)
	}
	if got := numbers(); got != before {
		t.Errorf("when the mail was moved, alice has\n%s\nand had\n%s", got, before)
	}
	deliver("four")
	change(t, p, providers.Change{Action: providers.Delete, Resource: indexAt(one), Prior: find(t, p, schema.KindLocation, "index")})
	if out := query("INBOX", "SEARCH SUBJECT four"); !strings.Contains(out, "3") {
		t.Errorf("what came in afterwards: %s", out)
	}
}

// restart has it run again where a move that was cut off has left it stopped, as the
// next apply does.
func restart(t *testing.T, p providers.Provider) {
	t.Helper()
	running := providertest.Resource(schema.KindService, "cyrus", attrs{"name": str("cyrus"), "running": cty.True})
	if o := find(t, p, schema.KindService, "cyrus"); o.Attrs.GetAttr("running").False() {
		if err := p.Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: running, Prior: o}}, func(_ providers.Change, _ providers.Observed, err error) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
}
