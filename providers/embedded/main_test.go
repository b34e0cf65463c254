package embedded_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/daemon"
)

// versionVariable says which version the daemon of a test takes itself for.
const versionVariable = "MAILFORM_TEST_VERSION"

// testVersion is that of daemons for which nothing else is said.
const testVersion = "1.0.0-test"

// TestMain lets the test binary be its own daemon: the provider starts it as it
// starts mailform.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve" && os.Args[2] == "-data" {
		os.Exit(serve(os.Args[3]))
	}
	if len(os.Args) == 4 && os.Args[1] == "admin-bridge" && os.Args[2] == "-data" {
		os.Exit(bridge(os.Args[3]))
	}
	os.Exit(m.Run())
}

// bridge speaks for a directory, as on another machine.
func bridge(dataDir string) int {
	exe, err := os.Executable()
	if err == nil {
		b := embedded.Bridge{DataDir: dataDir, Executable: exe, Version: testVersion}
		err = b.Run(context.Background(), os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(dataDir string) int {
	version := os.Getenv(versionVariable)
	switch version {
	case "":
		version = testVersion
	case "broken":
		fmt.Fprintln(os.Stderr, "first line")
		fmt.Fprintln(os.Stderr, "this binary is broken")
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A test that was cut off cannot end its daemons.
	parent := os.Getppid()
	ctx, orphaned := context.WithCancel(ctx)
	defer orphaned()
	go func() {
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
		orphaned()
	}()
	if err := daemon.Run(ctx, daemon.Options{DataDir: dataDir, Version: version, Log: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
