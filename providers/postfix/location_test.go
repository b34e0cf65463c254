package postfix_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func queueAt(path string) schema.Resource {
	none := cty.NullVal(cty.Number)
	return resource(schema.KindLocation, "queue", map[string]cty.Value{
		"content": cty.StringVal("queue"), "path": cty.StringVal(path), "messages": none, "bytes": none, "free": none})
}

// messagesIn counts the messages of a queue.
func messagesIn(t *testing.T, queue string) int {
	t.Helper()
	n := 0
	for _, dir := range []string{"maildrop", "incoming", "active", "deferred", "hold"} {
		err := filepath.WalkDir(filepath.Join(queue, dir), func(_ string, e os.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				n++
			}
			return nil // there may be none
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// moveQueue applies that the queue is to lie elsewhere. It is cut off after some steps.
func (i *instance) moveQueue(t *testing.T, to string, steps int) error {
	t.Helper()
	p := i.provider("L").(*postfix.Provider)
	want := queueAt(to)
	list, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{want}})
	if err != nil {
		t.Fatal(err)
	}
	var prior *providers.Observed
	for n := range list {
		if list[n].Kind == schema.KindLocation {
			prior = &list[n]
		}
	}
	if prior == nil {
		t.Fatal("it does not say where its queue lies")
	}
	if prior.Owner == want.Address && prior.Attrs.GetAttr("path").AsString() == to {
		return nil
	}
	p.Through(&hosttest.Dying{Host: host.Local(), Left: steps, Counts: func(line string) bool {
		return strings.Contains(line, "cp -a") || strings.Contains(line, "rm -rf") || strings.HasSuffix(line, "postfix stop") || strings.HasSuffix(line, "postfix start")
	}})
	var got error
	err = p.Apply(t.Context(), []providers.Change{{Action: providers.Update, Resource: want, Prior: prior}}, func(_ providers.Change, _ providers.Observed, err error) error {
		got = err
		return nil
	})
	return errors.Join(err, got)
}

// The queue of a Postfix is moved, and the move is cut off after each of its steps.
func TestTheQueueMoves(t *testing.T) {
	i, sink := newInstance(t), newSink(t)
	spool := filepath.Join(i.Dir, "spool")
	i.Tool(t, "postfix", "check") // which makes the directories of the queue
	hand := func(text string) {
		t.Helper()
		cmd := exec.Command("/usr/sbin/sendmail", "-C", i.ConfigDir, "-f", "bob@example.com", "alice@example.com")
		if cmd.Path = "/usr/sbin/sendmail"; exec.Command("test", "-u", cmd.Path).Run() == nil {
			mailtest.Missing(t, "the sendmail program of Postfix", errors.New("another one is installed"))
		}
		cmd.Stdin = strings.NewReader("Subject: " + text + "\n\n" + text + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, text := range []string{"one", "two", "three"} {
		hand(text)
	}
	vols := []string{filepath.Join(i.Dir, "vol", "one"), filepath.Join(i.Dir, "two")}
	at, cut := spool, 0
	for n := range 9 {
		to := vols[n%2]
		err := i.moveQueue(t, to, n)
		if err != nil && !errors.Is(err, hosttest.ErrDied) {
			t.Fatalf("cut off after %d steps: %v", n, err)
		}
		if err != nil {
			cut++
		}
		if err := i.moveQueue(t, to, 1000); err != nil {
			t.Fatalf("the move after one that was cut off after %d steps: %v", n, err)
		}
		for _, place := range append([]string{spool}, vols...) {
			want := 0
			if place == to {
				want = 3
			}
			if got := messagesIn(t, place); got != want {
				t.Errorf("after a move from %s to %s that was cut off after %d steps: %s has %d messages", at, to, n, place, got)
			}
		}
		if got := strings.TrimSpace(i.Tool(t, "postconf", "-h", "queue_directory")); got != to {
			t.Errorf("main.cf names %s, want %s", got, to)
		}
		at = to
	}
	t.Logf("cut off %d times", cut)
	if cut < 6 {
		t.Error("the test shows little")
	}

	// And of one that runs, with another message.
	batch := i.everything("alice")
	for n := range batch {
		if batch[n].Resource.Kind == schema.KindDelivery {
			batch[n].Resource = providertest.With(delivery(""), "lmtp", cty.StringVal(sink.addr))
		}
	}
	started := slices.IndexFunc(batch, func(c providers.Change) bool { return c.Resource.Kind == schema.KindService })
	i.apply(t, slices.Delete(slices.Clone(batch), started, started+1)...)
	i.apply(t, create(service())...)
	sink.took(t, "alice@example.com", "alice@example.com", "alice@example.com")
	if err := i.moveQueue(t, spool, 1000); err != nil {
		t.Fatal(err)
	}
	if i.PID() == 0 {
		t.Error("it does not run in its new place")
	}
	send(t, i.Foreign, "alice@example.com")
	sink.took(t, "alice@example.com")

	// Where it cannot lie, it stays.
	full := filepath.Join(i.Dir, "taken")
	if err := errors.Join(os.Mkdir(full, 0o755), os.WriteFile(filepath.Join(full, "theirs"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := i.moveQueue(t, full, 1000); err == nil || !strings.Contains(err.Error(), "taken/theirs") {
		t.Errorf("to a directory of others: %v", err)
	}
	if got := strings.TrimSpace(i.Tool(t, "postconf", "-h", "queue_directory")); got != spool || i.PID() == 0 {
		t.Errorf("then it lies in %s, and is process %d", got, i.PID())
	}
}
