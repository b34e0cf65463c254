package httpstate

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

	"github.com/mailform/mailform/engine/seal"
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

func TestWhatOneRunnerWritesAnotherReads(t *testing.T) {
	s := newServer(t)
	b := open(t, s.URL)
	if st, err := b.Load(t.Context()); err != nil || st.Lineage != "" || st.Serial != 0 {
		t.Fatalf("before the first write: %+v, %v", st, err)
	}
	if err := b.Append(t.Context(), []state.Entry{entry(1)}); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("without a lock: %v", err)
	}
	unlock := lock(t, b)
	if err := b.Append(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := b.Append(t.Context(), []state.Entry{entry(i)}); err != nil {
			t.Fatal(err)
		}
	}
	id := entry(0).Put.ID
	if err := b.Append(t.Context(), []state.Entry{{Delete: &id}}); err != nil {
		t.Fatal(err)
	}
	unlock()
	st, err := open(t, s.URL).Load(t.Context())
	if err != nil || len(st.Resources) != 2 || st.Serial != 4 || len(st.Lineage) != 36 {
		t.Errorf("%+v, %v", st, err)
	}
	if s.lockID != "" {
		t.Error("the lock was not released")
	}
}

func TestASealedStateIsReadWithItsKeyAlone(t *testing.T) {
	s := newServer(t)
	plain := open(t, s.URL)
	unlock := lock(t, plain)
	if err := plain.Append(t.Context(), []state.Entry{entry(1)}); err != nil {
		t.Fatal(err)
	}
	unlock()
	sealed := open(t, s.URL)
	sealed.o.Keys = &seal.Keyring{Key: seal.Passphrase("correct horse battery")}
	unlock = lock(t, sealed)
	if err := sealed.Append(t.Context(), nil); err != nil { // seals what is there
		t.Fatal(err)
	}
	doc := string(s.doc)
	if strings.Contains(doc, "thing") || !strings.Contains(doc, `"serial":1`) {
		t.Errorf("the server has %s", doc)
	}
	if err := sealed.Append(t.Context(), []state.Entry{entry(2)}); err != nil {
		t.Fatal(err)
	}
	unlock()
	if st, err := sealed.Load(t.Context()); err != nil || len(st.Resources) != 2 || st.Serial != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := open(t, s.URL).Load(t.Context()); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestOfTwoRunnersOneWaitsOrSaysWhoHoldsTheLock(t *testing.T) {
	s := newServer(t)
	first, second := open(t, s.URL), open(t, s.URL)
	unlock := lock(t, first)
	_, err := second.Lock(t.Context(), state.LockInfo{Who: "other"}, 0)
	var locked *state.LockedError
	if !errors.As(err, &locked) || locked.Info.Who != "ci@runner" || !strings.Contains(err.Error(), "force-unlock "+first.lock.ID) {
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
	unlock()
	if err := <-got; err != nil {
		t.Errorf("the one that waits: %v", err)
	}
}

func TestALateWriterIsFenced(t *testing.T) {
	s := newServer(t)
	late := open(t, s.URL)
	unlock := lock(t, late)
	if err := late.Append(t.Context(), []state.Entry{entry(1)}); err != nil {
		t.Fatal(err)
	}
	next := open(t, s.URL)
	var locked *state.LockedError
	if err := next.ForceUnlock(t.Context(), "wrong"); !errors.As(err, &locked) || locked.Info.ID != late.lock.ID {
		t.Fatalf("with another lock's ID: %v", err)
	}
	if err := next.ForceUnlock(t.Context(), late.lock.ID); err != nil {
		t.Fatal(err)
	}
	if err := late.Append(t.Context(), []state.Entry{entry(2)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("nobody holds the lock: %v", err)
	}
	defer lock(t, next)()
	if err := next.Append(t.Context(), []state.Entry{entry(3)}); err != nil {
		t.Fatal(err)
	}
	if err := late.Append(t.Context(), []state.Entry{entry(4)}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("another holds the lock: %v", err)
	}
	unlock() // does not take the other's
	if s.lockID != next.lock.ID {
		t.Error("the late one has released its successor's lock")
	}
	st, err := next.Load(t.Context())
	if err != nil || len(st.Resources) != 2 || st.Resources[entry(3).Put.ID] == nil {
		t.Errorf("%v, %v", st, err)
	}
}

func TestConnectionsThatAreCutOff(t *testing.T) {
	for _, cut := range []string{"before", "after"} {
		t.Run(cut, func(t *testing.T) {
			s := newServer(t)
			b := open(t, s.URL)
			s.set(func(s *server) { s.cut = cut })
			unlock := lock(t, b) // its answer may be lost: it is ours all the same
			s.set(func(s *server) { s.cut = cut; s.fail = 1 })
			if err := b.Append(t.Context(), []state.Entry{entry(1)}); err != nil {
				t.Fatal(err)
			}
			if err := b.Append(t.Context(), []state.Entry{entry(2)}); err != nil {
				t.Fatal(err)
			}
			unlock()
			if st, err := open(t, s.URL).Load(t.Context()); err != nil || st.Serial != 2 || len(st.Resources) != 2 {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
	t.Run("for longer than it is tried", func(t *testing.T) {
		s := newServer(t)
		b := open(t, s.URL)
		defer lock(t, b)()
		s.set(func(s *server) { s.fail = 3 })
		if err := b.Append(t.Context(), []state.Entry{entry(1)}); err == nil || errors.Is(err, state.ErrLockLost) {
			t.Fatalf("%v", err)
		}
		if err := b.Append(t.Context(), []state.Entry{entry(2)}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestErrorsHoldNoSecret(t *testing.T) {
	s := newServer(t)
	b := open(t, s.URL)
	b.o.Password = "hunter2"
	_, err := b.Load(t.Context())
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	_, err = Open(Options{Address: "ftp://u:hunter2@x/", LockAddress: "http://x/"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestADamagedDocumentIsAnErrorAndStays(t *testing.T) {
	s := newServer(t)
	s.doc = []byte(`{"mailform_state": 1, "lineage": "x", "resour`)
	b := open(t, s.URL)
	defer lock(t, b)()
	var damage *state.DamageError
	if err := b.Append(t.Context(), []state.Entry{entry(1)}); !errors.As(err, &damage) {
		t.Errorf("%v", err)
	}
	if s.writes != 0 {
		t.Error("it was written over")
	}
}

func TestWhatIsEmptyComesFromTheEnvironment(t *testing.T) {
	o := Options{Address: "http://written/"}.WithEnviron([]string{
		"TF_HTTP_ADDRESS=http://tf/", "TF_HTTP_PASSWORD=tf", "MF_HTTP_USERNAME=mf", "TF_HTTP_USERNAME=tf", "MF_HTTP_LOCK_METHOD=POST", "MF_HTTP_=x",
	})
	want := Options{Address: "http://written/", Password: "tf", Username: "mf", LockMethod: "POST"}
	if o != want {
		t.Errorf("got %+v", o)
	}
}

// The test binary is also the runner that is killed: with this variable set it
// writes to that server until it dies.
const crashServer = "MAILFORM_TEST_CRASH_SERVER"

func TestMain(m *testing.M) {
	if address := os.Getenv(crashServer); address != "" {
		fmt.Fprintln(os.Stderr, writeForEver(address))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForEver(address string) error {
	ctx := context.Background()
	b, err := Open(Options{Address: address + "/state", LockAddress: address + "/lock", Username: "runner", Password: "pass word"})
	if err != nil {
		return err
	}
	if _, err := b.Lock(ctx, state.LockInfo{Operation: "apply", Who: "killed"}, 0); err != nil {
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

func TestARunnerThatWasKilledIsFollowedByAnother(t *testing.T) {
	s := newServer(t)
	acked := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashServer+"="+s.URL)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 3+7*round && lines.Scan(); n++ {
			if acked, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it has said before it died
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acked = n
			}
		}
		_ = cmd.Wait() // killed

		next := open(t, s.URL)
		_, err = next.Lock(t.Context(), state.LockInfo{}, 0)
		var locked *state.LockedError
		if !errors.As(err, &locked) || locked.Info.Who != "killed" {
			t.Fatalf("the lock of the one that was killed: %v", err)
		}
		if err := next.ForceUnlock(t.Context(), locked.Info.ID); err != nil {
			t.Fatal(err)
		}
		st, err := next.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The write under way when it died may have arrived.
		if n := len(st.Resources); n != acked && n != acked+1 {
			t.Fatalf("round %d: %d acknowledged, %d there", round, acked, n)
		}
	}
	if acked < 10 {
		t.Errorf("only %d writes", acked)
	}
}

func FuzzLock(f *testing.F) {
	f.Add(423, []byte(`{"ID":"x","Operation":"apply","Who":"a@b","Created":"2026-01-02T03:04:05Z","Info":"https://ci/1"}`))
	f.Add(409, []byte(`"x"`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := answer{status, body}
		if a.lockedError().Error() == "" || a.refusal().Error() == "" {
			t.Error("it says nothing")
		}
		if l, ok := decodeLock(body); ok != (l.ID != "") || ok == (a.holder() == "") {
			t.Errorf("%+v, %v, %q", l, ok, a.holder())
		}
	})
}
