package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The daemon is killed at random instants, with the signal that nothing catches,
// while mail is sorted, submitted and handed on, appended, copied and moved, fetched
// and deleted.
// What it has promised is there after each start; make soak does it a hundred times.
func TestDaemonKilledKeepsItsPromises(t *testing.T) {
	w, all := newPromising(t)
	rng := rand.New(rand.NewPCG(7, 8))
	times := soakKills(t)
	for round := range times {
		before := counts(all)
		stop := w.work(all, round)
		moreThan(t, all, before, rng.IntN(4))
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		p, err := os.FindProcess(w.pid())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		stop()
		eventually(t, "the killed daemon is gone", func() bool { return w.pid() == 0 })
		w.outward.died(t)
		w.ok("start")
		// To look costs more than to kill.
		if times <= shortSoak && round%5 != 4 {
			continue
		}
		w.keepsItsWord(t, all)
		if t.Failed() {
			t.Fatalf("after %d kills", round+1)
		}
	}
	t.Logf("%d kills; promises: %v", times, counts(all))
	w.noChanges()
}

// The kernel tells the daemon that its disk is broken or full, in the midst of all
// that. It may refuse what it is asked for; what it does promise is there, also
// after it was killed on top of it.
func TestDaemonOnABrokenDiskKeepsItsPromises(t *testing.T) {
	strace := need(t, "strace")
	w, all := newPromising(t)
	if r := w.run(strace, "-f", "-o", os.DevNull, "true"); r.code != 0 {
		t.Skipf("SKIPPED: strace may not trace here: %v", r)
	}
	for round, fault := range []string{
		"fdatasync,fsync:error=EIO:when=9+7", "pwrite64:error=ENOSPC:when=40+61", "pwrite64:error=EIO:when=25+37",
	} {
		w.ok("stop")
		w.outward.died(t)
		out := filepath.Join(w.dir, "trace")
		args := []string{"-f", "-qq", "-o", out, "-e", "inject=" + fault}
		for _, name := range []string{"mailform.db", "mailform.db-wal"} {
			args = append(args, "-P", filepath.Join(w.dir, "mail", name))
		}
		cmd := w.command(t.Context(), strace, append(args, binary, "serve", "-data", "mail")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the daemon runs", func() bool { return w.pid() != 0 })
		stop := w.work(all, round)
		eventually(t, "the disk has failed ten times: "+fault, func() bool {
			said, err := os.ReadFile(out)
			return err == nil && bytes.Count(said, []byte("(INJECTED)")) >= 10
		})
		if p, err := os.FindProcess(w.pid()); err == nil {
			_ = p.Kill()
		}
		stop()
		_ = cmd.Wait() // killed with its daemon
		w.outward.died(t)
		w.ok("start")
		w.keepsItsWord(t, all)
		if t.Failed() {
			t.Fatalf("after %s\n%s", fault, w.log())
		}
	}
	t.Logf("promises: %v", counts(all))
	w.noChanges()
}
