package pgstate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func entry(i int) state.Entry {
	return state.Entry{Put: &state.Resource{
		ID:      schema.ID{Target: "t", Kind: "thing", Key: fmt.Sprint(i)},
		Address: fmt.Sprintf("thing.t%d", i),
		Attrs:   cty.ObjectVal(map[string]cty.Value{"n": cty.StringVal(fmt.Sprint(i))}),
	}}
}

// open is the backend of another runner: it shares nothing with the others.
func open(t testing.TB, conn string, change ...func(*Options)) *Backend {
	t.Helper()
	o := Options{ConnStr: conn, Schema: t.Name()}
	for _, c := range change {
		c(&o)
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lock(t testing.TB, b *Backend) (release func()) {
	t.Helper()
	unlock, err := b.Lock(t.Context(), state.LockInfo{Operation: "apply", Who: "ci@runner", PID: os.Getpid()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}
}

func add(t testing.TB, b *Backend, entries ...state.Entry) {
	t.Helper()
	if err := b.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, b *Backend) *state.State {
	t.Helper()
	st, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestWhatOneRunnerWritesAnotherReads(t *testing.T) {
	conn := database(t)
	b := open(t, conn)
	if st := load(t, b); st.Lineage != "" || st.Serial != 0 || st.Resources == nil {
		t.Fatalf("before the first write: %+v", st)
	}
	if err := b.Append(t.Context(), []state.Entry{entry(1)}); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("without a lock: %v", err)
	}
	release := lock(t, b)
	add(t, b)
	add(t, b, entry(0), entry(1))
	id := entry(0).Put.ID
	add(t, b, state.Entry{Delete: &id}, state.Entry{Outputs: map[string]state.Output{"o": {Value: []byte(`"v"`), Type: []byte(`"string"`)}}})
	release()
	st := load(t, open(t, conn))
	if len(st.Resources) != 1 || st.Serial != 2 || len(st.Lineage) != 36 || string(st.Outputs["o"].Value) != `"v"` {
		t.Errorf("%+v", st)
	}
	if other := load(t, open(t, conn, func(o *Options) { o.Name = "staging" })); other.Lineage != "" {
		t.Errorf("a state of another name is %+v", other)
	}
}

func TestAJournalThatHasGrownLongBecomesASnapshot(t *testing.T) {
	conn := database(t)
	b := open(t, conn)
	release := lock(t, b)
	var entries []state.Entry
	for i := range compactAbove {
		entries = append(entries, entry(i))
	}
	add(t, b, entries...)
	add(t, b, entry(compactAbove))
	release()
	defer lock(t, b)()
	var rows int
	if err := b.held.db.QueryRow(b.tables.Replace(`SELECT count(*) FROM @.journal`)).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("the journal has %d rows, %v", rows, err)
	}
	add(t, b, entry(compactAbove+1))
	if st := load(t, open(t, conn)); len(st.Resources) != compactAbove+2 || st.Serial != 3 {
		t.Errorf("%d resources, serial %d", len(st.Resources), st.Serial)
	}
	next := load(t, b)
	next.Lineage, next.Serial = "11111111-2222-4333-8444-555555555555", 9
	clear(next.Resources)
	if err := b.Replace(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if st := load(t, open(t, conn)); len(st.Resources) != 0 || st.Serial != 9 || st.Lineage != next.Lineage {
		t.Errorf("after it was replaced: %+v", st)
	}
}

func TestOfTwoRunnersOneWaitsOrSaysWhoHoldsTheLock(t *testing.T) {
	conn := database(t)
	first, second := open(t, conn), open(t, conn)
	release := lock(t, first)
	_, err := second.Lock(t.Context(), state.LockInfo{Who: "other"}, 0)
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Info.Who != "ci@runner" || locked.Info.ID != first.held.id || !strings.Contains(err.Error(), "the lock ends at") {
		t.Fatalf("%v", err)
	}
	got := make(chan error, 1)
	go func() {
		unlock, err := second.Lock(context.Background(), state.LockInfo{Who: "other"}, time.Minute)
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	release()
	if err := <-got; err != nil {
		t.Errorf("the one that waits: %v", err)
	}
}

func TestALateWriterIsFenced(t *testing.T) {
	conn := database(t)
	late, next := open(t, conn), open(t, conn)
	release := lock(t, late)
	add(t, late, entry(1))
	var locked *state.LockedError
	if err := next.ForceUnlock(t.Context(), "wrong"); !errors.As(err, &locked) || locked.Info.ID != late.held.id {
		t.Fatalf("with another lock's ID: %v", err)
	}
	if err := next.ForceUnlock(t.Context(), late.held.id); err != nil {
		t.Fatal(err)
	}
	if err := next.ForceUnlock(t.Context(), late.held.id); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("twice: %v", err)
	}
	if err := late.Append(t.Context(), []state.Entry{entry(2)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("nobody holds the lock: %v", err)
	}
	defer lock(t, next)()
	add(t, next, entry(3))
	if err := late.Append(t.Context(), []state.Entry{entry(4)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("another holds the lock: %v", err)
	}
	release() // does not take the other's
	add(t, next, entry(5))
	if st := load(t, next); len(st.Resources) != 3 || st.Resources[entry(4).Put.ID] != nil {
		t.Errorf("%+v", st)
	}
}

func TestALeaseIsKeptByItsHeartbeatAndPassesWithoutIt(t *testing.T) {
	conn := database(t)
	var first, second *Backend
	var release func()
	// Two leases long it is kept, if they are long enough for a heartbeat on a busy
	// machine.
	for lease := 600 * time.Millisecond; ; lease *= 5 {
		short := func(o *Options) { o.Lease = lease }
		first, second = open(t, conn, short), open(t, conn, short)
		release = lock(t, first)
		unlock, err := second.Lock(t.Context(), state.LockInfo{}, 2*lease)
		if _, ok := errors.AsType[*state.LockedError](err); ok {
			break
		}
		if err != nil || lease > 10*time.Second {
			t.Fatalf("the lock of one that lives: %v", err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		release()
	}
	first.held.stop() // its process has stopped
	unlock, err := second.Lock(t.Context(), state.LockInfo{Who: "second"}, time.Minute)
	if err != nil {
		t.Fatalf("the lock of one that does not: %v", err)
	}
	if err := first.Append(t.Context(), []state.Entry{entry(1)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("when it comes back: %v", err)
	}
	release()
	add(t, second, entry(2))
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestConnectionsThatAreCutOff(t *testing.T) {
	conn := database(t)
	b := open(t, conn)
	defer lock(t, b)()
	admin := open(t, conn).connect()
	defer admin.Close()
	for i := range 5 {
		if _, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`); err != nil {
			t.Fatal(err)
		}
		// It may fail, and must then not be there by half.
		if err := b.Append(t.Context(), []state.Entry{entry(i), entry(i + 100)}); err != nil {
			add(t, b, entry(i), entry(i+100))
		}
		st := load(t, open(t, conn))
		if n := len(st.Resources); n != 2*(i+1) || st.Serial < uint64(i+1) {
			t.Fatalf("after %d writes there are %d resources, serial %d", i+1, n, st.Serial)
		}
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	if _, err := Open(Options{ConnStr: "postgres://u:hunter2@host:port/"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	b := open(t, "postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable")
	if _, err := b.Load(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// The test binary is also the runner that is killed: with this variable set it
// writes to that database until it dies.
const (
	crashConn   = "MAILFORM_TEST_CRASH_PG"
	crashSchema = "MAILFORM_TEST_CRASH_SCHEMA"
	crashLease  = 700 * time.Millisecond
)

func writeForEver(conn string) error {
	ctx := context.Background()
	b, err := Open(Options{ConnStr: conn, Schema: os.Getenv(crashSchema), Lease: crashLease})
	if err != nil {
		return err
	}
	if _, err := b.Lock(ctx, state.LockInfo{Operation: "apply", Who: "killed"}, time.Minute); err != nil {
		return err
	}
	st, err := b.Load(ctx)
	if err != nil {
		return err
	}
	for i := len(st.Resources); ; i++ {
		if err := b.Append(ctx, []state.Entry{entry(i)}); err != nil {
			return err
		}
		fmt.Println(i + 1)
	}
}

// writer starts a runner that writes, and reads n of its lines.
func writer(t *testing.T, conn string, n int) (cmd *exec.Cmd, lines *bufio.Scanner, acked int) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashConn+"="+conn, crashSchema+"="+t.Name())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewScanner(out)
	for ; n > 0 && lines.Scan(); n-- {
		if acked, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, lines, acked
}

// rest reads what a runner has said before it ended.
func rest(cmd *exec.Cmd, lines *bufio.Scanner, acked int) int {
	for lines.Scan() {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			acked = n
		}
	}
	_ = cmd.Wait() // it was killed, or has failed as it should
	return acked
}

func TestARunnerThatWasKilledIsFollowedByAnother(t *testing.T) {
	conn := database(t)
	for round := range 4 {
		cmd, lines, acked := writer(t, conn, 3+7*round)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		acked = rest(cmd, lines, acked)
		// Nobody unlocks: the lease passes. The write under way when it died may
		// have arrived.
		b := open(t, conn)
		unlock, err := b.Lock(t.Context(), state.LockInfo{}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(load(t, b).Resources); acked == 0 || n != acked && n != acked+1 {
			t.Fatalf("round %d: %d acknowledged, %d there", round, acked, n)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADatabaseThatCrashesLosesNothingThatWasAcknowledged(t *testing.T) {
	conn := database(t)
	cmd, lines, acked := writer(t, conn, 20)
	if err := shared.Get(t).Crash(); err != nil {
		t.Fatal(err)
	}
	acked = rest(cmd, lines, acked) // ends with an error by itself
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("the runner ended with %v", cmd.ProcessState)
	}
	if err := shared.Get(t).Start(); err != nil {
		t.Fatal(err)
	}
	b := open(t, conn)
	unlock, err := b.Lock(t.Context(), state.LockInfo{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if n := len(load(t, b).Resources); n != acked && n != acked+1 {
		t.Errorf("%d acknowledged, %d there", acked, n)
	}
	add(t, b, entry(100000))
}
