package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mailform/mailform/engine/config"
	"golang.org/x/term"
)

// askVariables asks on a terminal for the variables that have no value, as
// Terraform does. In a pipeline, where nobody sits, it does nothing: then it is an
// error that they have none. A secret is not shown while it is typed.
func (a *app) askVariables(ctx context.Context, m *config.Module, o *operation) error {
	if !o.input || o.json || !isTerminal(a.stdin) || !isTerminal(a.stderr) {
		return nil
	}
	for _, v := range m.Unset(a.configOptions(o)) {
		fmt.Fprintf(a.stderr, "var.%s\n", v.Name)
		if v.Description != "" {
			fmt.Fprintf(a.stderr, "  %s\n", v.Description)
		}
		var value string
		var err error
		if v.Secret {
			var typed []byte
			typed, err = a.readHidden(ctx, "\n  Enter a value (it is not shown): ")
			value = string(typed)
		} else {
			fmt.Fprint(a.stderr, "\n  Enter a value: ")
			value, err = a.readLine(ctx)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stderr)
		o.vars = append(o.vars, config.VarArg{Name: v.Name, Value: value})
	}
	return nil
}

// readHidden asks on a terminal for something that is not shown while it is
// typed. An interrupt leaves the terminal as it was.
func (a *app) readHidden(ctx context.Context, prompt string) ([]byte, error) {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return nil, errors.New("standard input is no terminal")
	}
	echoing, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	fmt.Fprint(a.stderr, prompt)
	defer fmt.Fprintln(a.stderr)
	typed, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
	if errors.Is(err, errInterrupted) {
		err = errors.Join(err, term.Restore(int(f.Fd()), echoing))
	}
	return typed, err
}
