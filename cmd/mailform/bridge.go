package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers/embedded"
)

// adminBridge speaks for a data directory by its input and output, to a mailform
// on another machine that has started it by SSH.
func (a *app) adminBridge(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("admin-bridge", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory")
	readOnly := fs.Bool("read-only", false, "let nothing be changed")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if *data == "" {
		return a.fail(errors.New("mailform admin-bridge needs the data directory that it speaks for: mailform admin-bridge -data DIR"))
	}
	dir, err := filepath.Abs(*data)
	if err != nil {
		return a.fail(err)
	}
	exe, err := os.Executable()
	if err != nil {
		return a.fail(err)
	}
	b := embedded.Bridge{DataDir: dir, Executable: exe, Version: version, ReadOnly: *readOnly}
	if err := b.Run(ctx, os.Stdin, os.Stdout); err != nil {
		return a.fail(err)
	}
	return exitOK
}
