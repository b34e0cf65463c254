package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/engine/state"
)

// stateCommands are the commands under "mailform state".
func stateCommands() []command {
	return []command{
		{"list", "[ADDRESS...]", "Print the addresses of what is in the state", (*app).stateList},
		{"show", "ADDRESS", "Show one resource as the state has it", (*app).stateShow},
		{"mv", "ADDRESS ADDRESS", "Give what is in the state another address", (*app).stateMove},
		{"rm", "ADDRESS...", "Forget what is in the state, and leave it where it runs", (*app).stateRemove},
		{"pull", "", "Print the whole state as JSON", (*app).statePull},
		{"push", "FILE", "Put a whole state in the place of the present one", (*app).statePush},
		{"lock", "", "Tell who holds the lock of the state", (*app).stateLock},
	}
}

// state looks into the state and changes it by hand.
func (a *app) state(ctx context.Context, args []string) int {
	return a.group(ctx, "state", args)
}

func (a *app) stateList(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("state list", flag.ContinueOnError)
	var vars []config.VarArg
	varFlags(fs, &vars)
	prefixes, err := a.parse(fs, args, 1<<10)
	if err != nil {
		return usageExit(err)
	}
	st, _, err := a.readState(ctx, vars)
	if err != nil {
		return a.failed(err)
	}
	for _, r := range st.Sorted() {
		if len(prefixes) == 0 || covered(prefixes, r.Address) {
			fmt.Fprintln(a.stdout, r.Address)
		}
	}
	return exitOK
}

func (a *app) stateShow(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("state show", flag.ContinueOnError)
	var vars []config.VarArg
	varFlags(fs, &vars)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) == 0 {
		return a.fail(fmt.Errorf("mailform state show needs an address; \"mailform state list\" prints them"))
	}
	st, _, err := a.readState(ctx, vars)
	if err != nil {
		return a.failed(err)
	}
	for _, r := range st.Sorted() {
		if r.Address == rest[0] {
			if err := text.Resource(a.stdout, r, a.style(a.stdout)); err != nil {
				return a.fail(err)
			}
			return exitOK
		}
	}
	return a.fail(fmt.Errorf("there is no %s in the state%s", rest[0], near(rest[0], st)))
}

// covered reports whether an address is one of those given, or below one.
func covered(prefixes []string, address string) bool {
	for _, p := range prefixes {
		if state.Covers(p, address) {
			return true
		}
	}
	return false
}

// A stateEdit holds the flags of the commands that write to the state.
type stateEdit struct {
	vars        []config.VarArg
	lockTimeout time.Duration
	dryRun      bool
}

func (e *stateEdit) flags(fs *flag.FlagSet) {
	varFlags(fs, &e.vars)
	fs.DurationVar(&e.lockTimeout, "lock-timeout", 0, "how long to wait for the state's lock, such as 30s")
}

// edit locks and loads the state, has it changed, and releases it. What do
// returns is made durable in one write; without entries nothing is written.
func (a *app) edit(ctx context.Context, operation string, e *stateEdit, do func(state.Backend, *state.State) ([]state.Entry, error)) int {
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	backend, err := a.backend(ws, e.vars)
	if err != nil {
		return a.failed(err)
	}
	a.heedInterrupts()
	unlock, err := backend.Lock(ctx, engine.NewLockInfo(operation, a.environ), e.lockTimeout)
	if err != nil {
		return a.lockFailed(err)
	}
	st, err := backend.Load(ctx)
	if err == nil {
		err = a.there(ws, st)
	}
	var entries []state.Entry
	if err == nil {
		entries, err = do(backend, st)
	}
	if err == nil && len(entries) > 0 && !e.dryRun {
		err = backend.Append(ctx, entries)
	}
	if err = errors.Join(err, unlock()); err != nil {
		return a.failed(err)
	}
	return exitOK
}

