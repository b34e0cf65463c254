package systemd

import (
	"context"
	"path"

	"github.com/mailform/mailform/providers/host"
)

// runDir is there where systemd is in charge of a machine (sd_booted(3)).
const runDir = "/run/systemd/system"

// InCharge reports whether systemd is in charge of a machine.
func InCharge(ctx context.Context, h host.Host) (bool, error) {
	out, err := h.Run(ctx, host.Cmd("test", "-d", runDir))
	return out.Code == 0, err
}

// Supervises reports whether systemd is in charge of a machine and has been told how
// to run the daemon.
func (u Unit) Supervises(ctx context.Context, h host.Host) (bool, error) {
	out, err := h.Run(ctx, host.Cmd("test", "-d", runDir, "-a", "-f", path.Join(UnitDir, u.ServiceName())))
	return out.Code == 0, err
}

// Write puts the units in their places. What runs goes on. Sockets that are there
// stay where u has none.
func (u Unit) Write(ctx context.Context, h host.Host) error {
	if err := u.Check(); err != nil {
		return err
	}
	have, err := h.Read(ctx, path.Join(UnitDir, u.ServiceName()), path.Join(UnitDir, u.SocketName()))
	if err != nil {
		return err
	}
	service, socket := have[0], have[1]
	var changed []host.File
	if text := u.service(len(u.Sockets) > 0 || socket.Exists); string(service.Content) != text {
		changed = append(changed, service.With([]byte(text)))
	}
	if text := u.Socket(); len(u.Sockets) > 0 && string(socket.Content) != text {
		changed = append(changed, socket.With([]byte(text)))
	}
	if len(changed) == 0 {
		return nil
	}
	if err := h.Write(ctx, changed...); err != nil {
		return err
	}
	return systemctl(ctx, h, "daemon-reload")
}

// Start has the daemon started with the machine, and starts it now, anew where it runs.
func (u Unit) Start(ctx context.Context, h host.Host) error {
	names, err := u.names(ctx, h)
	if err != nil {
		return err
	}
	if err := systemctl(ctx, h, append([]string{"enable", "--quiet", "--"}, names...)...); err != nil {
		return err
	}
	if len(names) > 1 { // while the service runs, its sockets are not opened anew
		if err := systemctl(ctx, h, "stop", "--", u.ServiceName()); err != nil {
			return err
		}
	}
	return systemctl(ctx, h, append([]string{"restart", "--"}, names...)...)
}

// Stop ends the daemon until the machine is started anew.
func (u Unit) Stop(ctx context.Context, h host.Host) error {
	names, err := u.names(ctx, h)
	if err != nil {
		return err
	}
	return systemctl(ctx, h, append([]string{"stop", "--"}, names...)...)
}

// Disable ends the daemon, and keeps systemd from starting it with the machine.
func (u Unit) Disable(ctx context.Context, h host.Host) error {
	names, err := u.names(ctx, h)
	if err != nil {
		return err
	}
	return systemctl(ctx, h, append([]string{"disable", "--now", "--quiet", "--"}, names...)...)
}

// names are the units that are there: the sockets first, or who connects would have
// the service started that has just been stopped.
func (u Unit) names(ctx context.Context, h host.Host) ([]string, error) {
	out, err := h.Run(ctx, host.Cmd("test", "-f", path.Join(UnitDir, u.SocketName())))
	if err != nil || out.Code != 0 {
		return []string{u.ServiceName()}, err
	}
	return []string{u.SocketName(), u.ServiceName()}, nil
}

func systemctl(ctx context.Context, h host.Host, args ...string) error {
	_, err := host.Must(ctx, h, host.Cmd(append([]string{"systemctl"}, args...)...))
	return err
}
