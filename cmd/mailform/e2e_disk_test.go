package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kernel tells the real binary that its disk is full or broken, at each of the
// first writes to each file of the state. Whatever the command says then, the state
// is the one before or the one after.
func TestAKernelThatReportsABrokenDiskLeavesTheStateWhole(t *testing.T) {
	strace := need(t, "strace")
	document := func(serial int, address string) string {
		return fmt.Sprintf(`{"mailform_state": 1, "lineage": "11111111-2222-4333-8444-555555555555", "serial": %d, "resources": [
{"target":"embedded","kind":"future_kind","key":"a.example","address":%q,"attrs":{"name":"a.example"}}]}`, serial, address)
	}
	base := newWorld(t, map[string]string{"old.json": document(3, "zone.a.zone")})
	base.ok("state", "push", "old.json")
	base.ok("state", "mv", "zone.a", "zone.old") // so that there is a journal too
	if r := base.run(strace, "-o", "/dev/null", "true"); r.code != 0 {
		t.Skipf("SKIPPED: strace may not trace here: %v", r)
	}
	const old, next = "zone.old.zone\n", "zone.new.zone\n"
	hits, failed := 0, 0
	for _, args := range [][]string{{"state", "mv", "zone.old", "zone.new"}, {"state", "push", "new.json"}} {
		for _, fault := range []string{"fsync:error=EIO", "write:error=ENOSPC", "pwrite64:error=ENOSPC", "ftruncate:error=EIO", "renameat:error=EIO", "openat:error=ENOSPC"} {
			for when := 1; when <= 4; when++ {
				w := newWorld(t, map[string]string{"new.json": document(9, "zone.new.zone")})
				names := []string{"mailform.mfstate", "mailform.mfstate.journal", "mailform.mfstate.tmp"}
				var trace []string
				for _, name := range names {
					if data, err := os.ReadFile(filepath.Join(base.dir, name)); err == nil {
						w.write(name, string(data))
					}
					trace = append(trace, "-P", filepath.Join(w.dir, name))
				}
				// To open is also to read, which comes first.
				from := when
				if strings.HasPrefix(fault, "openat") {
					from += 2
				}
				out := filepath.Join(w.dir, "trace")
				run := append([]string{"-f", "-qq", "-o", out, "-e", fmt.Sprintf("inject=%s:when=%d", fault, from)}, trace...)
				r := w.run(strace, append(append(run, binary), args...)...)
				said, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Contains(said, []byte("(INJECTED)")) {
					break // there is no such call any more
				}
				hits++
				what := fmt.Sprintf("mailform %s, %s at %d", strings.Join(args, " "), fault, when)
				list := w.ok("state", "list")
				if list != old && list != next {
					t.Errorf("%s: the state is %q\n%v", what, list, r)
				}
				if r.code == 0 && list != next {
					t.Errorf("%s: it said that it was done, and it was not", what)
				}
				if r.code != 0 {
					failed++
					if !strings.Contains(r.stderr, "input/output error") && !strings.Contains(r.stderr, "no space left on device") {
						t.Errorf("%s: the error does not say what is wrong: %s", what, r.stderr)
					}
				}
				// And the next command does what it should.
				w.ok("state", "push", "-force", "new.json")
				if list := w.ok("state", "list"); list != next {
					t.Errorf("%s: afterwards the state is %q", what, list)
				}
			}
		}
	}
	t.Logf("%d calls were made to fail, and %d commands with them", hits, failed)
	if hits < 10 || failed < 8 {
		t.Error("the test shows little")
	}
}
