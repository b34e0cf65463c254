package hosttest

import (
	"context"
	"errors"
	"strings"

	"github.com/mailform/mailform/providers/host"
)

// ErrDied is the error of everything that is asked of a host that has died.
var ErrDied = errors.New("the host has died")

// Dying is a host that does some things and then nothing any more, as for a mailform
// that is killed.
type Dying struct {
	host.Host
	// Left are the things that it still does: writing and removing files, and running
	// programs that Counts.
	Left int
	// Counts reports whether a command line is that of a program that changes something.
	Counts func(line string) bool
}

func (d *Dying) spend() error {
	if d.Left--; d.Left < 0 {
		return ErrDied
	}
	return nil
}

// Run implements host.Host.
func (d *Dying) Run(ctx context.Context, c host.Command) (host.Output, error) {
	if d.Counts(strings.Join(c.Args, " ")) {
		if err := d.spend(); err != nil {
			return host.Output{}, err
		}
	} else if d.Left < 0 {
		return host.Output{}, ErrDied
	}
	return d.Host.Run(ctx, c)
}

// Read implements host.Host.
func (d *Dying) Read(ctx context.Context, paths ...string) ([]host.File, error) {
	if d.Left < 0 {
		return nil, ErrDied
	}
	return d.Host.Read(ctx, paths...)
}

// Write implements host.Host.
func (d *Dying) Write(ctx context.Context, files ...host.File) error {
	if err := d.spend(); err != nil {
		return err
	}
	return d.Host.Write(ctx, files...)
}

// Remove implements host.Host.
func (d *Dying) Remove(ctx context.Context, paths ...string) error {
	if err := d.spend(); err != nil {
		return err
	}
	return d.Host.Remove(ctx, paths...)
}
