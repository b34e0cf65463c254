// Command mailform reconciles mail services and DNS zones with a directory of
// HCL files. Each command is in a file of its own; this one finds the command
// and its flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/plan/planjson"
	"github.com/mailform/mailform/providers"
	"golang.org/x/term"
)

// version is set by the build; see the Makefile.
var version = "0.1.0-dev"

// Exit codes, as Terraform's.
const (
	exitOK      = 0
	exitError   = 1
	exitChanges = 2 // only under -detailed-exitcode
)

// An app is one run of the program: its streams and what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	cancel         context.CancelFunc // ends the context of the command

	// The clock, and how a wait ends before its time: with the context.
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	// newProvider makes a provider by its name.
	newProvider func(name string) providers.Provider

	chdir   string
	noColor bool
	product string // the name in headings; empty: ours
	behind  func() // what is printed behind the plan; may be nil

	// completing is set where only the flags of the command are asked for.
	completing **flag.FlagSet

	json     bool             // whether the command tells of itself in events
	stream   *planjson.Stream // under -json, see events
	into     *planjson.Stream // under -json-into, see beginEvents
	intoFile *os.File
}

// A command is one verb of the command line.
type command struct {
	name, args, summary string
	run                 func(a *app, ctx context.Context, args []string) int
}

// commands in the order in which help shows them.
func commands() []command {
	return []command{
		{"init", "", "Fetch the modules that lie elsewhere; needed for nothing else", (*app).init},
		{"validate", "", "Check the files, without looking at anything else", (*app).validate},
		{"plan", "", "Show what apply would change", (*app).plan},
		{"apply", "[PLAN]", "Make it so", (*app).apply},
		{"rollback", "", "Undo the last apply", (*app).rollback},
		{"destroy", "", "Take away all that was applied; stored mail is kept", (*app).destroy},
		{"import", "ADDRESS ID", "Take over what exists already, into the state or as blocks", (*app).importCommand},
		{"show", "[PLAN]", "Show the state, or a saved plan", (*app).show},
		{"output", "[NAME]", "Print outputs", (*app).output},
		{"console", "", "Try expressions against the files and the state", (*app).console},
		{"test", "", "Run the tests of the files, against systems in memory", (*app).test},
		{"fmt", "[FILE or DIR...]", "Rewrite files in canonical style", (*app).fmt},
		{"workspace", "list|show|new|select|delete", "Keep several states of the same files apart", (*app).workspaceCommand},
		{"state", "list|show|mv|rm|pull|push|lock", "Look into the state, or change it by hand", (*app).state},
		{"force-unlock", "ID", "Take the state's lock from a holder that is no more", (*app).forceUnlock},
		{"clients", "[USER or DOMAIN]", "Tell how mail programs are set up", (*app).clients},
		{"passwd", "", "Make a password hash", (*app).passwd},
		{"app-password", "add|list|remove", "Look after further passwords of users, one for a program", (*app).appPassword},
		{"unlock", "[USER or NETWORK...]", "Forget failed logins, or list whose are slowed down", (*app).unlock},
		{"status", "", "Tell what runs", (*app).status},
		{"verify", "", "Prove from outside that what runs is as the files say", (*app).verify},
		{"queue", "list|show|retry|hold|release|drop", "Look after the mail on its way elsewhere", (*app).queue},
		{"trace", "MESSAGE-ID|ADDRESS|ID", "Tell what became of messages", (*app).trace},
		{"dnssec", "status|roll|confirm", "Look after the keys of signed zones", (*app).dnssec},
		{"start", "", "Start the daemon of the embedded servers", (*app).start},
		{"stop", "", "Stop the daemon of the embedded servers", (*app).stop},
		{"serve", "", "Run the daemon in the foreground", (*app).serve},
		{"unit", "", "Print the units by which systemd runs that daemon, or install them", (*app).unit},
		{"admin-bridge", "", "Speak for a data directory to a mailform on another machine, which starts it by SSH", (*app).adminBridge},
		{"bridge", "unix|tcp ADDRESS", "Lead to what listens here, for a mailform on another machine, which starts it by SSH", (*app).bridge},
		{"backup", "FILE", "Copy what a data directory holds into one file, also while it is in use", (*app).backup},
		{"restore", "FILE", "Make a data directory of a backup", (*app).restore},
		{"check-store", "", "Look for damage in what is stored, and mend it", (*app).checkStore},
		{"authd", "", "Answer mail servers that ask whether users are who they say they are", (*app).authd},
		{"graph", "", "Draw the blocks and their references, or a plan and its phases", (*app).graph},
		{"providers", "[schema]", "Tell where things are kept; describe what can be kept", (*app).providers},
		{"metadata", "functions|json-schema", "Describe the language to programs", (*app).metadata},
		{"completion", "bash|zsh|fish", "Print what makes a shell complete words: . <(mailform completion bash)", (*app).completion},
		{"version", "", "Print the version", (*app).version},
	}
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), cancel: cancel,
		now: time.Now, sleep: sleep, newProvider: newProvider}
	os.Exit(a.main(ctx, os.Args[1:]))
}

