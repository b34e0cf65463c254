package sendmail_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/mailform/mailform/providers/authd"
)

// TestMain lets the test binary be authd: the provider starts it as it starts
// mailform.
func TestMain(m *testing.M) {
	if len(os.Args) >= 4 && os.Args[1] == "authd" && os.Args[2] == "-dir" {
		os.Exit(beAuthd(os.Args[3], os.Args[4:]))
	}
	os.Exit(m.Run())
}

func beAuthd(dir string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case len(args) == 0:
		err = authd.Serve(ctx, dir, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	case args[0] == "-start":
		var exe string
		if exe, err = os.Executable(); err == nil {
			err = authd.Start(ctx, exe, dir)
		}
	case args[0] == "-stop":
		err = authd.Stop(ctx, dir)
	case args[0] == "-status":
		var pid int
		if pid, err = authd.PID(dir); err == nil && pid == 0 {
			return authd.StatusStopped
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
