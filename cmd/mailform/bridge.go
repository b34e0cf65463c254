package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"

	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/host"
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

// bridge leads from its input and output to what listens on this machine, for a
// mailform on another one that has started it by SSH.
func (a *app) bridge(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("bridge", flag.ContinueOnError)
	rest, err := a.parse(fs, args, 2)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) != 2 {
		return a.fail(errors.New("mailform bridge needs to know where to: mailform bridge unix|tcp ADDRESS"))
	}
	if err := host.Bridge(ctx, rest[0], rest[1], os.Stdin, os.Stdout); err != nil {
		return a.fail(err)
	}
	return exitOK
}