func (a *app) main(ctx context.Context, args []string) int {
	args, err := a.globalFlags(args)
	a.json = asksForEvents(args)
	if err != nil {
		return a.fail(err)
	}
	if a.chdir != "" {
		if err := os.Chdir(a.chdir); err != nil {
			return a.fail(fmt.Errorf("cannot change to the directory given by -chdir: %w", err))
		}
	}
	if len(args) == 0 {
		a.help(a.stderr)
		return exitError
	}
	name := strings.TrimLeft(args[0], "-")
	switch name {
	case "help", "h":
		if c, _ := find(args[1:]); c != nil {
			return c.run(a, ctx, []string{"-help"})
		}
		if len(args) > 1 {
			return a.noCommand(args[1])
		}
		a.help(a.stdout)
		return exitOK
	case "v":
		name = "version"
	}
	if name == completeWord {
		return a.complete(ctx, args[1:])
	}
	for _, c := range commands() {
		if c.name == name {
			if c.name != "serve" && c.name != "authd" && c.name != "admin-bridge" && c.name != "bridge" { // which has no end to wait for
				boundMemory()
			}
			return c.run(a, ctx, args[1:])
		}
	}
	return a.noCommand(args[0])
}

// noCommand tells that there is no such command.
func (a *app) noCommand(given string) int {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	hint := ""
	if s := suggest(strings.TrimLeft(given, "-"), names); s != "" {
		hint = fmt.Sprintf(" Did you mean %q?", s)
	}
	return a.fail(fmt.Errorf("there is no command %q.%s Run \"mailform help\" for the list", given, hint))
}

// globalFlags takes -chdir and -no-color out of the arguments: they are
// understood before the command as well as after it.
func (a *app) globalFlags(args []string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-"), "=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), nil
		case !strings.HasPrefix(args[i], "-"):
			rest = append(rest, args[i])
		case name == "chdir":
			if !has {
				if i++; i == len(args) {
					return nil, errors.New("-chdir needs a directory: -chdir=DIR")
				}
				value = args[i]
			}
			a.chdir = value
		case name == "no-color":
			a.noColor = !has || value != "false"
		default:
			rest = append(rest, args[i])
		}
	}
	return rest, nil
}

// errUsage is an error of the command line that has been reported already.
var errUsage = errors.New("usage")

// parse reads a command's flags; other arguments may stand among them. It
// reports what is wrong itself.
func (a *app) parse(fs *flag.FlagSet, args []string, positional int) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	if a.completing != nil {
		*a.completing = fs
		return nil, flag.ErrHelp
	}
	var rest []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			a.commandHelp(fs)
			return nil, flag.ErrHelp
		}
		if err != nil {
			text := strings.TrimRight(usageError(fs, err).Error(), ".")
			if !strings.HasSuffix(text, "?") {
				text += "."
			}
			a.fail(fmt.Errorf("mailform %s: %s \"mailform %s -help\" lists the options", fs.Name(), text, fs.Name()))
			return nil, errUsage
		}
		if fs.NArg() == 0 {
			break
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(rest) > positional {
		a.fail(fmt.Errorf("mailform %s: too many arguments: %q is one more than it takes", fs.Name(), rest[positional]))
		return nil, errUsage
	}
	return rest, nil
}

// usageExit is the exit code after parse has returned an error.
func usageExit(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	return exitError
}

// fail prints an error that has no place in a file and returns the exit code.
func (a *app) fail(err error) int {
	return a.problem(sentence(err), "")
}

// problem prints an error that has no place in a file and returns the exit
// code. Under -json it is an event, as all else.
func (a *app) problem(summary, detail string) int {
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
	a.intoDiagnostics(diags, nil)
	switch {
	case a.json:
		a.events().Diagnostics(diags, nil)
		return exitError
	case detail == "":
		fmt.Fprintf(a.stderr, "Error: %s\n", summary)
	default:
		fmt.Fprintf(a.stderr, "Error: %s\n\n%s\n", summary, detail)
	}
	a.annotate(diags)
	return exitError
}

// sentence begins an error's text with a capital, as a reader of "Error: " expects.
func sentence(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "mailform ") {
		return text // the name of a command
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// color reports whether a stream takes colours.
func (a *app) color(w io.Writer) bool {
	if a.noColor {
		return false
	}
	for _, e := range a.environ {
		if v, ok := strings.CutPrefix(e, "NO_COLOR="); ok && v != "" {
			return false
		}
	}
	return isTerminal(w)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// dir is the absolute path of the directory that a command works in. It has no
// symbolic links: the data directory below it has to be the same one for
// whoever comes by another way.
func (a *app) dir() (string, error) {
	dir, err := filepath.Abs(".")
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	return dir, nil
}
