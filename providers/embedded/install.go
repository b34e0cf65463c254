package embedded

import (
	"context"
	"fmt"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/binary"
)

// install puts the binary where it has to be, unless it is there.
func (f *far) install(ctx context.Context) error {
	b := &binary.Binary{Host: f.host, Source: f.binary, Path: f.program, Version: f.version}
	return b.Install(ctx)
}

// unit is what systemd runs the daemon by.
func (f *far) unit() systemd.Unit { return systemd.Unit{DataDir: f.dataDir, Program: f.program} }

// Unit is what systemd runs the daemon of a data directory on this machine by, if it
// is told to.
func Unit(executable, dataDir string) (systemd.Unit, error) {
	u := systemd.Unit{DataDir: dataDir, Program: executable}
	at, err := store.Location(dataDir)
	if err != nil {
		return u, err
	}
	if at != dataDir {
		u.Writable = append(u.Writable, at)
	}
	index, err := fulltext.Location(dataDir)
	if err != nil {
		return u, err
	}
	if index != dataDir && index != at { // the server does without it while it is away
		u.Writable = append(u.Writable, "-"+index)
	}
	return u, nil
}

// startBySystemd starts the daemon of a data directory on this machine by its unit, if
// there is one, and waits until it answers.
func startBySystemd(ctx context.Context, executable, dataDir string) (bool, error) {
	u, err := Unit(executable, dataDir)
	if err != nil {
		return false, err
	}
	supervised, err := u.Supervises(ctx, host.Local())
	if err != nil || !supervised {
		return false, err
	}
	if err := u.Write(ctx, host.Local()); err != nil {
		return true, err
	}
	if err := u.Start(ctx, host.Local()); err != nil {
		return true, fmt.Errorf("start the daemon: %w", err)
	}
	return true, answers(ctx, admin.NewClient(dataDir), dataDir, u)
}

// answers waits for the first answer of a daemon that systemd has started.
func answers(ctx context.Context, api *admin.Client, what string, u systemd.Unit) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := api.Version(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the daemon of %s does not answer: %w. \"journalctl -u %s\" there says more", what, err, u.ServiceName())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// startUnit writes the unit and starts it.
func (f *far) startUnit(ctx context.Context) error {
	if err := f.unit().Write(ctx, f.host); err != nil {
		return err
	}
	if err := f.host.Mkdir(ctx, host.Dir{Path: f.dataDir, Mode: 0o700}); err != nil {
		return err
	}
	return f.unit().Start(ctx, f.host)
}
