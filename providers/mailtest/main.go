package mailtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/providers/host"
)

// Main is the TestMain of packages whose servers ask authd: it lets the binary of
// the tests be "mailform authd" and "mailform bridge", as mailform itself is. It
// returns the exit status.
func Main(m *testing.M) int {
	if len(os.Args) < 2 || os.Args[1] != "authd" && os.Args[1] != "bridge" {
		return m.Run()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	var err error
	code := 1
	if os.Args[1] == "bridge" && len(os.Args) == 4 {
		err = host.Bridge(ctx, os.Args[2], os.Args[3], os.Stdin, os.Stdout)
	} else {
		code, err = runAuthd(ctx, os.Args[2:])
	}
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return 0
	case !errors.Is(err, errStopped):
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// errStopped says that no authd runs.
var errStopped = errors.New("it does not run")

// runAuthd is "mailform authd".
func runAuthd(ctx context.Context, args []string) (code int, err error) {
	fs := flag.NewFlagSet("authd", flag.ContinueOnError)
	dir := fs.String("dir", "", "")
	start, stop, status := fs.Bool("start", false, ""), fs.Bool("stop", false, ""), fs.Bool("status", false, "")
	if err := fs.Parse(args); err != nil {
		return 2, err
	}
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
			return authd.StatusStopped, errStopped
		}
	default:
		err = authd.Serve(ctx, *dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	}
	return 1, err
}
