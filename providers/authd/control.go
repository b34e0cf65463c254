package authd

import (
	"context"

	"github.com/mailform/mailform/providers/host"
)

// A Control is the daemon of a directory on a host, as a provider sees it.
type Control struct {
	Host host.Host
	// Dir is its directory, which is the daemon's alone.
	Dir string
	// Executable is mailform's path on the host.
	Executable string
	// Group can look into the directory and so may ask: the number or the name of
	// the group that the mail server runs as.
	Group string
}

// Read reads the users, with the file for a later [Control.Write].
func (c *Control) Read(ctx context.Context) ([]User, host.File, error) {
	files, err := c.Host.Read(ctx, UsersFile(c.Dir))
	if err != nil {
		return nil, host.File{}, err
	}
	users, err := Parse(files[0].Content)
	return users, files[0], err
}

// Write puts users in the place of those in a file that was read. The daemon
// sees them with the next question.
func (c *Control) Write(ctx context.Context, was host.File, users []User) error {
	text, err := Format(users)
	if err != nil {
		return err
	}
	if err := c.Host.Mkdir(ctx, host.Dir{Path: c.Dir, Mode: 0o750, Owner: "0:" + c.Group}); err != nil {
		return err
	}
	f := was.With(text)
	f.Path, f.Mode = UsersFile(c.Dir), 0o600
	return c.Host.Write(ctx, f)
}

// Begin starts the daemon, if it does not run.
func (c *Control) Begin(ctx context.Context) error { return c.run(ctx, "-start") }

// End stops it.
func (c *Control) End(ctx context.Context) error { return c.run(ctx, "-stop") }

func (c *Control) run(ctx context.Context, what string) error {
	_, err := host.Must(ctx, c.Host, host.Cmd(c.Executable, "authd", "-dir", c.Dir, what))
	return err
}

// Running reports whether it runs.
func (c *Control) Running(ctx context.Context) (bool, error) {
	cmd := host.Cmd(c.Executable, "authd", "-dir", c.Dir, "-status")
	out, err := c.Host.Run(ctx, cmd)
	if err != nil || out.Code == StatusStopped {
		return false, err
	}
	return true, out.Err(cmd)
}

// StatusStopped is the exit status of "mailform authd -status" where no daemon
// runs.
const StatusStopped = 3
