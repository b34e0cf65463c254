package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how often the tests here kill.
const kills = 20

// manyUsers is a configuration with enough to do that a kill falls into it.
func manyUsers(t testing.TB, n int) map[string]string {
	t.Helper()
	var csv strings.Builder
	csv.WriteString("name,quota\n")
	for i := range n {
		fmt.Fprintf(&csv, "u%05d,1GiB\n", i)
	}
	return map[string]string{
		"main.mf.hcl": quickstart(t),
		"staff.csv":   csv.String(),
		"staff.mf.hcl": `
user "staff" {
  for_each = { for r in csvdecode(file("staff.csv")) : r.name => r }
  domain   = domain.example
  name     = each.key
  quota    = each.value.quota
}
`,
	}
}

// An apply is killed at random instants. Each time the next one goes on without
// a lock to break, and in the end all is there once and the plan is empty.
func TestApplyKilledAtRandomMomentsGoesOn(t *testing.T) {
	w := newWorld(t, manyUsers(t, 400))
	// How long a whole apply takes here says where a kill can fall.
	rehearsal := newWorld(t, manyUsers(t, 400))
	began := time.Now()
	rehearsal.apply()
	whole := time.Since(began)

	rng := rand.New(rand.NewPCG(1, 2))
	interrupted := 0
	for i := range kills {
		quota := i + 2
		w.write("staff.csv", strings.ReplaceAll(manyUsers(t, 400)["staff.csv"], "1GiB", fmt.Sprintf("%dGiB", quota)))
		cmd := w.command(context.Background(), binary, "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		// The error says that it has ended already: that is a kill after the end.
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); err != nil {
			interrupted++
		}
		if r := w.mailform("plan", "-detailed-exitcode"); r.code != 0 && r.code != 2 {
			t.Fatalf("plan after kill %d: %v", i, r)
		}
	}
	if interrupted == 0 {
		t.Error("no kill came before the end: the test shows nothing")
	}
	t.Logf("%d of %d kills came before the end of the apply", interrupted, kills)
	w.apply()
	w.noChanges()
	addresses := strings.Fields(w.ok("state", "list"))
	if !slices.IsSorted(addresses) || len(slices.Compact(slices.Clone(addresses))) != len(addresses) {
		t.Error("the state lists something twice, or out of order")
	}
	live, err := w.admin().Resources(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	mailboxes := map[string]int{}
	for _, r := range live.Resources {
		if r.Kind == "mailbox" {
			mailboxes[r.Key]++
		}
	}
	if len(mailboxes) != 402 {
		t.Errorf("%d mailboxes, want 402", len(mailboxes))
	}
	w.ok("destroy", "-auto-approve")
}

// The daemon is killed at random instants while messages come in over several
// connections. Whatever was answered 250 is in the mailbox, once.
func TestDaemonKilledUnderDeliveryLosesNothing(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	rng := rand.New(rand.NewPCG(3, 4))
	var (
		mu           sync.Mutex
		acknowledged []string
		attempted    = map[string]bool{}
	)
	for round := range kills {
		pid := w.pid()
		if pid == 0 {
			t.Fatalf("round %d: no daemon", round)
		}
		before := len(acknowledged)
		stop := make(chan struct{})
		var senders sync.WaitGroup
		for c := range 8 {
			senders.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprintf("r%d-c%d-n%d", round, c, n)
					mu.Lock()
					attempted[id] = true
					mu.Unlock()
					if !sendOne(w.addr("smtp"), id) {
						return
					}
					mu.Lock()
					acknowledged = append(acknowledged, id)
					mu.Unlock()
				}
			})
		}
		// At random both in what was done and in what is under way.
		enough := rng.IntN(100)
		eventually(t, "messages are accepted", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acknowledged) > before+enough
		})
		time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond)
		p, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		close(stop)
		senders.Wait()
		eventually(t, "the killed daemon is gone", func() bool { return w.pid() == 0 })
		w.apply()
	}
	got := w.subjects("alice@example.com", "INBOX")
	count := map[string]int{}
	for _, s := range got {
		count[s]++
		if count[s] > 1 {
			t.Errorf("message %s stands twice", s)
		}
		if !attempted[s] {
			t.Errorf("message %s was never sent", s)
		}
	}
	lost := 0
	for _, id := range acknowledged {
		if count[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged messages are lost", lost, len(acknowledged))
	}
	if len(acknowledged) < kills {
		t.Errorf("only %d messages were acknowledged: the test shows little", len(acknowledged))
	}
	t.Logf("%d acknowledged, %d stored, over %d kills", len(acknowledged), len(got), kills)
	w.noChanges()
}

