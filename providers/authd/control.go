package authd

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/binary"
)

// A Control is the daemon of a directory on a host, as a provider sees it.
type Control struct {
	Host host.Host
	// Dir is its directory, which is the daemon's alone.
	Dir string
	// Executable is mailform's path on this machine.
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

// Program is mailform's path on the host: on another machine than this one beside
// the daemon's directory, where [Control.Install] puts it.
func (c *Control) Program() string {
	if c.far() {
		return filepath.Join(filepath.Dir(c.Dir), "bin", "mailform")
	}
	return c.Executable
}

func (c *Control) far() bool {
	_, far := c.Host.(host.Talker)
	return far
}

// Install puts mailform on the host, where that is another machine and it is not
// there.
func (c *Control) Install(ctx context.Context) error {
	if !c.far() {
		return nil
	}
	b := &binary.Binary{Host: c.Host, Source: c.Executable, Path: c.Program()}
	if err := b.Install(ctx); err != nil {
		return fmt.Errorf("put mailform on %s, for authd: %w", c.Host, err)
	}
	return nil
}

// Begin starts the daemon, if it does not run.
func (c *Control) Begin(ctx context.Context) error {
	if err := c.Install(ctx); err != nil {
		return err
	}
	return c.run(ctx, "-start")
}

// End stops it.
func (c *Control) End(ctx context.Context) error { return c.run(ctx, "-stop") }

func (c *Control) run(ctx context.Context, what string) error {
	_, err := host.Must(ctx, c.Host, c.command(what))
	return err
}

// command runs mailform on the host. Where it is not there, no daemon runs.
func (c *Control) command(what string) host.Command {
	if !c.far() {
		return host.Cmd(c.Executable, "authd", "-dir", c.Dir, what)
	}
	absent := "0"
	if what == "-status" {
		absent = strconv.Itoa(StatusStopped)
	}
	return host.Cmd("sh", "-c", `[ -x "$1" ] || exit $0; exec "$@"`, absent, c.Program(), "authd", "-dir", c.Dir, what)
}

// Running reports whether it runs.
func (c *Control) Running(ctx context.Context) (bool, error) {
	cmd := c.command("-status")
	out, err := c.Host.Run(ctx, cmd)
	if err != nil || out.Code == StatusStopped {
		return false, err
	}
	return true, out.Err(cmd)
}

// StatusStopped is the exit status of "mailform authd -status" where no daemon
// runs.
const StatusStopped = 3
