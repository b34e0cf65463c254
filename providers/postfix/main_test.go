package postfix_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers/authd"
)

// TestMain lets the binary of the tests be the daemon that judges passwords, as
// mailform itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "authd" {
		os.Exit(runAuthd(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func runAuthd(args []string) int {
	fs := flag.NewFlagSet("authd", flag.ContinueOnError)
	dir := fs.String("dir", "", "")
	start, stop, status := fs.Bool("start", false, ""), fs.Bool("stop", false, ""), fs.Bool("status", false, "")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	var err error
	switch {
	case *start:
		var exe string
		if exe, err = os.Executable(); err == nil {
			err = authd.Start(ctx, exe, *dir)
		}
	case *stop:
		err = authd.Stop(ctx, *dir)
	case *status:
		var pid int
		if pid, err = authd.PID(*dir); err == nil && pid == 0 {
			return authd.StatusStopped
		}
	default:
		err = authd.Serve(ctx, *dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		return 1
	}
	return 0
}
