package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/daemon"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/schema"
)

// serve runs the daemon in the foreground until it is told to stop.
func (a *app) serve(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	if *data == "" {
		return a.fail(errors.New("mailform serve needs its data directory: mailform serve -data DIR"))
	}
	dir, err := filepath.Abs(*data)
	if err != nil {
		return a.fail(err)
	}
	a.heedInterrupts()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if err := daemon.Run(ctx, daemon.Options{
		DataDir: dir, Version: version, Log: a.stderr, Service: systemd.OS, Reload: hangups,
	}); err != nil {
		return a.fail(err)
	}
	return exitOK
}

// start starts the daemons that the configuration's last apply has set up.
func (a *app) start(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("start", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	return a.eachDataDir(ctx, *data, func(dir string) error {
		if !store.Exists(dir) {
			return fmt.Errorf("nothing has been applied to %s yet: run \"mailform apply\"", dir)
		}
		client := admin.NewClient(dir)
		if _, err := client.Version(ctx); err == nil {
			fmt.Fprintf(a.stdout, "%s: runs already\n", dir)
			return nil
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		if err := embedded.Start(ctx, exe, dir); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s: started\n", dir)
		return nil
	})
}

// stop stops them; the mail stays where it is.
func (a *app) stop(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("stop", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	return a.eachDataDir(ctx, *data, func(dir string) error {
		if _, err := admin.NewClient(dir).Version(ctx); errors.Is(err, admin.ErrNotRunning) {
			fmt.Fprintf(a.stdout, "%s: not running\n", dir)
			return nil
		}
		if err := embedded.Stop(ctx, dir); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s: stopped\n", dir)
		return nil
	})
}

// status tells what runs. Its exit code is 0 if everything does, else 1.
func (a *app) status(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("status", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	all := []admin.Status{}
	down := false
	code := a.eachDataDir(ctx, *data, func(dir string) error {
		st, err := admin.NewClient(dir).Status(ctx)
		switch {
		case errors.Is(err, admin.ErrNotRunning):
			down = true
			st = &admin.Status{DataDir: dir}
		case err != nil:
			return err
		}
		all = append(all, *st)
		if !*asJSON {
			a.printStatus(st)
		}
		return nil
	})
	if *asJSON {
		out, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return a.fail(err)
		}
		fmt.Fprintln(a.stdout, string(out))
	}
	if down {
		return exitError
	}
	return code
}

func (a *app) printStatus(st *admin.Status) {
	if st.PID == 0 {
		fmt.Fprintf(a.stdout, "%s: not running\n", st.DataDir)
		return
	}
	fmt.Fprintf(a.stdout, "%s: running, version %s, process %d, since %s\n", st.DataDir, st.Version, st.PID, st.Started)
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, l := range st.Listeners {
		tls := ""
		if l.TLS {
			tls = "TLS"
		}
		if l.Error != "" {
			tls = "not open: " + l.Error
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\n", l.Owner, l.Service, l.Address, plan.Count(int64(l.Connections), "connection"), tls)
	}
	tw.Flush()
	waits := ""
	if st.QueueOldest > 0 {
		waits = fmt.Sprintf(", the oldest for %s", (time.Duration(st.QueueOldest) * time.Second).Round(time.Second))
	}
	fmt.Fprintf(a.stdout, "  %d accounts, %d messages, %s; %d in the queue%s; %d zones\n",
		st.Accounts, st.Messages, plan.Size(st.Bytes), st.Queued, waits, st.Zones)
	for _, u := range st.Full {
		fmt.Fprintf(a.stdout, "  %s has used %d %% of %s\n", u.Address, u.Bytes*100/max(u.Quota, 1), schema.FormatSize(u.Quota))
	}
	for _, c := range st.Certificates {
		own := ""
		if c.Own {
			own = ", made by the server itself"
		}
		fmt.Fprintf(a.stdout, "  certificate of %s until %s%s\n", c.Host, c.NotAfter.UTC().Format(time.DateOnly), own)
	}
	if st.DiskSize > 0 {
		fmt.Fprintf(a.stdout, "  %s of %s free on the disk\n", plan.Size(st.DiskFree), plan.Size(st.DiskSize))
	}
}

// eachDataDir calls f for the data directories that are meant: the one given,
// or those of the configuration in the working directory.
func (a *app) eachDataDir(ctx context.Context, given string, f func(dir string) error) int {
	dirs := []string{given}
	if given == "" {
		var err error
		if dirs, err = a.dataDirs(ctx); err != nil {
			if !errors.Is(err, errReported) {
				a.fail(err)
			}
			return exitError
		}
	}
	code := exitOK
	for _, dir := range dirs {
		abs, err := nearDir(dir)
		if err == nil {
			err = f(abs)
		}
		if err != nil {
			code = a.fail(err)
		}
	}
	return code
}

// nearDir is the absolute path of a data directory on this machine.
func nearDir(dir string) (string, error) {
	if host, path := schema.SplitDataDir(dir); host != "" {
		return "", fmt.Errorf("the server of %s runs on %s: ask there, as in \"ssh %s mailform status -data %s\"", path, host, host, path)
	}
	return filepath.Abs(dir)
}

// dataDirs lists the data directories of what was applied from the working
// directory; before the first apply, those that the files name.
func (a *app) dataDirs(ctx context.Context) ([]string, error) {
	st, ws, err := a.readState(ctx, nil)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, r := range st.Sorted() {
		if r.ID.Kind == schema.KindProcess {
			dirs = append(dirs, r.ID.Key)
		}
	}
	if len(dirs) > 0 {
		return dirs, nil
	}
	_, module, err := a.load(&operation{})
	if err != nil {
		return nil, err
	}
	cfg, diags := module.Evaluate(config.Options{Environ: a.environ, AllowUnset: true}, nil)
	if diags.HasErrors() {
		a.diagnostics(diags, module.Files())
		return nil, errReported
	}
	for _, target := range cfg.Providers {
		if target.Name == "embedded" {
			dirs = append(dirs, embedded.DataDir(target.Value, ws.Dir).Key())
		}
	}
	if len(dirs) == 0 {
		dirs = []string{filepath.Join(ws.Dir, "mail")}
	}
	return dirs, nil
}