// sendOne sends one message and reports whether it was answered 250.
func sendOne(addr, subject string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return false
	}
	buf := make([]byte, 4096)
	for _, step := range []struct{ send, want string }{
		{"", "220"},
		{"HELO client.example.net\r\n", "250"},
		{"MAIL FROM:<you@example.net>\r\n", "250"},
		{"RCPT TO:<alice@example.com>\r\n", "250"},
		{"DATA\r\n", "354"},
		{"Subject: " + subject + "\r\n\r\n" + strings.Repeat("Hello.\r\n", 100) + ".\r\n", "250"},
	} {
		if _, err := c.Write([]byte(step.send)); err != nil {
			return false
		}
		n, err := c.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), step.want) {
			return false
		}
	}
	return true
}

// What a user was told is stored (APPEND) and moved (MOVE) is there, once,
// whenever the daemon is killed.
func TestDaemonKilledUnderMailClientsKeepsItsWord(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	rng := rand.New(rand.NewPCG(5, 6))
	var want []string
	uncertain := map[string]bool{}
	for round := range kills {
		pid := w.pid()
		appended := make(chan string, 1000)
		go func() {
			defer close(appended)
			appendUntilCut(w.addr("imap"), fmt.Sprintf("r%d", round), appended)
		}()
		// At random both in what was done and in what is under way.
		for range 1 + rng.IntN(15) {
			select {
			case id, open := <-appended:
				if !open {
					t.Fatal("the connection was cut before the daemon was killed")
				}
				want = append(want, id)
			case <-time.After(time.Minute):
				t.Fatal("nothing is stored any more")
			}
		}
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
		p, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		for id := range appended {
			if rest, cut := strings.CutPrefix(id, "?"); cut {
				uncertain[rest] = true
			} else {
				want = append(want, id)
			}
		}
		eventually(t, "the killed daemon is gone", func() bool { return w.pid() == 0 })
		w.apply()
	}
	got := w.subjects("bob@example.com", "Sent")
	sort.Strings(got)
	sort.Strings(want)
	for _, id := range want {
		if n := countOf(got, id); n != 1 {
			t.Errorf("message %s was stored and moved, and is there %d times", id, n)
		}
	}
	for _, id := range got {
		if countOf(want, id) == 0 && !uncertain[id] {
			t.Errorf("message %s is there and was never acknowledged", id)
		}
	}
	if len(want) < kills {
		t.Errorf("only %d messages were stored: the test shows little", len(want))
	}
	t.Logf("%d stored and moved over %d kills", len(want), kills)
}

func countOf(list []string, s string) int {
	n := 0
	for _, l := range list {
		if l == s {
			n++
		}
	}
	return n
}

// appendUntilCut appends messages to bob's Drafts and moves each to Sent, until
// the connection is cut. It reports those whose MOVE was answered OK, and with a
// leading "?" the one whose fate is open.
func appendUntilCut(addr, prefix string, done chan<- string) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return
	}
	buf := make([]byte, 1<<16)
	talk := func(send, want string) bool {
		if _, err := c.Write([]byte(send)); err != nil {
			return false
		}
		var got strings.Builder
		for {
			n, err := c.Read(buf)
			got.Write(buf[:n])
			if strings.Contains(got.String(), want) {
				return true
			}
			if err != nil {
				return false
			}
		}
	}
	if !talk("", "* OK") || !talk("a LOGIN bob@example.com quickstart\r\n", "a OK") || !talk("b SELECT Drafts\r\n", "b OK") {
		return
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", prefix, i)
		text := "Subject: " + id + "\r\n\r\nDraft.\r\n"
		if !talk(fmt.Sprintf("c APPEND Drafts {%d}\r\n", len(text)), "+ ") ||
			!talk(text+"\r\n", "c OK") || !talk("d NOOP\r\n", "d OK") || !talk("e MOVE 1:* Sent\r\n", "e OK") {
			done <- "?" + id
			return
		}
		done <- id
	}
}

// While one apply runs, another says who holds the lock, or waits for it.
func TestTwoAppliesAtOnce(t *testing.T) {
	w := newWorld(t, manyUsers(t, 2000))
	first := w.command(context.Background(), binary, "apply", "-auto-approve", "-lock-timeout=3m")
	var said strings.Builder
	first.Stdout, first.Stderr = &said, &said
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first apply holds the lock", func() bool {
		r := w.mailform("plan")
		return r.code == 1 && strings.Contains(r.stderr, "state lock") || exited(first)
	})
	if r := w.mailform("apply", "-auto-approve", "-lock-timeout=3m"); r.code != 0 {
		t.Errorf("the second apply, waiting: %v", r)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("the first apply: %v\n%s", err, said.String())
	}
	w.noChanges()
}

// exited reports whether a process has ended and waits to be waited for.
func exited(cmd *exec.Cmd) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(cmd.Process.Pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
