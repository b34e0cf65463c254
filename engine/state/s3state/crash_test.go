package s3state

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/mailform/mailform/engine/state/statetest"
)

// The test binary is also the runner that is killed: with this variable set it
// writes to that server until it dies.
const (
	crashEndpoint = "MAILFORM_TEST_CRASH_S3"
	crashKey      = "MAILFORM_TEST_CRASH_KEY"
)

func writeForEver(endpoint string) error {
	ctx := context.Background()
	o := options(endpoint, os.Getenv(crashKey))
	o.Lease = time.Second
	b, err := Open(o)
	if err != nil {
		return err
	}
	for {
		unlock, err := b.Lock(ctx, state.LockInfo{Operation: "apply", Who: "killed"}, time.Minute)
		if err != nil {
			return err
		}
		st, err := b.Load(ctx)
		if err != nil {
			return err
		}
		// Enough for snapshots to be made under way.
		for i := len(st.Resources); i < len(st.Resources)+compactParts+3; i++ {
			if err := b.Append(ctx, []state.Entry{entry(i)}); err != nil {
				return err
			}
			fmt.Println(i + 1)
		}
		if err := unlock(); err != nil {
			return err
		}
	}
}

// writer starts a runner that writes, and reads n of its lines.
func writer(t *testing.T, endpoint, key string, n int) (cmd *exec.Cmd, lines *bufio.Scanner, acked int) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEndpoint+"="+endpoint, crashKey+"="+key)
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
	s := shared.Get(t)
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 4 {
		b := open(t, s.Endpoint(), short)
		cmd, lines, acked := writer(t, s.Endpoint(), b.o.Key, 3+13*round)
		time.Sleep(time.Duration(rng.Int64N(int64(40 * time.Millisecond)))) // a kill at whatever instant it comes
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		acked = rest(cmd, lines, acked)
		// Nobody unlocks: the lease passes. The write under way when it died may
		// have arrived.
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

func TestAServerThatCrashesLosesNothingThatWasAcknowledged(t *testing.T) {
	s := shared.Get(t)
	b := open(t, s.Endpoint(), short)
	cmd, lines, acked := writer(t, s.Endpoint(), b.o.Key, 20)
	if err := s.Crash(); err != nil {
		t.Fatal(err)
	}
	acked = rest(cmd, lines, acked) // ends with an error by itself
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	unlock, err := b.Lock(t.Context(), state.LockInfo{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(load(t, b).Resources); n != acked && n != acked+1 {
		t.Errorf("%d acknowledged, %d there", acked, n)
	}
	add(t, b, entry(100000))
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// Connections are cut off after any number of bytes. What was acknowledged is
// there, once and in order; what was not may be.
func TestConnectionsThatAreCutOffAtAnyByte(t *testing.T) {
	s := shared.Get(t)
	p := statetest.NewProxy(t, s.Addr())
	b := open(t, "http://"+p.Addr())
	release := lock(t, b)
	rng := rand.New(rand.NewPCG(9, 10))
	p.Cut(func() (up, down int64) {
		// About a third of the requests get through.
		return rng.Int64N(3000), rng.Int64N(3000)
	})
	acked, failed := 0, 0
	for i := range 12 {
		if err := b.Append(t.Context(), []state.Entry{entry(i)}); err != nil {
			failed++
			if err := b.Append(t.Context(), []state.Entry{entry(i)}); err != nil {
				continue
			}
		}
		acked++
		st := load(t, open(t, s.Endpoint()))
		if st.Resources[entry(i).Put.ID] == nil || st.Serial < uint64(acked) {
			t.Fatalf("entry %d was acknowledged and is not there: serial %d", i, st.Serial)
		}
	}
	t.Logf("%d of 12 writes acknowledged, %d failed at first, %d connections cut", acked, failed, p.Cuts())
	if acked == 0 || p.Cuts() == 0 {
		t.Error("the test shows nothing")
	}
	p.Cut(nil)
	add(t, b, entry(1000))
	release()
	if st := load(t, open(t, s.Endpoint())); len(st.Resources) < acked+1 {
		t.Errorf("%d resources, %d acknowledged", len(st.Resources), acked)
	}
}

// The request arrives and is done, and its answer is lost each time.
func TestAnAnswerThatIsLostIsNoWriteThatIsLost(t *testing.T) {
	s := shared.Get(t)
	p := statetest.NewProxy(t, s.Addr())
	b := open(t, "http://"+p.Addr())
	release := lock(t, b)
	add(t, b, entry(0))
	for i := 1; i <= 5; i++ {
		n := 0
		p.Cut(func() (up, down int64) {
			// Every second connection: so the one for the part, or for the head, or
			// the one that looks what became of it.
			if n++; (n+i)%2 == 0 {
				return -1, int64(20 * i)
			}
			return -1, -1
		})
		add(t, b, entry(i))
		p.Cut(nil)
		if st := load(t, open(t, s.Endpoint())); len(st.Resources) != i+1 || st.Serial != uint64(i+1) {
			t.Fatalf("after write %d: %d resources, serial %d", i+1, len(st.Resources), st.Serial)
		}
	}
	release()
	defer lock(t, open(t, s.Endpoint()))()
}