// stateMove gives what is in the state another address.
func (a *app) stateMove(ctx context.Context, args []string) int {
	var e stateEdit
	fs := flag.NewFlagSet("state mv", flag.ContinueOnError)
	e.flags(fs)
	fs.BoolVar(&e.dryRun, "dry-run", false, "only print what would be moved")
	rest, err := a.parse(fs, args, 2)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) != 2 {
		return a.fail(errors.New("mailform state mv needs the old address and the new one"))
	}
	var moved []state.Rename
	code := a.edit(ctx, "state mv", &e, func(_ state.Backend, st *state.State) (entries []state.Entry, err error) {
		if entries, moved, err = state.Move(st, rest[0], rest[1]); err != nil {
			return nil, fmt.Errorf("invalid target address\n\nCannot move %s to %s: %w", rest[0], rest[1], err)
		}
		if len(moved) == 0 {
			return nil, fmt.Errorf("invalid source address\n\nCannot move %s: it does not match anything in the current state%s", rest[0], near(rest[0], st))
		}
		return entries, nil
	})
	if code != exitOK {
		return code
	}
	verb := "Move"
	if e.dryRun {
		verb = "Would move"
	}
	for _, m := range moved {
		fmt.Fprintf(a.stdout, "%s %q to %q\n", verb, m.From, m.To)
	}
	if !e.dryRun {
		fmt.Fprintf(a.stdout, "Successfully moved %d object(s).\n", len(moved))
	}
	return exitOK
}

// stateRemove forgets what is in the state, and leaves it where it runs.
func (a *app) stateRemove(ctx context.Context, args []string) int {
	var e stateEdit
	fs := flag.NewFlagSet("state rm", flag.ContinueOnError)
	e.flags(fs)
	fs.BoolVar(&e.dryRun, "dry-run", false, "only print what would be removed")
	rest, err := a.parse(fs, args, 1<<10)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) == 0 {
		return a.fail(errors.New("mailform state rm needs at least one address"))
	}
	var gone []string
	code := a.edit(ctx, "state rm", &e, func(_ state.Backend, st *state.State) (entries []state.Entry, err error) {
		left := st.Clone()
		for _, address := range rest {
			more, names := state.Remove(left, address)
			if len(names) == 0 {
				return nil, fmt.Errorf("invalid target address\n\nNo matching objects found for %s; \"mailform state list\" prints what there is%s", address, near(address, st))
			}
			left.Apply(more)
			entries, gone = append(entries, more...), append(gone, names...)
		}
		return entries, nil
	})
	if code != exitOK {
		return code
	}
	verb := "Removed"
	if e.dryRun {
		verb = "Would remove"
	}
	for _, address := range gone {
		fmt.Fprintf(a.stdout, "%s %s\n", verb, address)
	}
	if !e.dryRun {
		fmt.Fprintf(a.stdout, "Successfully removed %d resource instance(s).\n", len(gone))
	}
	return exitOK
}

// near is the end of a sentence about an address that is not in the state.
func near(address string, st *state.State) string {
	var addresses []string
	for _, r := range st.Sorted() {
		addresses = append(addresses, r.Address)
	}
	if s := suggest(address, addresses); s != "" {
		return fmt.Sprintf(". Did you mean %s?", s)
	}
	return ""
}

