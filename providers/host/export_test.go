package host

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
)

// NewShell is this machine by way of a shell, for tests of the scripts: run is
// the program that takes a command, as a user's login shell does.
func NewShell(run ...string) Host {
	return &shell{name: "test", start: func(_ context.Context, command string) (stream, error) {
		cmd := exec.Command(run[0], append(run[1:len(run):len(run)], command)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		in, err := cmd.StdinPipe()
		out, oerr := cmd.StdoutPipe()
		errs, eerr := cmd.StderrPipe()
		if err := errors.Join(err, oerr, eerr, cmd.Start()); err != nil {
			return nil, err
		}
		p := &process{WriteCloser: in, cmd: cmd, out: out, errs: errs, ended: make(chan struct{})}
		go func() { p.state, _ = cmd.Process.Wait(); close(p.ended) }()
		return p, nil
	}}
}

type process struct {
	io.WriteCloser
	cmd       *exec.Cmd
	out, errs io.ReadCloser
	ended     chan struct{}
	state     interface{ ExitCode() int }
}

func (p *process) CloseWrite() error                   { return p.WriteCloser.Close() }
func (p *process) Outputs() (stdout, stderr io.Reader) { return p.out, p.errs }
func (p *process) Close() error                        { return errors.Join(p.out.Close(), p.errs.Close()) }
func (p *process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.ended:
		return p.state.ExitCode(), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// WithSudo has commands run by sudo, although it is root who logs in.
func WithSudo(h Host) Host {
	h.(*sshHost).root = true
	return h
}
