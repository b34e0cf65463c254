package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/schema"
)

// outward is what the addresses end in that the peer takes mail for.
const outward = "@outward.test"

// An outwardPeer takes all that the queue of a daemon hands on. When the daemon is
// killed after the peer has taken a message, and before that is written down, the
// message comes again: SMTP has no way to ask (RFC 1047). So the peer knows which
// daemon has brought what.
type outwardPeer struct {
	dir  string
	port int
	// life is by which of the daemons a file was brought, counted from the first.
	life  map[string]int
	lives int
}

// newOutward runs the peer as the smarthost for its domain.
func newOutward(t *testing.T, w *world) *outwardPeer {
	t.Helper()
	o := &outwardPeer{dir: t.TempDir(), port: porttest.Port(t), life: map[string]int{}}
	addr := fmt.Sprintf("127.0.0.1:%d", o.port)
	args := []string{"-d", filepath.Join(o.dir, "m."), addr, "100"}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "root"}, args...)
	}
	cmd := exec.Command(need(t, "smtp-sink"), args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	eventually(t, "the peer listens", func() bool { return reachable(addr) })
	w.edit("main.mf.hcl", "  relay {", fmt.Sprintf("  smarthost {\n    host       = %q\n    recipients = [%q]\n  }\n  relay {", addr, outward[1:]))
	return o
}

// died notes what has come from a daemon that is not there any more, once the peer has
// read all that the daemon had sent.
func (o *outwardPeer) died(t *testing.T) {
	t.Helper()
	eventually(t, "the peer has read all that was sent", func() bool { return !o.reading(t) })
	files, err := filepath.Glob(filepath.Join(o.dir, "m.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := o.life[f]; !known {
			o.life[f] = o.lives
		}
	}
	o.lives++
}

// reading says whether the peer has connections: its end of them is open for as long as
// it has not read to the end.
func (o *outwardPeer) reading(t *testing.T) bool {
	t.Helper()
	for line := range strings.Lines(readFile(t, "/proc/net/tcp")) {
		// Its own address, the other one, the state: ESTABLISHED or CLOSE_WAIT.
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", o.port)) && (f[3] == "01" || f[3] == "08") {
			return true
		}
	}
	return false
}

// sendOutward has a user send to the peer.
func sendOutward(w *world, p *promises, id func() string) {
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00ivo@example.org\x00quickstart")) + "\r\n"
	k, ok := talkTo(w.addr("smtps"), w.trust(), "", "220 ", "EHLO x\r\n", "250 ", login, "235 ")
	for ok {
		subject := id()
		p.try(subject)
		if ok = k.mail("ivo@example.org", subject, subject+outward); ok {
			p.keep(subject)
		}
	}
	k.close()
}

var outwardRecipient = regexp.MustCompile(`(?m)^X-Rcpt-Args: <(.*)` + outward + `>`)

// hold expects all that was promised to be at the peer or still in the queue. From one
// daemon nothing comes twice; of what a killed one has brought, no more comes again
// than it had deliveries under way.
func (o *outwardPeer) hold(t *testing.T, w *world, p *promises) {
	t.Helper()
	waiting := map[string]bool{}
	eventually(t, "the queue has tried everything", func() bool {
		var entries []queued
		if err := json.Unmarshal([]byte(w.ok("queue", "list", "-json")), &entries); err != nil {
			t.Fatal(err)
		}
		clear(waiting)
		for _, e := range entries {
			to, ok := strings.CutSuffix(e.To, outward)
			if ok && e.Attempts == 0 {
				return false
			}
			waiting[to] = ok
		}
		return true
	})
	files, err := filepath.Glob(filepath.Join(o.dir, "m.*"))
	if err != nil {
		t.Fatal(err)
	}
	brought := map[string][]int{} // by which daemons
	for _, f := range files {
		text := readFile(t, f)
		to := outwardRecipient.FindStringSubmatch(text)
		if to == nil || !p.tried[to[1]] || !strings.Contains(text, "\nSubject: "+to[1]+"\n") || strings.Count(text, "Hello.\n") != 50 {
			t.Errorf("the peer has something that nobody has sent:\n%.2000s", text)
			continue
		}
		life, known := o.life[f]
		if !known {
			life = o.lives
		}
		brought[to[1]] = append(brought[to[1]], life)
	}
	again := map[int]int{} // how much came again of what each daemon had brought
	for id, lives := range brought {
		last, times := 0, map[int]int{}
		for _, life := range lives {
			last = max(last, life)
			if times[life]++; times[life] > 1 {
				t.Errorf("%q was sent twice by the same daemon", id)
			}
		}
		for life := range times {
			if life != last {
				again[life]++
			}
		}
	}
	all := 0
	for life, n := range again {
		if all += n; n > schema.DefaultConcurrencyPerDestination {
			t.Errorf("%d messages of daemon %d came again; it had at most %d under way", n, life, schema.DefaultConcurrencyPerDestination)
		}
	}
	for id := range p.kept {
		if len(brought[id]) == 0 && !waiting[id] {
			t.Errorf("%q was promised to be sent on and is lost", id)
		}
	}
	t.Logf("the peer has %d messages, of which %d came again after %d kills", len(brought), all, o.lives)
}