// statePull prints the whole state as JSON.
func (a *app) statePull(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("state pull", flag.ContinueOnError)
	var vars []config.VarArg
	varFlags(fs, &vars)
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	st, _, err := a.readState(ctx, vars)
	if err != nil {
		return a.failed(err)
	}
	if st.Lineage == "" {
		return exitOK // as Terraform: there is none, and nothing is printed
	}
	if err := state.WriteDocument(a.stdout, st); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// maxStateFile bounds what state push reads, in bytes.
const maxStateFile = 1 << 30

// statePush puts a whole state in the place of the present one.
func (a *app) statePush(ctx context.Context, args []string) int {
	var e stateEdit
	fs := flag.NewFlagSet("state push", flag.ContinueOnError)
	e.flags(fs)
	force := fs.Bool("force", false, "even over another lineage or a later serial")
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) == 0 {
		return a.fail(errors.New("mailform state push needs a file as \"mailform state pull\" writes it, or - for standard input"))
	}
	next, err := a.readStateFile(rest[0])
	if err != nil {
		return a.fail(err)
	}
	return a.edit(ctx, "state push", &e, func(b state.Backend, have *state.State) ([]state.Entry, error) {
		if err := state.CheckPush(have, next); err != nil && !*force {
			return nil, fmt.Errorf("Failed to write state: %w. -force writes it in spite of that", err)
		}
		same, err := state.Same(have, next)
		if err != nil || same && have.Lineage == next.Lineage && have.Serial == next.Serial {
			return nil, err
		}
		// Never a serial that was there before: a plan made from that one would
		// take this state for it.
		next.Serial = max(next.Serial, have.Serial+1)
		return nil, b.Replace(ctx, next)
	})
}

func (a *app) readStateFile(path string) (*state.State, error) {
	in := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read the state to push: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxStateFile+1))
	if err == nil && len(data) > maxStateFile {
		err = fmt.Errorf("it is larger than %d MiB", maxStateFile>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read the state to push: %w", err)
	}
	return state.ReadDocument(path, data)
}

// forceUnlock takes the lock away from a holder that is no more.
func (a *app) forceUnlock(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("force-unlock", flag.ContinueOnError)
	force := fs.Bool("force", false, "do not ask")
	o := operation{input: true}
	varFlags(fs, &o.vars)
	rest, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(rest) == 0 {
		return a.fail(errors.New("mailform force-unlock needs the lock ID, which the message about the lock names"))
	}
	ws, err := a.workspace()
	if err != nil {
		return a.fail(err)
	}
	backend, err := a.backend(ws, o.vars)
	if err != nil {
		return a.failed(err)
	}
	if !*force {
		yes, err := a.askYes(ctx, "Do you really want to force-unlock?\n  The one who holds the lock, if it still runs, cannot write to the state any more.")
		if err != nil {
			return a.fail(fmt.Errorf("force-unlock cancelled: %w", err))
		}
		if !yes {
			return a.fail(errors.New("force-unlock cancelled: it was not confirmed"))
		}
	}
	err = backend.ForceUnlock(ctx, rest[0])
	var locked *state.LockedError
	switch {
	case errors.As(err, &locked):
		return a.fail(fmt.Errorf("Failed to unlock state: the lock ID %q is not that of the lock: %w", rest[0], err))
	case err != nil:
		return a.fail(fmt.Errorf("Failed to unlock state: %w", err))
	}
	fmt.Fprint(a.stdout, "Mailform state has been successfully unlocked!\n\nThe state has been unlocked, and mailform commands should now be able to\nobtain a new lock on it.\n")
	return exitOK
}

// backend opens where the state is kept. It prints what is wrong in the files
// itself.
func (a *app) backend(ws *engine.Workspace, vars []config.VarArg) (state.Backend, error) {
	opts := config.Options{Vars: vars, Environ: a.environ}
	module, diags := config.LoadWith(ws.Dir, opts)
	// Other errors do not matter here: the state can be looked at in spite of them.
	if !module.Incomplete() && (!module.HasEarly() || !diags.HasErrors()) {
		backend, more := ws.Backend(module, opts)
		if !more.HasErrors() {
			return backend, nil
		}
		diags = more
	}
	a.diagnostics(diags, module.Files())
	return nil, errReported
}

// failed is fail for an error that may have been printed already.
func (a *app) failed(err error) int {
	if errors.Is(err, errReported) {
		return exitError
	}
	return a.fail(err)
}

// lockFailed tells that the lock could not be had, and who has it.
func (a *app) lockFailed(err error) int {
	var locked *state.LockedError
	if !errors.As(err, &locked) {
		return a.fail(err)
	}
	return a.problem("Error acquiring the state lock", fmt.Sprintf("%v\n\nWait for it to end, or give -lock-timeout=1m.", locked))
}
