package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/console"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/term"
)

// maxConsoleLine bounds a line of an expression that is read from a pipe.
const maxConsoleLine = 1 << 20

// console evaluates expressions: one after the other on a terminal, else one a
// line from standard input.
func (a *app) console(ctx context.Context, args []string) int {
	var o operation
	fs := flag.NewFlagSet("console", flag.ContinueOnError)
	varFlags(fs, &o.vars)
	fs.BoolVar(&o.allowCommands, "allow-commands", false, "run the commands that variables take their values from; look at them first")
	withPlan := fs.Bool("plan", false, "look at what is there, and have the plan as \"plan\": plan.resources, plan.records")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	c, err := a.newConsole(ctx, &o, *withPlan)
	if err != nil {
		return a.failed(err)
	}
	in, ok := a.stdin.(*os.File)
	if ok && isTerminal(in) && isTerminal(a.stdout) {
		return a.converse(c, in)
	}
	return a.answerAll(c)
}

// newConsole opens the files and the state. On a terminal, files with errors are
// no reason not to look at the rest of them.
func (a *app) newConsole(ctx context.Context, o *operation, withPlan bool) (*console.Console, error) {
	ws, err := a.workspace()
	if err != nil {
		return nil, err
	}
	opts := a.lookOptions(o)
	if !withPlan {
		ws.NewDataSource = nil
	}
	module, diags := ws.Load(opts)
	check := func(diags hcl.Diagnostics) error {
		if len(diags) > 0 {
			a.diagnostics(diags, module.Files())
		}
		if diags.HasErrors() && !isTerminal(a.stdin) {
			return errReported
		}
		return nil
	}
	if err := check(diags); err != nil {
		return nil, err
	}
	s, err := ws.Open(ctx, module, engine.Options{Config: opts, Operation: "console", NoLock: true})
	if more := (hcl.Diagnostics)(nil); errors.As(err, &more) {
		a.diagnostics(more, module.Files())
		return nil, errReported
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if withPlan {
		p, diags := s.Plan(ctx, engine.PlanOptions{})
		if err := check(diags); err != nil || diags.HasErrors() {
			return nil, errReported
		}
		return console.New(s.Planned().Scope, config.Extras{Values: map[string]cty.Value{"plan": p.Object()}}), nil
	}
	d, more := s.Describe()
	if !diags.HasErrors() { // else all of it has been said
		if err := check(more); err != nil {
			return nil, err
		}
	}
	return console.New(d.Scope, config.Extras{}), nil
}

// answerAll answers the lines of standard input. A line that is wrong does not
// end it, but the exit code tells.
func (a *app) answerAll(c *console.Console) int {
	code := exitOK
	lines := bufio.NewScanner(a.stdin)
	lines.Buffer(nil, maxConsoleLine)
	for lines.Scan() {
		answer := c.Line(lines.Text())
		if answer.Exit {
			return code
		}
		if !a.answer(a.stdout, answer) {
			code = exitError
		}
	}
	if err := lines.Err(); err != nil {
		return a.fail(fmt.Errorf("read standard input: %w", err))
	}
	if !a.answer(a.stdout, c.End()) {
		code = exitError
	}
	return code
}

// answer prints an answer, and reports whether there was one.
func (a *app) answer(w io.Writer, answer console.Answer) bool {
	if answer.Text != "" {
		fmt.Fprintln(w, answer.Text)
	}
	if len(answer.Diags) > 0 {
		files := map[string]*hcl.File{console.Name: {Bytes: []byte(answer.Source)}}
		screen := *a
		if isTerminal(a.stdin) && isTerminal(a.stdout) {
			screen.stderr = w // the terminal is in the hands of the line editor
		}
		screen.diagnostics(answer.Diags, files)
	}
	return !answer.Diags.HasErrors()
}

// converse reads lines on a terminal, with an editor that has a history.
func (a *app) converse(c *console.Console, in *os.File) int {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return a.fail(fmt.Errorf("open the terminal: %w", err))
	}
	defer term.Restore(int(in.Fd()), before)
	const prompt, more = "> ", "  "
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, a.stdout}, prompt)
	if width, height, err := term.GetSize(int(in.Fd())); err == nil && width > 0 {
		// A size that the editor does not take leaves it with its own.
		_ = t.SetSize(width, height)
	}
	for {
		line, err := t.ReadLine()
		switch {
		case errors.Is(err, io.EOF):
			fmt.Fprintln(t)
			return exitOK
		case err != nil && !errors.Is(err, term.ErrPasteIndicator):
			return a.fail(fmt.Errorf("read the terminal: %w", err))
		}
		answer := c.Line(line)
		if answer.Exit {
			return exitOK
		}
		t.SetPrompt(prompt)
		if answer.More {
			t.SetPrompt(more)
		}
		a.answer(t, answer)
	}
}
