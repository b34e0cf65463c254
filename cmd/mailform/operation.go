package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/engine/plan/text"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/bind"
	"github.com/mailform/mailform/providers/cyrus"
	"github.com/mailform/mailform/providers/dovecot"
	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/knot"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/providers/lookup"
	"github.com/mailform/mailform/providers/postfix"
	"github.com/mailform/mailform/providers/powerdns"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/providers/sendmail"
	"github.com/mailform/mailform/providers/zonefile"
)

// An operation holds the flags that plan, apply and destroy share.
type operation struct {
	vars          []config.VarArg
	targets       []string
	excludes      []string
	replaces      []string
	confirmed     []string // IDs of brakes
	parallelism   int
	allowCommands bool // of variables
	lock          bool
	compact       bool // warnings by their summaries alone
	lockTimeout   time.Duration
	input         bool
	into          string // file for events
	json          bool
	destroy       bool
	bare          bool // work without configuration files
	drafts        bool // have the blocks written that import blocks miss
	refreshOnly   bool
	noRefresh     bool
	rollback      bool
	saved         bool          // the plan is in a file, and not shown again
	at            time.Time     // of the plan; zero: none
	wait          time.Duration // for stages that are due later
}

// varFlag collects -var and -var-file in the order in which they stand.
type varFlag struct {
	to   *[]config.VarArg
	file bool
}

// errVar does not repeat the argument, which may be a secret.
var errVar = errors.New("a variable is given as -var NAME=VALUE")

func (f varFlag) String() string { return "" }

func (f varFlag) Set(arg string) error {
	if f.file {
		*f.to = append(*f.to, config.VarArg{File: arg})
		return nil
	}
	name, value, ok := strings.Cut(arg, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return errVar
	}
	*f.to = append(*f.to, config.VarArg{Name: strings.TrimSpace(name), Value: value})
	return nil
}

type listFlag struct{ to *[]string }

func (f listFlag) String() string { return "" }

func (f listFlag) Set(arg string) error {
	*f.to = append(*f.to, arg)
	return nil
}

// A refreshFlag is -refresh, which is on unless told otherwise.
type refreshFlag struct{ off *bool }

func (refreshFlag) String() string   { return "" }
func (refreshFlag) IsBoolFlag() bool { return true }

func (f refreshFlag) Set(arg string) error {
	on, err := strconv.ParseBool(arg)
	if err != nil {
		return errors.New("it is true or false")
	}
	*f.off = !on
	return nil
}

// A fileFlag adds the lines of a file to a list: addresses, one a line. Blank
// lines and those that begin with # are left out.
type fileFlag struct{ to *[]string }

func (fileFlag) String() string { return "" }

func (f fileFlag) Set(arg string) error {
	text, err := os.ReadFile(arg)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			*f.to = append(*f.to, line)
		}
	}
	return nil
}

func varFlags(fs *flag.FlagSet, vars *[]config.VarArg) {
	fs.Var(varFlag{to: vars}, "var", "NAME=VALUE: set a variable; may be given several times")
	fs.Var(varFlag{to: vars, file: true}, "var-file", "FILE: set the variables of a .mfvars file; may be given several times")
}

func (o *operation) flags(fs *flag.FlagSet) {
	varFlags(fs, &o.vars)
	fs.Var(timeFlag{&o.at}, "at", "TIME: the time of the plan, such as 2026-01-02T15:04:05Z, or now, for plantimestamp(), to stand in it, and to tell which stages \"mailform plan\" shows as due; without it equal plans are equal bytes")
	o.commandsFlag(fs)
	fs.Var(listFlag{&o.targets}, "target", "ADDRESS: only this block or resource and what it needs; with * and ? as wildcards; may be given several times")
	fs.Var(listFlag{&o.excludes}, "exclude", "ADDRESS: all but this block or resource and what needs it; as -target")
	fs.Var(listFlag{&o.replaces}, "replace", "ADDRESS: make this block or resource anew, even if nothing of it changes; as -target")
	fs.Var(fileFlag{&o.targets}, "target-file", "FILE: the same for each line of a file")
	fs.Var(fileFlag{&o.excludes}, "exclude-file", "FILE: the same for each line of a file")
	fs.Var(refreshFlag{&o.noRefresh}, "refresh", "look at what is there; with -refresh=false the plan is made by the state, and what others have changed is not seen")
	fs.IntVar(&o.parallelism, "parallelism", 0, "work at so many targets at once; 0: at all")
	fs.Var(listFlag{&o.confirmed}, "confirm", "ID: confirm a brake that the plan shows, or \"all\"; may be given several times")
	fs.DurationVar(&o.lockTimeout, "lock-timeout", 0, "how long to wait for the state's lock, such as 30s")
	fs.BoolVar(&o.input, "input", true, "ask where something is missing")
	fs.BoolVar(&o.compact, "compact-warnings", false, "print warnings, where there are no errors, by their summaries alone")
	fs.BoolVar(&o.json, "json", false, "print events as JSON, one a line")
	fs.StringVar(&o.into, "json-into", "", "FILE: write these events into a file, beside the text for people")
}

func (o *operation) mode() (plan.Mode, error) {
	switch {
	case o.destroy && o.refreshOnly:
		return "", errors.New("-destroy and -refresh-only exclude each other")
	case o.refreshOnly && o.noRefresh:
		return "", errors.New("-refresh-only and -refresh=false exclude each other: the one does nothing but look, the other does not")
	case o.rollback && o.noRefresh:
		return "", errors.New("a rollback looks at what is there: -refresh=false is not for it")
	case o.rollback && len(o.targets)+len(o.excludes)+len(o.replaces) > 0:
		return "", errors.New("a rollback undoes the last apply as a whole: -target, -exclude and -replace are not for it")
	case o.rollback:
		return plan.Rollback, nil
	case o.destroy:
		return plan.Destroy, nil
	case o.refreshOnly:
		return plan.RefreshOnly, nil
	default:
		return plan.Normal, nil
	}
}

