package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// A slowed login is one of a daemon's.
type slowed struct {
	DataDir string `json:"data_dir"`
	admin.SlowedLogin
}

// unlock forgets failed logins of users and networks; without any it lists them.
func (a *app) unlock(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("unlock", flag.ContinueOnError)
	data := dataFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON; only where nothing is named")
	who, err := a.parse(fs, args, 1<<20)
	if err != nil {
		return usageExit(err)
	}
	if len(who) == 0 {
		return a.listSlowed(ctx, *data, *asJSON)
	}
	var done []string
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		there, err := admin.NewClient(dir).Unlock(ctx, who)
		done = append(done, there...)
		return notRunning(dir, err)
	})
	for _, w := range who {
		if slices.Contains(done, w) {
			fmt.Fprintf(a.stdout, "%s can log in again.\n", w)
		} else if code == exitOK {
			fmt.Fprintf(a.stdout, "%s had not failed to log in.\n", w)
		}
	}
	return code
}

func (a *app) listSlowed(ctx context.Context, data string, asJSON bool) int {
	list := []slowed{}
	code := a.eachDataDir(ctx, data, func(dir string) error {
		some, err := admin.NewClient(dir).Slowed(ctx)
		for _, s := range some {
			list = append(list, slowed{dir, s})
		}
		return notRunning(dir, err)
	})
	switch {
	case code != exitOK:
		return code
	case asJSON:
		out, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
		return exitOK
	case len(list) == 0:
		fmt.Fprintln(a.stdout, "Nobody is slowed down.")
		return exitOK
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WHO\tFAILURES\tLOCKED UNTIL\tFORGOTTEN")
	for _, s := range list {
		locked := "-"
		if s.Locked != "" {
			locked = minutes(s.Locked)
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\n", printableName(s.Who), s.Failures, locked, minutes(s.Forgotten))
	}
	tw.Flush()
	fmt.Fprintln(a.stdout, "\n\"mailform unlock WHO\" lets one in again.")
	return exitOK
}

// notRunning says how a daemon is started that does not run.
func notRunning(dir string, err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("%s: %w: \"mailform start\" starts it", dir, err)
	}
	return err
}

// printableName is a name that somebody outside has made up, for a terminal.
func printableName(name string) string {
	q := fmt.Sprintf("%+q", name)
	if inner := q[1 : len(q)-1]; inner == name {
		return name
	}
	return q
}
