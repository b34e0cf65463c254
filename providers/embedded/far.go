package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/providers/embedded/systemd"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// far is a place on another machine, where the same binary speaks for it: see
// [Bridge]. It is talked with by SSH.
type far struct {
	host    host.Host
	api     *admin.Client
	name    string // of the machine
	dataDir string
	program string // path of the binary there
	binary  string // path of the binary here that is to be there
	version string
}

// settle finds the place that a provider block means. Nothing is connected to yet.
func (p *Provider) settle(ctx context.Context, cfg providers.Config, at schema.DataDir) error {
	if at.Host == "" {
		p.place = here{dataDir: at.Path, executable: p.Executable}
		p.reading = p.place
		return nil
	}
	place, err := p.far(ctx, cfg, at, schema.ConnectionBlock.Type)
	if err != nil {
		return err
	}
	p.place, p.reading = place, place
	if v := cfg.Value.GetAttr(schema.ReadConnection); !v.IsNull() {
		if p.reading, err = p.far(ctx, cfg, at, schema.ReadConnection); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) far(ctx context.Context, cfg providers.Config, at schema.DataDir, block string) (*far, error) {
	h, err := host.OpenBlock(ctx, cfg.Value, block, cfg.Dir)
	if err != nil {
		return nil, err
	}
	talker, ok := h.(host.Talker)
	if !ok {
		return nil, fmt.Errorf("%s is this machine, and connection is another one", block)
	}
	f := &far{
		host: h, name: h.String(), dataDir: at.Path, version: p.Version, binary: p.Executable,
		program: argument(cfg.Value, "program"),
	}
	if b := argument(cfg.Value, "binary_file"); b != "" {
		if f.binary = b; !filepath.IsAbs(b) {
			f.binary = filepath.Join(cfg.Dir, b)
		}
	}
	f.api = admin.NewClientBy(func(ctx context.Context) (net.Conn, error) {
		c, err := talker.Talk(ctx, f.program, "admin-bridge", "-data", f.dataDir)
		if err != nil {
			return nil, err
		}
		if err := c.Expect(ctx, admin.BridgeGreeting); err != nil {
			_ = c.Close() // it is of no use
			if errors.Is(err, host.ErrNoProgram) {
				err = fmt.Errorf("%w: %w", admin.ErrNotRunning, err)
			}
			return nil, err
		}
		return c, nil
	})
	return f, nil
}

func argument(v cty.Value, name string) string {
	if !v.Type().HasAttribute(name) {
		return ""
	}
	a, _ := v.GetAttr(name).Unmark()
	if a.IsNull() || !a.IsKnown() {
		return ""
	}
	return a.AsString()
}

func (f *far) client() *admin.Client { return f.api }

func (f *far) workspace(ctx context.Context) (string, error) {
	at, err := f.api.Place(ctx)
	if errors.Is(err, admin.ErrNotRunning) { // not even a bridge: nothing was ever there
		return "", nil
	}
	return at.Workspace, err
}

func (f *far) holds(ctx context.Context, dir string) (bool, error) {
	holds, err := f.api.Holds(ctx, dir)
	if errors.Is(err, admin.ErrNotRunning) {
		return false, nil
	}
	return holds, err
}

func (f *far) lying(ctx context.Context, ids []admin.ID) ([]admin.Resource, error) {
	rs, err := f.api.Lying(ctx, ids)
	var refused *admin.Error
	if errors.Is(err, admin.ErrNotRunning) || errors.As(err, &refused) && refused.Code == "absent" {
		return nil, fs.ErrNotExist
	}
	return rs, err
}

func (f *far) applyLying(ctx context.Context, changes []admin.Change) ([]admin.Resource, error) {
	res, err := f.api.ApplyLying(ctx, admin.ApplyRequest{Changes: changes})
	var refused *admin.Error
	if errors.As(err, &refused) && refused.Code == "locked" {
		return nil, fmt.Errorf("%w: %w", store.ErrLocked, err)
	}
	if err == nil && len(res.Resources) != len(changes) {
		return nil, fmt.Errorf("the store in %s on %s answered %d changes with %d results", f.dataDir, f.name, len(changes), len(res.Resources))
	}
	return res.Resources, err
}

// prepare puts the binary there and takes the directory.
func (f *far) prepare(ctx context.Context, workspace string) error {
	if err := f.install(ctx); err != nil {
		return fmt.Errorf("put mailform on %s: %w", f.name, err)
	}
	return f.api.Claim(ctx, admin.ClaimRequest{Workspace: workspace})
}

// start starts the daemon: by systemd where that is in charge of the machine,
// or else in a session of its own.
func (f *far) start(ctx context.Context) error {
	supervised, err := systemd.InCharge(ctx, f.host)
	if err != nil {
		return err
	}
	if !supervised {
		return f.api.Start(ctx)
	}
	if err := f.startUnit(ctx); err != nil {
		return fmt.Errorf("start the daemon on %s: %w", f.name, err)
	}
	return answers(ctx, f.api, f.dataDir+" on "+f.name, f.unit())
}

// stop ends the daemon, and keeps systemd from starting it with the machine.
func (f *far) stop(ctx context.Context) error {
	supervised, err := f.unit().Supervises(ctx, f.host)
	if err == nil && supervised {
		err = f.unit().Disable(ctx, f.host)
	}
	if err != nil {
		return fmt.Errorf("stop the daemon on %s: %w", f.name, err)
	}
	return stopBy(ctx, f.api, f.dataDir+" on "+f.name)
}
