package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path"

	"github.com/mailform/mailform/providers/embedded"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/providers/host"
)

// unit prints the units by which systemd runs the daemons, or installs them.
func (a *app) unit(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("unit", flag.ContinueOnError)
	data := fs.String("data", "", "DIR: the data directory, instead of those of the configuration")
	sockets := fs.Bool("sockets", false, "have systemd open the sockets, for the listeners that are applied")
	install := fs.Bool("install", false, "put them in their places, and have systemd start the daemon")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	exe, err := os.Executable()
	if err != nil {
		return a.fail(err)
	}
	return a.eachDataDir(ctx, *data, func(dir string) error {
		u, err := embedded.Unit(exe, dir)
		if err == nil && *sockets {
			u.Sockets, err = socketsOf(ctx, dir)
		}
		if err == nil {
			err = u.Check()
		}
		if err != nil {
			return err
		}
		if *install {
			return a.installUnit(ctx, u)
		}
		fmt.Fprintf(a.stdout, "# %s\n%s", path.Join(systemd.UnitDir, u.ServiceName()), u.Service())
		if len(u.Sockets) > 0 {
			fmt.Fprintf(a.stdout, "\n# %s\n%s", path.Join(systemd.UnitDir, u.SocketName()), u.Socket())
		}
		return nil
	})
}

// installUnit has systemd run the daemon from now on.
func (a *app) installUnit(ctx context.Context, u systemd.Unit) error {
	h := host.Local()
	inCharge, err := systemd.InCharge(ctx, h)
	if err != nil {
		return err
	}
	if !inCharge {
		return fmt.Errorf("this machine is not run by systemd: without -install, %s is printed", u.ServiceName())
	}
	if err := u.Write(ctx, h); err != nil {
		return fmt.Errorf("install %s: %w", u.ServiceName(), err)
	}
	if err := embedded.Stop(ctx, u.DataDir); err != nil { // also one that systemd has not started
		return err
	}
	if err := embedded.Start(ctx, u.Program, u.DataDir); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: started by %s\n", u.DataDir, u.ServiceName())
	return nil
}

// socketsOf are the sockets of the listeners that have been applied to a data
// directory.
func socketsOf(ctx context.Context, dir string) (out []systemd.Socket, err error) {
	if !store.Exists(dir) {
		return nil, fmt.Errorf("nothing has been applied to %s yet, so there is no listener to open a socket for: run \"mailform apply\"", dir)
	}
	st, err := store.Open(ctx, dir, store.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer st.Close() // it was read only
	listeners, err := st.Listeners(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range listeners {
		for _, at := range append(append([]string{}, l.Listen...), l.ListenTLS...) {
			out = append(out, systemd.Socket{Address: at, Packets: l.Service == "dns"})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the servers of %s have no listeners", dir)
	}
	return out, nil
}
