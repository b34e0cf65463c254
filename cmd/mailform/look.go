package main

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine"
	"github.com/mailform/mailform/engine/config"
)

// look opens files and state for what changes nothing and looks at nothing else:
// without a lock, with variables that are not set and data blocks unknown.
func (a *app) look(ctx context.Context, o *operation, operation string) (*engine.Session, *config.Module, error) {
	ws, module, err := a.load(o)
	if err != nil {
		return nil, nil, err
	}
	ws.NewDataSource = nil
	s, err := ws.Open(ctx, module, engine.Options{Config: a.lookOptions(o), Operation: operation, NoLock: true})
	var diags hcl.Diagnostics
	if errors.As(err, &diags) {
		a.diagnostics(diags, module.Files())
		return nil, nil, errReported
	}
	return s, module, err
}

func (a *app) lookOptions(o *operation) config.Options {
	opts := a.configOptions(o)
	opts.AllowUnset = true
	return opts
}

// described is look, and what the files and the state come to.
func (a *app) described(ctx context.Context, o *operation, operation string) (*engine.Session, *config.Module, *engine.Description, error) {
	s, m, err := a.look(ctx, o, operation)
	if err != nil {
		return nil, nil, nil, err
	}
	d, diags := s.Describe()
	if len(diags) > 0 {
		a.diagnostics(diags, m.Files())
	}
	if diags.HasErrors() {
		return nil, nil, nil, errors.Join(errReported, s.Close())
	}
	return s, m, d, nil
}
