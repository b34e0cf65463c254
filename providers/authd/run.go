package authd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// How long a daemon may take to begin to answer, and to end.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 70 * time.Second // beyond maxAnswer
)

// LogFile is where a daemon that [Start] has started writes.
func LogFile(dir string) string { return filepath.Join(dir, "authd.log") }

// Start starts "executable authd -dir dir" in a session of its own, so that it
// outlives whoever started it, and waits until it answers. That one runs already
// is no error.
func Start(ctx context.Context, executable, dir string) error {
	if pid, err := PID(dir); err != nil || pid != 0 {
		return err
	}
	log, err := os.OpenFile(LogFile(dir), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(executable, "authd", "-dir", dir)
	cmd.Args[0] = "mailform" // what a process list shows
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if c, err := net.Dial("unix", Socket(dir)); err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			if pid, perr := PID(dir); perr == nil && pid != 0 {
				return nil // another one was quicker
			}
			text, _ := os.ReadFile(LogFile(dir))
			return fmt.Errorf("authd ended at once (%v): %s", err, strings.Join(strings.Fields(string(text)), " "))
		case <-ctx.Done():
			return fmt.Errorf("authd does not answer: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}

// Stop ends the daemon of a directory and waits until it has ended. That none
// runs is no error.
func Stop(ctx context.Context, dir string) error {
	pid, err := PID(dir)
	if err != nil || pid == 0 {
		return err
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		now, err := PID(dir)
		if err != nil || now != pid {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("authd does not end: %w", ctx.Err())
		case <-time.After(pause):
		}
	}
}
