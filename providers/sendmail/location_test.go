package sendmail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func queueAt(path string) schema.Resource {
	none := cty.NullVal(cty.Number)
	return resource(schema.KindLocation, "queue", attrs{"content": str("queue"), "path": str(path), "messages": none, "bytes": none, "free": none})
}

// moveQueue applies that the queue is to lie elsewhere. It is cut off after some steps.
func moveQueue(t *testing.T, s *mailtest.SendmailInstance, to string, steps int) error {
	t.Helper()
	p := provider(t, s, "L")
	want := queueAt(to)
	list, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(o providers.Observed) bool { return o.Kind == schema.KindLocation })
	if i < 0 {
		t.Fatal("it does not say where its queue lies")
	}
	if list[i].Owner == want.Address && list[i].Attrs.GetAttr("path").AsString() == to {
		return nil
	}
	p.Through(&hosttest.Dying{Host: host.Local(), Left: steps, Counts: func(line string) bool {
		return strings.Contains(line, "tar -C") || strings.Contains(line, "rm -rf") || strings.Contains(line, "kill -") || strings.Contains(line, " -q1m")
	}})
	var got error
	err = p.Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: want, Prior: &list[i]}}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	})
	return errors.Join(err, got)
}

// queued counts the messages in a queue.
func queued(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "qf*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// The queue of a Sendmail is moved, and the move is cut off after each of its steps.
func TestTheQueueMoves(t *testing.T) {
	t.Parallel()
	s, k := mailtest.Sendmail(t), newKeeper(t)
	root := filepath.Dir(s.ConfigDir)
	spool := filepath.Join(root, "mqueue")
	smtpAddr := porttest.Addr(t)
	cf := filepath.Join(s.ConfigDir, "sendmail.cf")
	hand := func(subject string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(s.ProgramDir, "sendmail"), "-C", cf, "-odq", "-f", "bob@remote.test", "alice@example.com")
		cmd.Stdin = strings.NewReader("Subject: " + subject + "\n\n" + subject + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	queueIn := func() string {
		text, err := os.ReadFile(cf)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\nO QueueDirectory=")
		at, _, _ := strings.Cut(lines[len(lines)-1], "\n")
		return at
	}
	rs := []schema.Resource{setting("mail.example.com"), delivery(k.addr, ""), domain("example.com"), recipient("alice@example.com"), listener("smtp", []string{smtpAddr}, nil)}
	apply(t, s, providers.Create, rs...)
	subjects := []string{"one", "two", "three"}
	for _, subject := range subjects {
		hand(subject)
	}
	vols := []string{filepath.Join(root, "vol", "one"), filepath.Join(root, "two")}
	at, cut := spool, 0
	for n := range 10 {
		to := vols[n%2]
		err := moveQueue(t, s, to, n)
		if err != nil && !errors.Is(err, hosttest.ErrDied) {
			t.Fatalf("cut off after %d steps: %v", n, err)
		}
		if err != nil {
			cut++
		}
		if n == 5 { // a program hands in a message before the next apply
			subjects = append(subjects, "between")
			hand("between")
		}
		if err := moveQueue(t, s, to, 1000); err != nil {
			t.Fatalf("the move after one that was cut off after %d steps: %v", n, err)
		}
		for _, place := range append([]string{spool}, vols...) {
			want := 0
			if place == to {
				want = len(subjects)
			}
			if got := queued(t, place); got != want {
				t.Errorf("after a move from %s to %s that was cut off after %d steps: %s has %d messages, want %d", at, to, n, place, got, want)
			}
		}
		if got := queueIn(); got != to {
			t.Errorf("sendmail.cf names %s, want %s", got, to)
		}
		at = to
	}
	t.Logf("cut off %d times", cut)
	if cut < 7 {
		t.Error("the test shows little")
	}

	// And of one that runs, while mail comes in.
	apply(t, s, providers.Create, service())
	waitFor(t, smtpAddr)
	ctx, stop := context.WithCancel(t.Context())
	var sent sync.WaitGroup
	var unsure []string
	sent.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			subject := fmt.Sprint("during ", n)
			switch taken, err := offer(smtpAddr, subject); {
			case err == nil:
				subjects = append(subjects, subject)
			case taken:
				unsure = append(unsure, subject)
			default:
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	for _, to := range []string{spool, vols[0]} {
		if err := moveQueue(t, s, to, 1000); err != nil {
			t.Error(err)
		}
		if got := queueIn(); got != to || s.PID() == 0 {
			t.Errorf("it lies in %s, and is process %d", got, s.PID())
		}
	}
	stop()
	sent.Wait()
	if _, err := offer(smtpAddr, "after"); err != nil {
		t.Error(err)
	}
	subjects = append(subjects, "after")
	k.hasAll(t, subjects, unsure)

	// Where it cannot lie, it stays; what is said no more stays too.
	full := filepath.Join(root, "taken")
	if err := errors.Join(os.Mkdir(full, 0o755), os.WriteFile(filepath.Join(full, "theirs"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := moveQueue(t, s, full, 1000); err == nil || !strings.Contains(err.Error(), "taken/theirs") {
		t.Errorf("to a directory of others: %v", err)
	}
	apply(t, s, providers.Delete, queueAt(vols[0]))
	if got := queueIn(); got != vols[0] || s.PID() == 0 {
		t.Errorf("then it lies in %s, and is process %d", got, s.PID())
	}
	if left := queued(t, spool); left != 0 {
		t.Errorf("%d messages are in a place before", left)
	}
}

// offer sends a message to alice. taken reports whether the server could have it even
// so where that fails.
func offer(addr, subject string) (taken bool, err error) {
	c, err := smtp.Dial(addr)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if err := errors.Join(c.Mail("bob@remote.test"), c.Rcpt("alice@example.com")); err != nil {
		return false, err
	}
	w, err := c.Data()
	if err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(w, "Subject: %s\r\n\r\n%s\r\n", subject, subject); err != nil {
		return true, err
	}
	return true, w.Close()
}

// hasAll waits until each of the subjects has come, and expects that nothing has come
// twice.
func (k *keeper) hasAll(t *testing.T, subjects, unsure []string) {
	t.Helper()
	var missing []string
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		k.mu.Lock()
		got := slices.Clone(k.subjects)
		k.mu.Unlock()
		missing = slices.DeleteFunc(slices.Clone(subjects), func(s string) bool { return slices.Contains(got, s) })
		if len(missing) > 0 && time.Now().Before(deadline) {
			continue
		}
		slices.Sort(got)
		if once := slices.Compact(slices.Clone(got)); len(once) != len(got) {
			t.Errorf("some have come twice: %q", got)
		}
		for _, s := range got {
			if !slices.Contains(subjects, s) && !slices.Contains(unsure, s) {
				t.Errorf("%q has come, and was never sent", s)
			}
		}
		break
	}
	if len(missing) > 0 {
		t.Errorf("of %d these have not come: %q", len(subjects), missing)
	}
	t.Logf("%d messages, %d of which the client does not know", len(subjects), len(unsure))
}

// subjectOf is the subject in a line of a message.
func subjectOf(line []byte) (string, bool) {
	s, ok := bytes.CutPrefix(line, []byte("Subject: "))
	return string(s), ok
}
