package sendmail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
)

// A message that another server has said yes to while Sendmail is being stopped is not
// sent again, however long that takes: neither by one that is started anew, nor out of
// another place.
func TestWhatIsUnderWayIsSentOnce(t *testing.T) {
	t.Parallel()
	s, k := mailtest.Sendmail(t), newKeeper(t)
	k.hold = make(chan struct{})
	root, smtp := filepath.Dir(s.ConfigDir), porttest.Addr(t)
	p := provider(t, s, "L")
	p.Hurry(time.Second, time.Second)
	rs := []schema.Resource{setting("mail.example.com"), delivery(k.addr, ""), domain("example.com"), recipient("alice@example.com")}
	applyBy(t, s, p, providers.Create, rs...)
	cf := filepath.Join(s.ConfigDir, "sendmail.cf")
	hand := func(subject string) {
		t.Helper()
		c := s.Command("sendmail", "-C", cf, "-odq", "-f", "bob@remote.test", "alice@example.com")
		c.Stdin = strings.NewReader("Subject: " + subject + "\n\n" + subject + "\n")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	hand("one")
	// A runner of the queue has the message where it is not answered yet.
	applyBy(t, s, p, providers.Create, service(), listener("smtp", []string{smtp}, nil))
	k.waitHeld(t, 1)
	to := filepath.Join(root, "elsewhere")
	move := func(finishing, leaving time.Duration) error {
		t.Helper()
		p := provider(t, s, "L")
		p.Hurry(finishing, leaving)
		o, err := p.Read(t.Context(), providers.Scope{Wanted: []schema.Resource{queueAt(to)}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range o {
			if o[i].Kind == schema.KindLocation {
				change := providers.Change{Action: providers.Update, Resource: queueAt(to), Prior: &o[i]}
				return p.Apply(t.Context(), []providers.Change{change}, func(_ providers.Change, _ providers.Observed, err error) error { return err })
			}
		}
		t.Fatal("it does not say where its queue is")
		return nil
	}
	if err := move(time.Second, time.Second); err == nil || !strings.Contains(err.Error(), "each message is to be sent once") {
		t.Errorf("a move that a message is in the way of: %v", err)
	}
	if n := queued(t, filepath.Join(root, "mqueue")); n != 1 || s.PID() == 0 {
		t.Errorf("after that the old place has %d messages, and Sendmail is process %d", n, s.PID())
	}
	waitFor(t, smtp)
	// Stopped and started, it does not take up what is under way.
	pid := s.PID()
	applyBy(t, s, p, providers.Delete, service())
	if s.PID() != 0 {
		t.Errorf("process %d, which was %d, still runs", s.PID(), pid)
	}
	applyBy(t, s, p, providers.Create, service())
	// The move waits for the answer, which comes while it does; a client that says nothing
	// does not hold it up.
	idle := dialog(t, smtp)
	moved := make(chan error)
	go func() { moved <- move(2*time.Second, 5*time.Minute) }()
	for s.PID() != 0 {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(3 * time.Second) // beyond what it finishes things in
	close(k.hold)
	if err := <-moved; err != nil {
		t.Error(err)
	}
	_ = idle.Close()
	hand("two")
	if out, err := s.Command("sendmail", "-C", cf, "-OMinQueueAge=0", "-q").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	subjects := []string{"one", "two"}
	k.hasAll(t, subjects, nil)
	for _, dir := range []string{to, filepath.Join(root, "mqueue")} {
		for deadline := time.Now().Add(time.Minute); queued(t, dir) > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%s has %d messages", dir, queued(t, dir))
				break
			}
		}
	}
	k.hasAll(t, subjects, nil)
	if text, err := os.ReadFile(cf); err != nil || !strings.Contains(string(text), fmt.Sprintf("\nO QueueDirectory=%s\n", to)) {
		t.Errorf("sendmail.cf does not name %s (%v)", to, err)
	}
}
