package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever thinks better of it at the question, and presses Ctrl-C once, is out,
// and the lock with him.
func TestAnInterruptAtTheQuestion(t *testing.T) {
	w := newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := w.command(ctx, binary, "apply")
	in, keepOpen, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer keepOpen.Close()
	cmd.Stdin = in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	for r := bufio.NewReader(out); !strings.HasSuffix(seen.String(), "Enter a value: "); {
		c, err := r.ReadByte()
		if err != nil {
			t.Fatalf("no question was asked: %v\n%s%s", err, seen.String(), stderr.String())
		}
		seen.WriteByte(c)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != exitError || !strings.Contains(stderr.String(), "nothing has been changed") {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(w.dir, "mail")); err == nil {
		t.Error("something was made")
	}
	w.ok("plan")
}
