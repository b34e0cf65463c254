package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// EnvAllowCommands allows commands in the environment, as Options.AllowCommands
// does.
const EnvAllowCommands = "MF_ALLOW_COMMANDS"

// Bounds of a command that gives a value.
const (
	commandTime   = time.Minute
	commandOutput = 1 << 20 // bytes
)

// decodeCommand reads the command of a variable: a program and its arguments.
func (v *variable) decodeCommand(a *hcl.Attribute) hcl.Diagnostics {
	problem := func(detail string) hcl.Diagnostics {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid command",
			Detail:   fmt.Sprintf("The command of the variable %q %s", v.name, detail),
			Subject:  a.Expr.Range().Ptr(),
		}}
	}
	val, diags := a.Expr.Value(nil)
	if diags.HasErrors() {
		return problem("is read before anything is evaluated. It has to be a plain list of texts, without references and functions.")
	}
	if val.IsNull() || !val.IsKnown() { // unknown after a syntax error, which is reported
		return nil
	}
	const form = `has to be a list of a program and its arguments, such as ["pass", "show", "mail/alice"]. No shell reads it.`
	if !val.Type().IsTupleType() {
		return problem(form)
	}
	list, err := convert.Convert(val, cty.List(cty.String))
	if err != nil || !list.IsWhollyKnown() || list.LengthInt() == 0 {
		return problem(form)
	}
	for _, arg := range list.AsValueSlice() {
		switch {
		case arg.IsNull():
			return problem("has a null in its list.")
		case strings.ContainsRune(arg.AsString(), 0):
			return problem("holds a NUL byte, which no argument can.")
		}
		v.command = append(v.command, arg.AsString())
	}
	if v.command[0] == "" {
		v.command = nil
		return problem("has an empty text where the program is named.")
	}
	v.commandRange = a.Expr.Range()
	return nil
}

// commandsAllowed reports whether commands of variables may run. They may not
// unless that is asked for: files may come from strangers.
func (o Options) commandsAllowed() bool {
	if o.AllowCommands {
		return true
	}
	for _, kv := range o.Environ {
		if value, ok := strings.CutPrefix(kv, EnvAllowCommands+"="); ok {
			on, err := strconv.ParseBool(value)
			return err == nil && on
		}
	}
	return false
}

// fromCommand is the value that a command gives to a variable. It runs once,
// however often the value is asked for.
func (m *Module) fromCommand(v *variable, opts Options) (given, hcl.Diagnostics) {
	g := given{isRaw: true, source: fmt.Sprintf("that the command %s gave", v.command[0]), rng: &v.commandRange, secret: secretWhole}
	if out, ok := m.commands[v.name]; ok {
		g.raw = out
		return g, nil
	}
	problem := func(summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &v.commandRange}}
	}
	if !opts.commandsAllowed() {
		return g, problem("Commands are not allowed",
			"The variable %[1]q takes its value from a command, and commands run only where -allow-commands or %[2]s=1 says so, because a file may come from a stranger. "+
				"Look at the command, then allow it, or set the variable: with -var '%[1]s=…', in a file %[3]s, or as %[4]s%[1]s in the environment.", v.name, EnvAllowCommands, nameVars, EnvPrefix)
	}
	out, err := runCommand(m.dir, v.command, opts.Environ)
	if err != nil {
		return g, problem("Command failed",
			"The command %s, which gives the value of the variable %q, %s. What it printed is not shown, because it may be secret: run it yourself to see it.", v.command[0], v.name, err)
	}
	if m.commands == nil {
		m.commands = map[string]string{}
	}
	m.commands[v.name] = out
	g.raw = out
	return g, nil
}

// runCommand runs a program in a directory and returns what it prints, without
// the line breaks at the end. Its errors follow the name of the program, and
// hold nothing that it printed.
func runCommand(dir string, argv, environ []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, environ
	cmd.WaitDelay = time.Second // for what it has started and left behind
	out := &bounded{most: commandOutput}
	cmd.Stdout = out
	err := cmd.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case out.over:
		return "", fmt.Errorf("printed more than %d MiB", commandOutput>>20)
	case ctx.Err() != nil:
		return "", fmt.Errorf("took longer than %s", commandTime)
	case exited && exit.ExitCode() >= 0:
		return "", fmt.Errorf("ended with status %d", exit.ExitCode())
	case exited:
		return "", fmt.Errorf("was ended: %s", exit.ProcessState)
	case err != nil:
		return "", fmt.Errorf("could not be run: %w", cause(err))
	case invalidText(out.b.Bytes()) >= 0:
		return "", errors.New("printed something else than UTF-8 text")
	}
	return strings.TrimRight(out.b.String(), "\r\n"), nil
}

// A bounded buffer takes so much and no more.
type bounded struct {
	b    bytes.Buffer
	most int
	over bool
}

var errOver = errors.New("too much")

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		w.over = true
		return 0, errOver
	}
	return w.b.Write(p)
}
