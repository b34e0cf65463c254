package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/providers/host"
)

// startTimeout bounds the wait for a new daemon's first answer. It answers in
// well under a second; a large store after a crash has its log to replay.
const startTimeout = 60 * time.Second

// stopTimeout bounds the wait for a daemon's end: it lets running transactions
// finish first.
const stopTimeout = 40 * time.Second

// lockTimeout bounds the wait for the data directory while another process has
// it and does not answer: it is starting or ending.
const lockTimeout = 10 * time.Second

// LogFile is where the daemon of a data directory writes.
func LogFile(dataDir string) string { return filepath.Join(dataDir, "mailform.log") }

// ensureRunning starts the daemon where none runs and replaces one of another
// version.
func (p *Provider) ensureRunning(ctx context.Context) error {
	version, err := p.place.client().Version(ctx)
	switch {
	case err == nil && version == p.Version:
		return nil
	case err != nil && !errors.Is(err, admin.ErrNotRunning):
		return err
	}
	runs := err == nil
	// Before the store is there, so that no kill leaves it without an owner.
	if err := p.place.prepare(ctx, p.workspace); err != nil {
		return err
	}
	if runs {
		if err := p.place.stop(ctx); err != nil {
			return fmt.Errorf("replace the daemon of version %s: %w", version, err)
		}
	}
	return p.place.start(ctx)
}

// Start starts `executable serve -data dataDir`, and waits until it answers: by systemd,
// where that has a unit for it, or else in a session of its own, so that it outlives
// whoever started it.
func Start(ctx context.Context, executable, dataDir string) error {
	if err := store.CheckDir(dataDir); err != nil {
		return err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if done, err := startBySystemd(ctx, executable, dataDir); done || err != nil {
		return err
	}
	log, err := os.OpenFile(LogFile(dataDir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	logged, err := log.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	cmd := exec.Command(executable, "serve", "-data", dataDir)
	cmd.Args[0] = "mailform" // what a process list shows
	cmd.Dir = dataDir
	cmd.Stdout, cmd.Stderr = log, log
	// What starts it may be a service, and this one is not.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := admin.NewClient(dataDir)
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		st, err := client.Status(ctx)
		switch {
		case err == nil && st.PID == cmd.Process.Pid:
			return nil
		case err == nil:
			// Another process was quicker. Ours must not lie in wait for the end of
			// that one's daemon: it has nothing yet, so that it can be killed.
			_ = cmd.Process.Kill() // it may have ended by itself
			<-ended
			return nil
		}
		select {
		case err := <-ended:
			if _, verr := client.Version(ctx); verr == nil {
				return nil // as above
			}
			return fmt.Errorf("the daemon ended at once (%v)%s", err, tail(LogFile(dataDir), logged))
		case <-ctx.Done():
			return fmt.Errorf("the daemon does not answer: %w%s", err, tail(LogFile(dataDir), logged))
		case <-time.After(wait):
		}
	}
}

// tail is the last line that the daemon logged after the offset from.
func tail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4096
	if st, err := f.Stat(); err == nil && st.Size()-from > most {
		from = st.Size() - most
	}
	buf := make([]byte, most)
	n, _ := f.ReadAt(buf, from)
	lines := bytes.Split(bytes.TrimSpace(buf[:n]), []byte("\n"))
	last := bytes.TrimSpace(lines[len(lines)-1])
	if len(last) == 0 {
		return ""
	}
	return ": " + string(last)
}

// Stop asks the daemon of a data directory to end and waits until it has. That
// none runs is no error.
func Stop(ctx context.Context, dataDir string) error {
	return stopHere(ctx, dataDir, systemd.Unit.Stop)
}

// stopHere ends the daemon of a data directory on this machine; by says how, where
// systemd runs it.
func stopHere(ctx context.Context, dataDir string, by func(systemd.Unit, context.Context, host.Host) error) error {
	u := systemd.Unit{DataDir: dataDir}
	supervised, err := u.Supervises(ctx, host.Local())
	if err == nil && supervised {
		err = by(u, ctx, host.Local())
	}
	if err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	return stopBy(ctx, admin.NewClient(dataDir), dataDir)
}

func stopBy(ctx context.Context, client *admin.Client, dataDir string) error {
	err := client.Stop(ctx)
	if errors.Is(err, admin.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if _, err := client.Version(ctx); errors.Is(err, admin.ErrNotRunning) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon of %s does not end: %w", dataDir, ctx.Err())
		case <-time.After(wait):
		}
	}
}
