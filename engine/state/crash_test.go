package state

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The test binary is also the process that is killed: with this variable set
// it appends to the state at that path until it dies.
const crashPath = "MAILFORM_TEST_CRASH_STATE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		if err := appendForEver(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver locks, appends and releases again and again, and says on
// standard output what has been acknowledged.
func appendForEver(path string) error {
	ctx := context.Background()
	l, err := OpenLocal(path, nil)
	if err != nil {
		return err
	}
	for i := len(must(l.Load(ctx)).Resources); ; {
		unlock, err := l.Lock(ctx, LockInfo{}, time.Minute)
		if err != nil {
			return err
		}
		for range 40 {
			var batch []Entry
			for range 5 {
				batch = append(batch, Entry{Put: mailbox(i)})
				i++
			}
			if err := l.Append(ctx, batch); err != nil {
				return err
			}
			fmt.Println(i)
		}
		if err := unlock(); err != nil {
			return err
		}
	}
}

func must(s *State, err error) *State {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return s
}

func TestAKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	acked := 0
	for round := range 25 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashPath+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// A different number of writes each time, then a kill at whatever
		// instant it comes.
		lines := bufio.NewScanner(out)
		for n := 0; n <= round*5%47 && lines.Scan(); n++ {
			acked, _ = strconv.Atoi(lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			acked, _ = strconv.Atoi(lines.Text())
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}

		s := load(t, path)
		if len(s.Resources) < acked {
			t.Fatalf("round %d: %d resources, %d were acknowledged", round, len(s.Resources), acked)
		}
		for i := range acked {
			if s.Resources[mailbox(i).ID] == nil {
				t.Fatalf("round %d: resource %d of %d is lost", round, i, acked)
			}
		}
		lock(t, open(t, path))() // no lock is left behind
	}
	if acked == 0 {
		t.Fatal("nothing was ever written")
	}
}
