package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
)

// queueCommands are the commands under "mailform queue".
func queueCommands() []command {
	return []command{
		{"list", "", "List the messages on their way elsewhere", (*app).queueList},
		{"show", "ID", "Print a message", (*app).queueShow},
		{"retry", "ID...", "Try entries now", changeQueue("retry", "tried now")},
		{"hold", "ID...", "Keep entries back until they are released", changeQueue("hold", "held")},
		{"release", "ID...", "Let held entries go on", changeQueue("release", "released")},
		{"drop", "ID...", "Take entries out; with -return the senders are told", changeQueue("drop", "dropped")},
	}
}

// queue looks after the queues of the embedded servers.
func (a *app) queue(ctx context.Context, args []string) int { return a.group(ctx, "queue", args) }

// A queued entry is one of a daemon's queue.
type queued struct {
	DataDir string `json:"data_dir"`
	admin.QueueEntry
}

// queues are the entries of all daemons that are meant.
func (a *app) queues(ctx context.Context, data string) ([]queued, int) {
	entries := []queued{}
	code := a.eachDataDir(ctx, data, func(dir string) error {
		list, err := admin.NewClient(dir).Queue(ctx)
		for _, e := range list {
			entries = append(entries, queued{dir, e})
		}
		return notRunning(dir, err)
	})
	return entries, code
}

// dataFlag is the flag of commands that look after daemons.
func dataFlag(fs *flag.FlagSet) *string {
	return fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
}

func (a *app) queueList(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("queue list", flag.ContinueOnError)
	data, which := dataFlag(fs), pickFlags(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	fits, err := which.check(time.Now())
	if err != nil {
		return a.fail(err)
	}
	all, code := a.queues(ctx, *data)
	entries := []queued{}
	var size int64
	for _, e := range all {
		if fits(&e) {
			entries = append(entries, e)
			size += e.Size
		}
	}
	switch {
	case code != exitOK:
		return code
	case *asJSON:
		out, err := json.MarshalIndent(entries, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
		return exitOK
	case len(entries) == 0:
		if len(all) > 0 {
			fmt.Fprintln(a.stdout, "Nothing in the queue is like that.")
		} else {
			fmt.Fprintln(a.stdout, "The queue is empty.")
		}
		return exitOK
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tSINCE\tSIZE\tFROM\tTO\tNEXT\tATTEMPTS\tLAST ERROR")
	for _, e := range entries {
		fmt.Fprintln(tw, strings.Join(e.columns(), "\t"))
	}
	tw.Flush()
	fmt.Fprintf(a.stdout, "\n%s, %s.\n", plan.Count(int64(len(entries)), "message"), plan.Size(size))
	return exitOK
}

// columns are what the list has of an entry. Addresses and answers are words of others.
func (e *queued) columns() []string {
	from, next := printable([]byte(e.From)), minutes(e.Next)
	if from == "" {
		from = "<>"
	}
	if e.Held {
		next = "held"
	}
	return []string{
		fmt.Sprint(e.ID), minutes(e.Created), schema.FormatSize(e.Size), from, printable([]byte(e.To)), next,
		fmt.Sprint(e.Attempts), strings.ReplaceAll(printable([]byte(e.Error)), "\t", " "),
	}
}

func (a *app) queueShow(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("queue show", flag.ContinueOnError)
	data := dataFlag(fs)
	ids, err := a.parse(fs, args, 1)
	if err != nil {
		return usageExit(err)
	}
	if len(ids) == 0 {
		return a.fail(errors.New("mailform queue show needs the ID of an entry, as mailform queue list prints it"))
	}
	all, code := a.queues(ctx, *data)
	if code != exitOK {
		return code
	}
	picked, err := pick(all, ids)
	if err != nil {
		return a.fail(err)
	}
	e := picked[0]
	if err := admin.NewClient(e.DataDir).Message(ctx, e.ID, a.stdout); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// pick finds entries by their IDs.
func pick(all []queued, ids []string) ([]queued, error) {
	var picked []queued
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not the ID of an entry: these are numbers", id)
		}
		found := 0
		for _, e := range all {
			if e.ID == n {
				picked = append(picked, e)
				found++
			}
		}
		switch {
		case found == 0:
			return nil, fmt.Errorf("there is no entry %d in the queue", n)
		case found > 1:
			return nil, fmt.Errorf("there is an entry %d in several data directories: name the one that is meant by -data", n)
		}
	}
	return picked, nil
}

// changeQueue makes the command that changes entries in a way.
func changeQueue(action, done string) func(*app, context.Context, []string) int {
	return func(a *app, ctx context.Context, args []string) int {
		fs := flag.NewFlagSet("queue "+action, flag.ContinueOnError)
		data, which := dataFlag(fs), pickFlags(fs)
		every := fs.Bool("all", false, "all entries")
		back := new(bool)
		if action == "drop" {
			back = fs.Bool("return", false, "tell the senders, as of messages that could not be delivered")
		}
		ids, err := a.parse(fs, args, 1<<20)
		if err != nil {
			return usageExit(err)
		}
		if (len(ids) > 0) == (*every || which.any()) || *every && which.any() {
			return a.fail(fmt.Errorf("mailform queue %s takes either the IDs of entries, or what they have in common (-to, -from, -older), or -all", action))
		}
		fits, err := which.check(time.Now())
		if err != nil {
			return a.fail(err)
		}
		all, code := a.queues(ctx, *data)
		if code != exitOK {
			return code
		}
		var picked []queued
		if len(ids) > 0 {
			picked, err = pick(all, ids)
		}
		for _, e := range all {
			if len(ids) == 0 && fits(&e) {
				picked = append(picked, e)
			}
		}
		if err != nil {
			return a.fail(err)
		}
		r := admin.QueueRequest{Action: action}
		if *back {
			r.Action = "return"
		}
		changed := 0
		for dir, ids := range byDir(picked) {
			r.IDs = ids
			n, err := admin.NewClient(dir).ChangeQueue(ctx, r)
			if err != nil {
				return a.fail(fmt.Errorf("%s: %w", dir, err))
			}
			changed += n
		}
		fmt.Fprintf(a.stdout, "%s %s.\n", plan.Count(int64(changed), "message"), done)
		return exitOK
	}
}

// byDir are the IDs of entries by their data directories.
func byDir(entries []queued) map[string][]int64 {
	ids := map[string][]int64{}
	for _, e := range entries {
		ids[e.DataDir] = append(ids[e.DataDir], e.ID)
	}
	return ids
}
