package bind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema/rdata"
)

// A Provider reconciles the zones of one BIND.
type Provider struct{ rfc2136.Provider }

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	b, err := rfc2136.NewBlock(cfg.Value, cfg.Dir)
	if err == nil {
		err = p.ConfigureBy(b)
	}
	if err == nil {
		p.Control, err = newControl(b, cfg.Dir)
	}
	return rfc2136.Problem(err)
}

// A control makes zones by rndc addzone and removes them by rndc delzone.
type control struct {
	rndc rfc2136.Program
	// directory is where zone files are begun; empty: zones are not made.
	directory       string
	options, policy string
}

func newControl(b rfc2136.Block, dir string) (*control, error) {
	r, n := b.Nested("rndc"), b.Nested("new_zones")
	program := r.Text("program")
	if program == "" {
		program = "rndc"
	}
	c := &control{
		rndc:      rfc2136.Program{Path: rfc2136.FindProgram(program, dir)},
		directory: n.Path("directory"), options: strings.TrimSpace(n.Text("options")), policy: n.Text("dnssec_policy"),
	}
	if path := r.Path("config_file"); path != "" {
		c.rndc.Args = append(c.rndc.Args, "-c", path)
	}
	if path := r.Path("key_file"); path != "" {
		c.rndc.Args = append(c.rndc.Args, "-k", path)
	}
	if address := r.Text("address"); address != "" {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("address of rndc: %w", err)
		}
		c.rndc.Args = append(c.rndc.Args, "-s", host, "-p", port)
	}
	if c.options != "" && !strings.HasSuffix(c.options, ";") {
		return nil, errors.New("options of new_zones: each statement ends in a semicolon, the last one too")
	}
	return c, nil
}

// Creates implements rfc2136.Control.
func (c *control) Creates() error {
	if c.directory == "" {
		return errors.New("the provider block has no new_zones that says how to make one")
	}
	return nil
}

// Create implements rfc2136.Control. BIND takes a zone only with a file. Of what
// an earlier run has begun, the same file may be there already.
func (c *control) Create(ctx context.Context, zone rdata.Name, records []string) error {
	path, err := filepath.Abs(filepath.Join(c.directory, fileName(zone)))
	if err != nil {
		return err
	}
	text := strings.Join(records, "\n") + "\n"
	if err := begin(path, text); err != nil {
		return err
	}
	statements := fmt.Sprintf("type primary; file %s;", quote(path))
	if c.policy != "" {
		statements += fmt.Sprintf(" dnssec-policy %s;", quote(c.policy))
	}
	if c.options != "" {
		statements += " " + c.options
	}
	if _, err := c.rndc.Run(ctx, "addzone", quote(zone.Host()), "{ "+statements+" };"); err != nil {
		return errors.Join(fmt.Errorf("make it: %w; BIND's log may say more", err), os.Remove(path))
	}
	return nil
}

// begin writes a zone's first file. It leaves one that is there alone.
func begin(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		have, err := os.ReadFile(path)
		if err == nil && string(have) == text {
			return nil
		}
		return fmt.Errorf("there is a file %s already, and it may hold a zone of somebody's. Move it away, or have BIND load the zone from it", path)
	}
	if err != nil {
		return fmt.Errorf("begin a zone file: %w", err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("begin a zone file: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Remove implements rfc2136.Control. A zone of BIND's own configuration files
// would come back when BIND starts anew, so it is not removed.
func (c *control) Remove(ctx context.Context, zone rdata.Name) error {
	said, err := c.rndc.Run(ctx, "zonestatus", zone.Host())
	if err != nil {
		return fmt.Errorf("ask about it: %w", err)
	}
	if strings.Contains(said, "reconfigurable via modzone: no") {
		return errors.New("it stands in BIND's configuration files and would come back from there. Remove it there by hand")
	}
	if _, err := c.rndc.Run(ctx, "delzone", "-clean", zone.Host()); err != nil {
		return fmt.Errorf("remove it: %w", err)
	}
	// BIND answers first and removes the files then, in its turn: before the next
	// command. Who made the zone anew without waiting would lose its new file.
	if _, err := c.rndc.Run(ctx, "status"); err != nil {
		return fmt.Errorf("wait until its files are removed: %w", err)
	}
	if c.directory == "" {
		return nil
	}
	// BIND has removed the file, unless it was writing the zone just then.
	if err := os.Remove(filepath.Join(c.directory, fileName(zone))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove its file: %w", err)
	}
	return nil
}

// fileName is a file's name for a zone: what could mean something else in a path
// is written as %XX.
func fileName(zone rdata.Name) string {
	var b strings.Builder
	for _, c := range []byte(zone.Host()) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String() + ".zone"
}

// quote writes a quoted string of BIND's configuration.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
