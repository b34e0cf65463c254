package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers/authd"
)

// authd answers mail servers of other makers that ask who a user is, or starts,
// stops or looks for the daemon that does.
func (a *app) authd(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("authd", flag.ContinueOnError)
	dir := fs.String("dir", "", "DIR: the directory with its users and its socket")
	start := fs.Bool("start", false, "start it in the background")
	stop := fs.Bool("stop", false, "stop the one that runs in the background")
	status := fs.Bool("status", false, "tell whether one runs; the exit code is 3 if none does")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	modes := 0
	for _, m := range []bool{*start, *stop, *status} {
		if m {
			modes++
		}
	}
	switch {
	case *dir == "":
		return a.fail(errors.New("mailform authd needs its directory: mailform authd -dir DIR"))
	case modes > 1:
		return a.fail(errors.New("mailform authd takes one of -start, -stop and -status"))
	}
	path, err := filepath.Abs(*dir)
	if err != nil {
		return a.fail(err)
	}
	switch {
	case *start:
		var exe string
		if exe, err = os.Executable(); err == nil {
			err = authd.Start(ctx, exe, path)
		}
	case *stop:
		err = authd.Stop(ctx, path)
	case *status:
		var pid int
		if pid, err = authd.PID(path); err == nil && pid == 0 {
			fmt.Fprintf(a.stdout, "%s: not running\n", path)
			return authd.StatusStopped
		}
		if err == nil {
			fmt.Fprintf(a.stdout, "%s: running, process %d\n", path, pid)
		}
	default:
		a.heedInterrupts()
		err = authd.Serve(ctx, path, slog.New(slog.NewTextHandler(a.stderr, nil)))
	}
	if err != nil {
		return a.fail(err)
	}
	return exitOK
}