// workspace is the configuration in the working directory.
func (a *app) workspace() (*engine.Workspace, error) {
	dir, err := a.dir()
	if err != nil {
		return nil, err
	}
	return &engine.Workspace{Dir: dir, Version: version, NewProvider: a.newProvider, NewDataSource: newDataSource}, nil
}

// newProvider lists the providers of this binary.
func newProvider(name string) providers.Provider {
	switch name {
	case "embedded":
		return &embedded.Provider{Executable: executable(), Version: version}
	case "cyrus":
		return &cyrus.Provider{Executable: executable()}
	case "sendmail":
		return &sendmail.Provider{Executable: executable()}
	case "rfc2136":
		return &rfc2136.Provider{}
	case "bind":
		return &bind.Provider{}
	case "knot":
		return &knot.Provider{}
	case "ldap":
		return &ldap.Provider{}
	case "dovecot":
		return &dovecot.Provider{}
	case "postfix":
		return &postfix.Provider{Executable: executable()}
	case "powerdns":
		return &powerdns.Provider{}
	case "zonefile":
		return &zonefile.Provider{}
	default:
		return nil
	}
}

// executable is the path of this program, which providers start as a daemon.
func executable() string {
	exe, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return exe
}

// newDataSource lists what this binary can look up, beside what providers have.
func newDataSource(name, dir string) providers.DataSource {
	switch name {
	case "dns":
		return &lookup.DNS{}
	case "certificate":
		return &lookup.Certificate{Dir: dir}
	default:
		return nil
	}
}

// errReported is an error that has been printed already.
var errReported = errors.New("reported")

// commandsFlag declares -allow-commands.
func (o *operation) commandsFlag(fs *flag.FlagSet) {
	fs.BoolVar(&o.allowCommands, "allow-commands", false, "run the commands that variables take their values from; look at them first")
}

// configOptions are what the command line says to the files.
func (a *app) configOptions(o *operation) config.Options {
	return config.Options{Vars: o.vars, Environ: a.environ, AllowCommands: o.allowCommands, DraftImports: o.drafts}
}

// load reads the files of the working directory and prints what is wrong.
func (a *app) load(o *operation) (*engine.Workspace, *config.Module, error) {
	ws, err := a.workspace()
	if err != nil {
		a.fail(err)
		return nil, nil, errReported
	}
	module, diags := ws.Load(a.configOptions(o))
	if len(diags) > 0 {
		a.diagnostics(diags, module.Files())
	}
	if diags.HasErrors() {
		return nil, nil, errReported
	}
	// To take everything away, the state is enough.
	if module.Empty() && !o.destroy && !o.bare {
		a.problem("No configuration files", fmt.Sprintf(`The directory %s has no files that end in .mf.hcl. Write one that describes a
domain, a server and a user (examples/quickstart is one to start from), or name
another directory: mailform -chdir=DIR plan`, ws.Dir))
		return nil, nil, errReported
	}
	return ws, module, nil
}

// open loads the files and locks the state.
func (a *app) open(ctx context.Context, o *operation, operation string) (*engine.Session, *config.Module, error) {
	ws, module, err := a.load(o)
	if err != nil {
		return nil, nil, err
	}
	a.heedInterrupts()
	if err := a.askVariables(ctx, module, o); err != nil {
		a.fail(err)
		return nil, nil, errReported
	}
	s, err := ws.Open(ctx, module, engine.Options{
		Config:      a.configOptions(o),
		Operation:   operation,
		LockTimeout: o.lockTimeout,
		Now:         a.clock(o, operation),
		NoLock:      operation == "plan" && !o.lock,
		Parallelism: o.parallelism,
	})
	var diags hcl.Diagnostics
	switch {
	case errors.As(err, &diags):
		a.diagnostics(diags, module.Files())
		return nil, nil, errReported
	case err != nil:
		a.lockFailed(err)
		return nil, nil, errReported
	}
	return s, module, nil
}

// makePlan plans and prints what is wrong.
func (a *app) makePlan(ctx context.Context, s *engine.Session, m *config.Module, o *operation) (*plan.Plan, error) {
	mode, err := o.mode()
	if err != nil {
		a.fail(err)
		return nil, errReported
	}
	p, diags := s.Plan(ctx, engine.PlanOptions{Mode: mode, Targets: o.targets, Excludes: o.excludes, Replaces: o.replaces, Unseen: o.noRefresh, Confirm: o.confirmed, Time: o.at})
	if diags.HasErrors() {
		a.report(o, m, diags)
		return nil, errReported
	}
	if len(diags) > 0 {
		a.warn(o, m, diags)
	}
	return p, nil
}

// report prints diagnostics as text, or as events under -json.
func (a *app) report(o *operation, m *config.Module, diags hcl.Diagnostics) {
	if o.compact && !o.json && !diags.HasErrors() {
		a.intoDiagnostics(diags, m.Files())
		a.compactWarnings(diags)
		return
	}
	a.diagnostics(diags, m.Files())
}

// warn prints the warnings of a plan: before it on the stream for errors, or,
// for tools that know only Terraform's output, behind it on the same stream,
// where they look for them.
func (a *app) warn(o *operation, m *config.Module, diags hcl.Diagnostics) {
	if a.product == "" || o.json || o.saved {
		a.report(o, m, diags)
		return
	}
	a.behind = func() {
		b := *a
		b.stderr = a.stdout
		fmt.Fprintf(b.stderr, "\n%s\n\n", text.Rule)
		b.report(o, m, diags)
	}
}
