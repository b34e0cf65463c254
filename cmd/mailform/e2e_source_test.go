package main

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A witness stands between a client and a server, and hears which messages the server
// takes.
type witness struct {
	net.Listener
	server string

	mu    sync.Mutex
	taken []string // their ids
	// told is run with the number of them, before the client hears of the last one.
	told func(n int)
}

// takes is how a server answers when it has a message.
var takes = regexp.MustCompile(`^250 .*queued as (\w+)`)

func newWitness(t *testing.T, server string) *witness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{Listener: l, server: server, told: func(int) {}}
	var running sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.between(client) })
		}
	})
	return w
}

// between carries what both say.
func (w *witness) between(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return // it was killed
	}
	defer server.Close()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		_, _ = io.Copy(server, client) // one of them has ended
		server.Close()
	})
	defer client.Close()
	for r := bufio.NewReader(server); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if m := takes.FindStringSubmatch(line); m != nil {
			w.mu.Lock()
			w.taken = append(w.taken, m[1])
			w.told(len(w.taken))
			w.mu.Unlock()
		}
		if _, err := io.WriteString(client, line); err != nil {
			return
		}
	}
}

// smtp-source sends by twenty connections, each message by one of its own; the server
// is killed in the middle, three times. What it said it has, it has, whole and once.
func TestWhatSmtpSourceWasToldIsThere(t *testing.T) {
	t.Parallel()
	source := need(t, "smtp-source")
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	w.apply()
	between := newWitness(t, w.addr("smtp"))
	for round, after := range []int{1, 150, 400} {
		pid := w.pid()
		between.mu.Lock()
		after += len(between.taken)
		between.told = func(n int) {
			if n == after {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Errorf("kill the server: %v", err)
				}
			}
		}
		between.mu.Unlock()
		cmd := exec.CommandContext(t.Context(), source, "-s", "20", "-m", "5000", "-l", "5120", "-c", "-f", "s@remote.test", "-t", "alice@example.com", between.Addr().String())
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Fatalf("round %d: smtp-source came to its end: %s", round, out)
		}
		eventually(t, "the killed daemon is gone", func() bool { return w.pid() == 0 })
		w.apply()
	}
	s := w.mailbox("alice@example.com", "INBOX")
	list := s.imap("f", "FETCH 1:* (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (RECEIVED)])")
	var there []string
	for _, m := range regexp.MustCompile(`\sid (\w+)`).FindAllStringSubmatch(list, -1) {
		there = append(there, m[1])
	}
	slices.Sort(there)
	if once := slices.Compact(slices.Clone(there)); len(once) != len(there) {
		t.Errorf("of %d messages %d are there more than once", len(there), len(there)-len(once))
	}
	between.mu.Lock()
	defer between.mu.Unlock()
	for _, id := range between.taken {
		if _, ok := slices.BinarySearch(there, id); !ok {
			t.Errorf("%s was taken, and is not there", id)
		}
	}
	// Twenty were under way at each kill, and nobody heard what became of them.
	if len(there) > len(between.taken)+3*20 {
		t.Errorf("%d messages are there, and %d were taken", len(there), len(between.taken))
	}
	for _, m := range regexp.MustCompile(`RFC822\.SIZE (\d+)`).FindAllStringSubmatch(list, -1) {
		if len(m[1]) != 4 { // 5120 and what the server puts on top
			t.Errorf("a message of %s bytes is there", m[1])
		}
	}
	if !w.queueIsEmpty() {
		t.Error("something is left in the queue")
	}
	if out := w.ok("check-store"); !strings.HasSuffix(out, "mail: sound\n") {
		t.Errorf("check-store: %q", out)
	}
}
