package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
)

// The queue of the server that takes mail, the store of the one that keeps it, and its indexes move
// to another volume and on, by plans whose applies are killed. No message is lost, and
// none is there twice: neither those in mailboxes nor one that waits in the queue.
func TestQueueAndStoreMove(t *testing.T) {
	for mail, parts := range map[string]func(*testing.T) []mailtest.System{"postfix-cyrus": postfixCyrus, "sendmail-dovecot": sendmailDovecot} {
		t.Run(mail, func(t *testing.T) {
			t.Parallel()
			need(t, "smtp-sink")
			volumes, err := os.MkdirTemp("/tmp", "volumes-") // where the servers' own users get to
			if err == nil {
				err = os.Chmod(volumes, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(volumes) }) // after the servers have ended
			r := newReal(t, mail, false, parts(t))
			r.queueAndStoreMove(volumes)
		})
	}
}

// queueFiles are names of files that are a message in a queue, of Postfix or Sendmail.
var queueFiles = regexp.MustCompile(`/(maildrop|incoming|active|deferred|hold)/.*|/[qQ]f[^/]*$`)

// waiting counts the messages of a queue.
func waiting(dir string) int {
	n := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // it may not be there
		if err == nil && e.Type().IsRegular() && queueFiles.MatchString(path) {
			n++
		}
		return nil
	})
	return n
}

func (r *real) queueAndStoreMove(volumes string) {
	t := r.t
	r.port["relay"] = porttest.Port(t)
	r.edit("main.mf.hcl", "  smtp { listen", "  relay { host = \""+r.addr("relay")+"\" }\n  smtp { listen")
	r.apply()
	waits := r.submitElsewhere() // nobody is there to take it
	var sent []string
	send := func() {
		t.Helper()
		eventually(t, "mail is taken", func() bool {
			subject, res := r.send("alice@example.com")
			if res.code == 0 {
				sent = append(sent, subject)
			}
			return res.code == 0
		})
	}
	send()
	r.found("alice", sent[0])

	settings := readFile(t, filepath.Join(r.dir, "main.mf.hcl"))
	place := func(n int) (queue, storage string) {
		// Sendmail believes no queue below a directory that everybody can write into.
		return filepath.Join(r.parts[0].Own(), "..", "..", fmt.Sprint("queue-", n%2)), filepath.Join(volumes, fmt.Sprint("mail-", n%2))
	}
	declare := func(n int) {
		queue, storage := place(n)
		r.write("main.mf.hcl", strings.Replace(settings, "  smtp { listen", fmt.Sprintf("  queue { path = %q }\n  storage { path = %q }\n  index { path = %q }\n  smtp { listen", queue, storage, storage+"-index"), 1))
	}
	declare(0)
	if out := r.ok("plan"); !strings.Contains(out, "server.main.queue") || !strings.Contains(out, "server.main.storage") || !strings.Contains(out, "server.main.index") || strings.Count(out, "1 message, ") != 2 {
		t.Errorf("the plan does not say that one message each is moved: %s", out)
	}
	began := time.Now()
	r.apply()
	whole := time.Since(began)
	r.noChanges()
	send()

	rng := rand.New(rand.NewPCG(7, uint64(len(r.parts[1].Own()))))
	const kills = 2
	interrupted := 0
	for n := 1; n <= kills; n++ {
		declare(n)
		cmd := r.command(context.Background(), binary, "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		_ = cmd.Process.Kill() // an error says that it has ended already
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() < 0 {
			interrupted++
		} else if err != nil {
			t.Errorf("apply %d ended by itself: %v", n, err)
		}
		r.ok("apply", "-auto-approve", "-lock-timeout=3m")
		r.noChanges()
		send()
		queue, _ := place(n)
		old, _ := place(n - 1)
		var now, before int
		defer func() {
			if t.Failed() {
				t.Logf("after kill %d the queue has %d messages, and there are %d where it was", n, now, before)
			}
		}()
		eventually(t, "one message waits, in the new place alone", func() bool { // the last one is on its way yet
			now, before = waiting(queue), waiting(old)
			return now == 1 && before == 0
		})
	}
	t.Logf("%d of %d kills came before the end of the apply", interrupted, kills)
	for _, subject := range sent {
		r.found("alice", subject)
	}
	if got := r.subjects("alice@example.com", "INBOX"); len(got) != len(sent) || !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), slices.Sorted(slices.Values(sent))) {
		t.Errorf("alice has %q, and was sent %q", got, sent)
	}
	relay := r.sink(nil)
	defer relay.end()
	r.flushQueue()
	eventually(t, "what waited has come", func() bool { return relay.count(waits, "friend@elsewhere.test") > 0 })
	if all := relay.messages(); len(all) != 1 {
		t.Errorf("the relay has %d messages", len(all))
	}
}

// flushQueue has the server that takes mail try at once what waits.
func (r *real) flushQueue() {
	r.t.Helper()
	switch p := r.parts[0].(type) {
	case *mailtest.PostfixInstance:
		p.Tool(r.t, "postqueue", "-f")
	case *mailtest.SendmailInstance:
		c := r.run(filepath.Join(p.ProgramDir, "sendmail"), "-C", filepath.Join(p.ConfigDir, "sendmail.cf"), "-OMinQueueAge=0", "-q")
		if c.code != 0 {
			r.t.Fatalf("sendmail -q: %v", c)
		}
	}
}
