package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/state"
)

// stateLock tells who holds the lock of the state.
func (a *app) stateLock(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("state lock", flag.ContinueOnError)
	var vars []config.VarArg
	varFlags(fs, &vars)
	asJSON := fs.Bool("json", false, "print JSON: an object, or null where nobody holds it")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	backend, err := a.backend(ws, vars)
	if err != nil {
		return a.failed(err)
	}
	teller, ok := backend.(state.Teller)
	if !ok {
		return a.fail(errors.New("this backend cannot tell who holds the lock: its protocol says so only to one who asks for it"))
	}
	locked, err := teller.Holder(ctx)
	if err != nil {
		return a.fail(err)
	}
	if *asJSON {
		var info *state.LockInfo
		if locked != nil {
			info = &locked.Info
		}
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(info); err != nil {
			return a.fail(err)
		}
		return exitOK
	}
	if locked == nil {
		fmt.Fprintln(a.stdout, "The state is not locked.")
		return exitOK
	}
	i := locked.Info
	fmt.Fprintf(a.stdout, "Lock:      %s\nHolder:    %s\n", i.ID, i.Who)
	if i.PID != 0 {
		fmt.Fprintf(a.stdout, "Process:   %d\n", i.PID)
	}
	fmt.Fprintf(a.stdout, "Operation: %s\nSince:     %s\n", i.Operation, i.Created.UTC().Format(time.RFC3339))
	if i.Job != "" {
		fmt.Fprintf(a.stdout, "Job:       %s\n", i.Job)
	}
	ends := locked.Ends
	if ends == "" {
		ends = "the lock ends when that process ends"
	}
	fmt.Fprintf(a.stdout, "\n%s.\n", sentence(errors.New(ends)))
	return exitOK
}
