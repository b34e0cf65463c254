package zonefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mailform/mailform/schema"
)

// reloadAll has the name server read what was written: one zone after the other,
// or all at once where the command has no place for a zone's name. What was begun
// is ended also where the run is interrupted: otherwise the files and the server
// would be apart.
func (p *Provider) reloadAll(ctx context.Context, works []*work) {
	if len(p.reload) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	each := slices.ContainsFunc(p.reload, func(arg string) bool { return strings.Contains(arg, schema.ZonePlaceholder) })
	ran, all := false, error(nil)
	for _, w := range works {
		if !w.loads || w.failed() {
			continue
		}
		err := all
		if each || !ran {
			err = p.run(ctx, w.Zone.Host())
			ran, all = true, err
		}
		if err != nil {
			w.unread = fmt.Errorf("%s is written, but the name server has not read it: %w. The next plan shows what it has yet to read, and the next apply tries again", w.file.path, err)
		}
	}
}

// shownOutput bounds what is told of a program's output.
const shownOutput = 500

// run runs the reload command for a zone.
func (p *Provider) run(ctx context.Context, zone string) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	args := make([]string, len(p.reload))
	for i, a := range p.reload {
		args[i] = strings.ReplaceAll(a, schema.ZonePlaceholder, zone)
	}
	cmd := exec.CommandContext(ctx, program(args[0]), args[1:]...)
	cmd.Dir = p.dir
	// What it starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	name := strings.Join(args, " ")
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%q did not end within %s%s", name, p.timeout, out.after())
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("the program %q is not there", args[0])
	}
	return fmt.Errorf("%q: %w%s", name, err, out.after())
}

// program finds a program also where the PATH of a user does not have it.
func program(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return name
}

// A tail keeps the end of what is written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - shownOutput; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

// after is the text as the end of a sentence.
func (t *tail) after() string {
	s := strings.Join(strings.Fields(string(bytes.ToValidUTF8(t.buf, []byte("?")))), " ")
	if s == "" {
		return ", without a word"
	}
	return ": " + strings.TrimSuffix(s, ".")
}
