package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/adopt"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/plan"
)

// An importing holds the flags of import.
type importing struct {
	operation
	drafting
	all    bool
	dryRun bool
}

// importCommands are for what is elsewhere than at a target.
func importCommands() []command {
	return []command{
		{"zone", "NAME FILE", "Write blocks for a zone that is in a file or at a name server", (*app).importZone},
		{"users", "FILE", "Write blocks for users or aliases of another mail system", (*app).importUsers},
	}
}

// importCommand takes over into the state what exists already.
func (a *app) importCommand(ctx context.Context, args []string) int {
	for _, c := range importCommands() {
		if len(args) > 0 && c.name == args[0] {
			return c.run(a, ctx, args[1:])
		}
	}
	o := importing{operation: operation{lock: true, input: true}}
	fs := flag.NewFlagSet("import", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	o.commandsFlag(fs)
	fs.DurationVar(&o.lockTimeout, "lock-timeout", 0, "how long to wait for the state's lock, such as 30s")
	fs.BoolVar(&o.compact, "compact-warnings", false, "print warnings, where there are no errors, by their summaries alone")
	fs.BoolVar(&o.all, "all", false, "take over all that the files declare and that is there; with the name of a provider only what it has")
	fs.BoolVar(&o.dryRun, "dry-run", false, "only print what would be imported")
	o.drafting.flags(fs, "blocks for what no block declares (with -all)")
	o.csvFlag(fs)
	rest, err := a.parse(fs, args, 2)
	if err != nil {
		return usageExit(err)
	}
	if err := o.drafting.check(); err != nil {
		return a.fail(err)
	}
	switch {
	case o.all && len(rest) < 2:
		return a.importAll(ctx, &o, strings.Join(rest, ""))
	case o.all:
		return a.fail(errors.New("mailform import -all takes nothing but the name of a provider"))
	case o.out != "":
		return a.fail(errors.New("-generate-config-out goes with -all; for one thing, write an import block and use mailform plan -generate-config-out"))
	case len(rest) != 2:
		return a.fail(errors.New("mailform import needs the address of a block in the files and the ID of what it describes: mailform import user.alice alice@example.com"))
	}
	return a.importOne(ctx, &o, rest[0], rest[1])
}

// importOne takes over what an address stands for.
func (a *app) importOne(ctx context.Context, o *importing, address, id string) int {
	res, ok := a.runImport(ctx, o, engine.ImportOptions{Address: address, ID: id, DryRun: o.dryRun})
	if !ok {
		return exitError
	}
	a.showTaken(o, &res.Result)
	return exitOK
}

// importAll makes a lost state anew, and lost files.
func (a *app) importAll(ctx context.Context, o *importing, target string) int {
	o.bare = o.out != ""
	res, ok := a.runImport(ctx, o, engine.ImportOptions{Target: target, DryRun: o.dryRun, Draft: o.out != ""})
	if !ok {
		return exitError
	}
	if res.Draft == nil || res.Draft.Empty() || len(res.Taken) > 0 {
		a.showTaken(o, &res.Result)
	}
	for _, err := range res.Refused {
		fmt.Fprintf(a.stderr, "Error: %s\n\n%s\n", err.Summary, err.Detail)
	}
	switch {
	case res.Draft != nil && !o.dryRun:
		heading := []string{"Written by mailform import from what is there. Read it, then change and move the", "blocks as you like: plan shows what a change would do."}
		if err := a.writeDraft(&o.drafting, res.Draft, draft.Options{Heading: heading, Imports: true}); err != nil {
			return a.fail(err)
		}
		a.tellDraft(res.Draft)
	case res.Draft != nil:
		fmt.Fprintf(a.stdout, "\nWould write %s: %s.\n", o.out, res.Draft.Summary())
		a.tellDraft(res.Draft)
	case len(res.Foreign) > 0:
		fmt.Fprintf(a.stdout, "\nNo block declares %s, which %s left alone:\n", resources(len(res.Foreign)), isAre(len(res.Foreign)))
		for _, id := range res.Foreign {
			fmt.Fprintf(a.stdout, "  %s %s\n", id.Kind, id.Key)
		}
		fmt.Fprintf(a.stdout, "To have blocks written for them, give -generate-config-out=FILE.\n")
	}
	if len(res.Retained) > 0 {
		fmt.Fprintf(a.stdout, "\nDeleted, and their mail still kept:\n")
		for _, id := range res.Retained {
			fmt.Fprintf(a.stdout, "  %s %s\n", id.Kind, id.Key)
		}
	}
	if len(res.Refused) > 0 {
		return exitError
	}
	return exitOK
}

func (a *app) runImport(ctx context.Context, o *importing, opts engine.ImportOptions) (*engine.Imported, bool) {
	s, m, err := a.open(ctx, &o.operation, "import")
	if err != nil {
		return nil, false
	}
	defer s.Close()
	res, diags := s.Import(ctx, opts)
	if len(diags) > 0 {
		a.report(&o.operation, m, diags)
	}
	return res, !diags.HasErrors()
}

// mostListed bounds the lists of an import: more than that is counted.
const mostListed = 20

// showTaken tells what was taken over, and what the next plan will do about it.
func (a *app) showTaken(o *importing, res *adopt.Result) {
	verb := "Imported"
	if o.dryRun {
		verb = "Would import"
	}
	var differ []string
	for i, t := range res.Taken {
		if len(t.Differs) > 0 {
			differ = append(differ, fmt.Sprintf("%s: %s", t.Address, strings.Join(t.Differs, ", ")))
		}
		if i < mostListed || !o.all {
			fmt.Fprintf(a.stdout, "%s %s (%s %s)\n", verb, t.Address, t.ID.Kind, t.ID.Key)
		}
	}
	if n := len(res.Taken) - mostListed; n > 0 && o.all {
		fmt.Fprintf(a.stdout, "… and %d more\n", n)
	}
	switch {
	case len(res.Taken) == 0 && res.Managed > 0:
		fmt.Fprintf(a.stdout, "There is nothing to import: the state has all of it, %s.\n", resources(res.Managed))
	case len(res.Taken) == 0:
		fmt.Fprintln(a.stdout, "There is nothing to import: nothing of what the files declare is there.")
	case o.dryRun:
		fmt.Fprintf(a.stdout, "\n%s would be imported. Nothing has been written.\n", resources(len(res.Taken)))
	default:
		fmt.Fprintf(a.stdout, "\nImport successful! %s %s in the state now. Nothing was changed at the target.\n", resources(len(res.Taken)), isAre(len(res.Taken)))
	}
	few(a.stdout, "Not as the files say, so that the next apply changes it:", differ)
	few(a.stdout, "Not there, so that the next apply makes it:", res.Missing)
}

// few writes a list with a heading, if there is anything in it.
func few(w io.Writer, heading string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	for _, l := range list[:min(len(list), mostListed)] {
		fmt.Fprintf(w, "  %s\n", l)
	}
	if n := len(list) - mostListed; n > 0 {
		fmt.Fprintf(w, "  … and %d more\n", n)
	}
}

func resources(n int) string { return plan.Count(int64(n), "resource") }

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
