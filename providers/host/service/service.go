// Package service starts, stops and reloads the servers of a host: by systemd,
// where a unit is named, or by their own programs.
package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/host"
)

// wait is how long a server may take to begin or to end.
const wait = 30 * time.Second

// A Service is a server of a host.
type Service struct {
	Host host.Host
	// Unit is the systemd unit that runs it; empty: the commands do.
	Unit string
	// Start and Stop end once they have had their effect, or at least have begun to.
	Start, Stop, Reload host.Command
	// Alive reports whether it runs, where there is no unit.
	Alive func(ctx context.Context) (bool, error)
}

// Running reports whether the server runs.
func (s *Service) Running(ctx context.Context) (bool, error) {
	if s.Unit == "" {
		return s.Alive(ctx)
	}
	out, err := s.Host.Run(ctx, host.Cmd("systemctl", "is-active", "--", s.Unit))
	if err != nil {
		return false, err
	}
	switch state := strings.TrimSpace(string(out.Stdout)); state {
	case "active", "reloading", "activating":
		return true, nil
	case "inactive", "failed", "deactivating", "unknown":
		return false, nil
	}
	return false, out.Err(host.Cmd("systemctl"))
}

// Begin starts the server, if it does not run, and waits until it does.
func (s *Service) Begin(ctx context.Context) error {
	return s.become(ctx, true, s.Start, "start")
}

// End stops the server, if it runs, and waits until it does not.
func (s *Service) End(ctx context.Context) error {
	return s.become(ctx, false, s.Stop, "stop")
}

// Renew has the server read its configuration again. One that does not run is
// left alone.
func (s *Service) Renew(ctx context.Context) error {
	running, err := s.Running(ctx)
	if err != nil || !running {
		return err
	}
	return s.do(ctx, s.Reload, "reload")
}

// Restart ends the server and starts it again, in one command: where mailform is
// killed in between it comes back all the same. One that does not run is started.
func (s *Service) Restart(ctx context.Context) error {
	running, err := s.Running(ctx)
	if err != nil {
		return err
	}
	if !running {
		return s.Begin(ctx)
	}
	// Nobody may be there any more to hear what they say.
	c := host.Cmd("sh", "-c", "trap '' PIPE\n("+line(s.Stop)+") && ("+line(s.Start)+")")
	if err := s.do(ctx, c, "restart"); err != nil {
		return err
	}
	return s.Begin(ctx)
}

// line is a command as a line of a shell.
func line(c host.Command) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	var b strings.Builder
	if c.Dir != "" {
		b.WriteString("cd " + quote(c.Dir) + " && ")
	}
	if len(c.Env) > 0 {
		b.WriteString("env ")
	}
	for _, word := range append(c.Env[:len(c.Env):len(c.Env)], c.Args...) {
		b.WriteString(quote(word) + " ")
	}
	return strings.TrimSuffix(b.String(), " ")
}

func (s *Service) become(ctx context.Context, running bool, c host.Command, verb string) error {
	is, err := s.Running(ctx)
	if err != nil || is == running {
		return err
	}
	if err := s.do(ctx, c, verb); err != nil {
		// What a mailform that was killed had begun may have come to its end meanwhile.
		if is, rerr := s.Running(ctx); rerr == nil && is == running {
			return nil
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		is, err := s.Running(ctx)
		if err == nil && is == running {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(err, ctx.Err()) || err == nil {
				err = fmt.Errorf("within %s it did not %s", wait, verb)
			}
			return err
		case <-time.After(pause):
		}
	}
}

func (s *Service) do(ctx context.Context, c host.Command, verb string) error {
	if s.Unit != "" {
		c = host.Cmd("systemctl", verb, "--", s.Unit)
	}
	_, err := host.Must(ctx, s.Host, c)
	return err
}
