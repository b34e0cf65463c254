package main

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startApply starts an apply of many users, and returns when the batch of the
// mailboxes has been begun. said waits for its end, and is what it has said. What it
// says meanwhile nobody reads, so that it cannot come to its end before said is called.
func (w *world) startApply(t *testing.T) (cmd *exec.Cmd, said func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd = w.command(ctx, binary, "apply", "-auto-approve")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(pipe, 1<<20)
	var stderr strings.Builder
	for !strings.Contains(stderr.String(), "user.staff[") {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the apply ends before it comes to the users: %v\n%s", err, stderr.String())
		}
		stderr.WriteString(line)
	}
	return cmd, func() string {
		rest, _ := io.ReadAll(r) // it ends with the process
		stderr.Write(rest)
		_ = cmd.Wait() // the exit code says it
		return stdout.String() + stderr.String()
	}
}

// The first Ctrl-C under load lets the batch that is under way come to its end,
// and writes it down; nothing after it is begun. The second one ends the process
// at once. Either way the next apply goes on.
func TestInterruptsWhileManyUsersAreMade(t *testing.T) {
	w := newWorld(t, manyUsers(t, soakUsers))
	cmd, said := w.startApply(t)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	output := said()
	if code := cmd.ProcessState.ExitCode(); code != exitError {
		t.Errorf("the interrupted apply ended with %d", code)
	}
	for _, want := range []string{"Error: Interrupted", "changes were not tried", "Apply incomplete.", ": Skipped: the run was interrupted", `user.staff["u09999"].mailbox: Creation complete`} {
		if !strings.Contains(output, want) {
			t.Errorf("it does not say %q:\n%s", want, tail(output))
		}
	}
	if strings.Contains(output, "server.main.imap: Creating") {
		t.Error("a batch was begun after the interrupt")
	}
	w.stateIsWhole(t)
	if n := strings.Count(w.ok("state", "list"), "user.staff["); n != soakUsers {
		t.Errorf("%d of %d users of the finished batch are in the state", n, soakUsers)
	}
	w.apply()
	w.noChanges()

	w.write("staff.csv", strings.ReplaceAll(manyUsers(t, soakUsers)["staff.csv"], "1GiB", "2GiB"))
	cmd, said = w.startApply(t)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// The second is for a process that has heeded the first.
	done := make(chan struct{})
	go func() {
		defer close(done)
		said()
	}()
	for interrupted := time.Now(); ; {
		select {
		case <-done:
		case <-time.After(20 * time.Millisecond):
			if time.Since(interrupted) < time.Minute && cmd.Process.Signal(syscall.SIGINT) == nil {
				continue
			}
		}
		break
	}
	<-done
	if code := cmd.ProcessState.ExitCode(); code == exitOK {
		t.Errorf("an apply that was interrupted twice ended with %d", code)
	}
	w.stateIsWhole(t)
	w.apply()
	w.all(t, 2)
	w.noChanges()
	w.ok("destroy", "-auto-approve")
}

// tail is the end of a long text.
func tail(s string) string { return s[max(0, len(s)-3000):] }
