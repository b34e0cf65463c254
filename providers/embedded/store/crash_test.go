package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is its own child: TestMain looks at this variable, which has
// the data directory.
const (
	childVar = "MAILFORM_STORE_TEST_CHILD"
	moveVar  = "MAILFORM_STORE_TEST_MOVE"  // where the child moves the store
	limitVar = "MAILFORM_STORE_TEST_LIMIT" // bytes that a file of the child may have
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if to := os.Getenv(moveVar); to != "" {
			runtime.LockOSThread() // whose calls are counted
			if err := errors.Join(CopyTo(dir, to), MoveTo(context.Background(), dir, to)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
		if err := deliverForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// deliverForEver accepts messages from several senders and prints "ok N" when
// message N is accepted, until the process is killed or a message is refused.
func deliverForEver(dir string) error {
	if text := os.Getenv(limitVar); text != "" {
		signal.Ignore(syscall.SIGXFSZ) // so that writing fails with EFBIG
		var n uint64
		if _, err := fmt.Sscan(text, &n); err != nil {
			return err
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	alice, err := s.Account(ctx, "alice@example.com")
	if err != nil {
		return err
	}
	bob, err := s.Account(ctx, "bob@example.com")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var out sync.Mutex
	for sender := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), sender, n)
				d := s.NewDraft(0)
				fmt.Fprintf(d, "Message-ID: <%s>\r\n\r\n%s\r\n", id, strings.Repeat("x", 1000*(n%8)))
				if n%50 == 49 { // in pieces
					fmt.Fprint(d, strings.Repeat("y", 3*chunkSize))
				}
				e := &Envelope{Draft: d, From: "x@example.org", Accounts: []int64{alice.ID, bob.ID}, ID: id}
				if n%10 == 9 {
					e.Remote = []string{"far@example.net"}
				}
				err := s.Accept(ctx, e)
				d.Close()
				out.Lock()
				if err == nil {
					fmt.Println("ok", id)
				} else {
					fmt.Println("refused", id, err)
				}
				out.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return s.Close()
}

// child starts deliverForEver.
func child(t *testing.T, dir string, env ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(append(os.Environ(), childVar+"="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func twoAccounts(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	newAccount(t, s, "alice")
	newAccount(t, s, "bob")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// stored reads the ids of the messages in an account's INBOX.
func storedIDs(t *testing.T, s *Store, address string) map[string]int {
	t.Helper()
	a, err := s.Account(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	ms, _, err := s.Messages(t.Context(), inboxOf(t, s, a.ID).ID)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, m := range ms {
		b, err := s.OpenBody(t.Context(), m.Body)
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, min(m.Size, 60))
		if _, err := b.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		b.Close()
		id, _, ok := strings.Cut(strings.TrimPrefix(string(head), "Message-ID: <"), ">")
		if !ok {
			t.Fatalf("a message begins with %q", head)
		}
		found[id]++
	}
	return found
}

// checkAcknowledged checks that what was acknowledged is there, once, for both.
func checkAcknowledged(t *testing.T, s *Store, acknowledged []string) {
	t.Helper()
	alice, bob := storedIDs(t, s, "alice@example.com"), storedIDs(t, s, "bob@example.com")
	for _, id := range acknowledged {
		if alice[id] != 1 || bob[id] != 1 {
			t.Errorf("message %s is there %d and %d times", id, alice[id], bob[id])
		}
	}
	for id, n := range alice {
		if n != 1 || bob[id] != 1 {
			t.Errorf("message %s is there %d times for one and %d for the other", id, n, bob[id])
		}
	}
	checkStore(t, s)
}

func TestAKilledOwnerLosesNothing(t *testing.T) {
	const kills = 20
	dir := t.TempDir()
	twoAccounts(t, dir)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var acknowledged []string
	for range kills {
		cmd, out := child(t, dir)
		lines := bufio.NewScanner(out)
		var timer *time.Timer
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "ok "); ok {
				acknowledged = append(acknowledged, id)
			} else {
				t.Error(lines.Text())
			}
			if timer == nil {
				timer = time.AfterFunc(time.Duration(r.IntN(60_000))*time.Microsecond, func() { cmd.Process.Kill() })
			}
		}
		if timer == nil {
			t.Fatal("the child delivered nothing")
		}
		timer.Stop()
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
	}
	s := openStore(t, dir)
	checkAcknowledged(t, s, acknowledged)
	t.Logf("%d kills, %d messages acknowledged", kills, len(acknowledged))
	id := newAccount(t, s, "carol")
	if err := accept(t.Context(), s, []byte("on it goes\r\n"), id); err != nil {
		t.Error(err)
	}
}

func TestADiskThatFailsLosesNothing(t *testing.T) {
	dir := t.TempDir()
	twoAccounts(t, dir)
	cmd, out := child(t, dir, limitVar+"=3000000")
	var acknowledged []string
	refused := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "ok "); ok {
			acknowledged = append(acknowledged, id)
		} else {
			refused++
		}
	}
	_ = cmd.Wait() // it may fail to close: the log cannot be written back
	if refused != 8 || len(acknowledged) == 0 {
		t.Errorf("%d acknowledged, %d refused; want some, and the last of 8 senders", len(acknowledged), refused)
	}
	checkAcknowledged(t, openStore(t, dir), acknowledged)
}
