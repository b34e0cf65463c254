package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// soakUsers is how many users are applied while mailform is killed.
const soakUsers = 10_000

// shortSoak is how often it is killed where nobody asks for more.
const shortSoak = 10

// soakKills is how often it is killed: a few times unless MAILFORM_SOAK asks for
// more; make soak asks for a hundred.
func soakKills(t *testing.T) int {
	t.Helper()
	s := os.Getenv("MAILFORM_SOAK")
	if s == "" {
		return shortSoak
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("MAILFORM_SOAK is a number of kills, not %q", s)
	}
	return n
}

// An apply of 10,000 users is killed at random instants, with the signal that
// nothing can catch. Each kill falls into an apply that has all of it still to do:
// the first into the first apply, the others into changes of all users. Whatever
// was done by then, nobody has to unlock anything, the state can be read, and the
// next apply does the rest and nothing twice.
func TestApplyOfManyKilledAtRandomInstantsForgetsNothing(t *testing.T) {
	kills := soakKills(t)
	files := manyUsers(t, soakUsers)
	w := newWorld(t, files)
	// How long an apply takes here says where a kill can fall.
	rehearsal := newWorld(t, files)
	began := time.Now()
	rehearsal.apply()
	first := time.Since(began)
	rehearsal.write("staff.csv", strings.ReplaceAll(files["staff.csv"], "1GiB", "2GiB"))
	began = time.Now()
	rehearsal.apply()
	change := time.Since(began)
	rehearsal.ok("destroy", "-auto-approve")

	rng := rand.New(rand.NewPCG(11, 12))
	var inTime, begun, partly int
	for i := range kills {
		quota := i + 1
		w.write("staff.csv", strings.ReplaceAll(files["staff.csv"], "1GiB", fmt.Sprintf("%dGiB", quota)))
		span := change
		if i == 0 {
			span = first
		}
		cmd := w.command(context.Background(), binary, "apply", "-auto-approve")
		cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(span))))
		// An error says that it has ended already: that is a kill after the end.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if killed(cmd) {
			inTime++
		}
		w.stateIsWhole(t)
		st := w.ok("state", "pull")
		if strings.Contains(st, `"open_apply"`) {
			begun++
			if left := w.mailform("plan", "-detailed-exitcode"); left.code == exitChanges && !strings.Contains(left.stdout, fmt.Sprintf("%d to change", soakUsers)) {
				partly++
			}
		}
		// Every third goes on at once; the others have the next change on top.
		if i%3 == 2 {
			w.apply()
			w.all(t, quota)
		}
	}
	t.Logf("%d of %d kills came before the end of the process, %d of them after the first change and before the last was written down, %d left a part",
		inTime, kills, begun, partly)
	if inTime == 0 || kills >= 100 && begun < kills/20 {
		t.Error("too few kills came in the middle: the test shows little")
	}
	w.apply()
	w.all(t, kills)
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}

// killed reports whether a process ended by a signal.
func killed(cmd *exec.Cmd) bool {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// stateIsWhole looks at the state's files: never empty, never half of one.
func (w *world) stateIsWhole(t *testing.T) {
	t.Helper()
	path := filepath.Join(w.dir, "mailform.mfstate")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return // killed before the first write
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(data) == 0 || !strings.HasSuffix(string(data), "\n") {
		t.Fatalf("the state file is torn: %d bytes", len(data))
	}
	if r := w.mailform("state", "list"); r.code != exitOK {
		t.Fatalf("the state cannot be read after a kill: %v", r)
	}
}

// all expects each user exactly once, in the state and in the store, with a quota.
func (w *world) all(t *testing.T, quota int) {
	t.Helper()
	inState := map[string]int{}
	for line := range strings.Lines(w.ok("state", "list")) {
		if strings.HasPrefix(line, "user.staff[") {
			inState[strings.TrimSpace(line)]++
		}
	}
	live, err := w.admin().Resources(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	inStore := map[string]admin.Resource{}
	for _, r := range live.Resources {
		if r.Kind == "mailbox" && strings.HasPrefix(r.Owner, "user.staff[") {
			if _, twice := inStore[r.Owner]; twice || r.Retained {
				t.Errorf("%s is in the store twice", r.Owner)
			}
			inStore[r.Owner] = r
		}
	}
	missing, twice, other := 0, 0, 0
	for i := range soakUsers {
		address := fmt.Sprintf(`user.staff["u%05d"].mailbox`, i)
		r, there := inStore[address]
		switch {
		case inState[address] == 0 || !there:
			missing++
		case inState[address] > 1:
			twice++
		case !strings.Contains(string(r.Attrs), fmt.Sprintf(`"quota":%d`, quota<<30)):
			other++
		}
	}
	if missing+twice+other > 0 || len(inStore) != soakUsers || len(inState) != soakUsers {
		t.Fatalf("of %d users %d are forgotten, %d are there twice, %d are not as declared; %d in the state, %d in the store",
			soakUsers, missing, twice, other, len(inState), len(inStore))
	}
}
