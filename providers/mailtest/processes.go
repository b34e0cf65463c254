package mailtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// EndAll ends whatever runs of what lies in a directory, each by its process number.
// It is for the end of a test, when the server itself has been ended: a mailform that
// was killed in the middle of a start leaves a command behind, which may start the
// server only after that.
func EndAll(t testing.TB, dir string) {
	t.Helper()
	endAll(t, dir, time.Minute)
}

// endAll asks the processes to end, and does not ask any more after a time.
func endAll(t testing.TB, dir string, patience time.Duration) {
	t.Helper()
	signal, quiet := unix.SIGTERM, 0
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		pids := processes(t, dir)
		// One that is being made, or is becoming another program, has no name for an instant.
		if quiet++; len(pids) > 0 {
			quiet = 0
		}
		switch late := time.Since(deadline); {
		case quiet == 2:
			return
		case late > time.Minute:
			t.Errorf("processes of %s do not end: %v", dir, pids)
			return
		case late > 0:
			signal = unix.SIGKILL
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, signal) // it may have ended by itself
		}
	}
}

// processes are those that were told of a directory, by their command line or their
// environment, or work in it. This one is none of them.
func processes(t testing.TB, dir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if at, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd")); err == nil && strings.HasPrefix(at+"/", dir+"/") {
			pids = append(pids, pid)
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(filepath.Join("/proc", e.Name(), file)); err == nil && names(text, dir) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// names reports whether a text, as a command line that the kernel has, names a
// directory or something in it.
func names(text []byte, dir string) bool {
	for {
		_, rest, ok := bytes.Cut(text, []byte(dir))
		if !ok {
			return false
		}
		if len(rest) == 0 || strings.IndexByte("/\x00\n\"' ", rest[0]) >= 0 {
			return true
		}
		text = rest
	}
}
