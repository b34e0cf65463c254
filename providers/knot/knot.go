package knot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/rfc2136"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/miekg/dns"
)

// A Provider reconciles the zones of one Knot DNS.
type Provider struct{ rfc2136.Provider }

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	b, err := rfc2136.NewBlock(cfg.Value, cfg.Dir)
	if err == nil {
		err = p.ConfigureBy(b)
	}
	if err == nil {
		p.Control = newControl(b, cfg.Dir)
	}
	return rfc2136.Problem(err)
}

// A control makes zones by entries in Knot's configuration database.
type control struct {
	knotc            rfc2136.Program
	creates          bool
	template, policy string
}

func newControl(b rfc2136.Block, dir string) *control {
	k, n := b.Nested("knotc"), b.Nested("new_zones")
	program := k.Text("program")
	if program == "" {
		program = "knotc"
	}
	c := &control{
		knotc:   rfc2136.Program{Path: rfc2136.FindProgram(program, dir), Args: []string{"-b"}},
		creates: n.Given(), template: n.Text("template"), policy: n.Text("dnssec_policy"),
	}
	if socket := k.Path("socket"); socket != "" {
		c.knotc.Args = append(c.knotc.Args, "-s", socket)
	}
	return c
}

// Creates implements rfc2136.Control.
func (c *control) Creates() error {
	if !c.creates {
		return errors.New("the provider block has no new_zones that says how to make one")
	}
	return nil
}

// underWay is the comment of a zone in Knot's configuration while it is made or
// removed, which are two transactions: a zone without data may also be somebody's
// whose file has a mistake.
const underWay = "mailform is making or removing it"

func item(zone rdata.Name) string { return "zone[" + string(zone) + "]" }

// Halfway implements rfc2136.Halfway.
func (c *control) Halfway(ctx context.Context, zone rdata.Name) bool {
	said, err := c.knotc.Run(ctx, "conf-read", item(zone)+".comment")
	if err != nil || !strings.Contains(said, underWay) {
		return false
	}
	said, err = c.knotc.Run(ctx, "zone-status", string(zone), "+serial")
	return err == nil && strings.HasSuffix(said, "serial: -")
}

// Create implements rfc2136.Control: first the zone in the configuration, then
// its first records.
func (c *control) Create(ctx context.Context, zone rdata.Name, records []string) error {
	item := item(zone)
	settings := [][]string{{"conf-set", item}, {"conf-set", item + ".comment", underWay}}
	if c.Halfway(ctx, zone) {
		settings = append([][]string{{"conf-unset", item}}, settings...)
	}
	if c.template != "" {
		settings = append(settings, []string{"conf-set", item + ".template", c.template})
	}
	if c.policy != "" {
		settings = append(settings, []string{"conf-set", item + ".dnssec-signing", "on"}, []string{"conf-set", item + ".dnssec-policy", c.policy})
	}
	if err := c.configure(ctx, settings...); err != nil {
		return fmt.Errorf("make it: %w", err)
	}
	if err := c.fill(ctx, zone, records); err != nil {
		err = fmt.Errorf("write its first records: %w", err)
		if undo := c.remove(ctx, zone); undo != nil {
			return errors.Join(err, undo)
		}
		return err
	}
	if err := c.configure(ctx, []string{"conf-unset", item + ".comment"}); err != nil {
		return fmt.Errorf("take its comment out: %w", err)
	}
	return nil
}

// configure changes Knot's configuration.
func (c *control) configure(ctx context.Context, commands ...[]string) error {
	return c.transaction(ctx, []string{"conf-begin"}, commands, []string{"conf-commit"}, []string{"conf-abort"})
}

// fill writes the first records of a zone.
func (c *control) fill(ctx context.Context, zone rdata.Name, records []string) error {
	var sets [][]string
	for _, line := range records {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		h := rr.Header()
		sets = append(sets, []string{"zone-set", string(zone), h.Name, strconv.Itoa(int(h.Ttl)), rdata.TypeName(h.Rrtype),
			strings.TrimPrefix(rr.String(), h.String())})
	}
	return c.transaction(ctx, []string{"zone-begin", string(zone)}, sets, []string{"zone-commit", string(zone)}, []string{"zone-abort", string(zone)})
}

// transaction runs commands between a beginning and an end, or undoes them.
func (c *control) transaction(ctx context.Context, begin []string, commands [][]string, commit, abort []string) error {
	if _, err := c.knotc.Run(ctx, begin...); err != nil {
		return err
	}
	for _, args := range append(commands, commit) {
		if _, err := c.knotc.Run(ctx, args...); err != nil {
			if _, undo := c.knotc.Run(context.WithoutCancel(ctx), abort...); undo != nil {
				return errors.Join(err, undo)
			}
			return err
		}
	}
	return nil
}

// Remove implements rfc2136.Control.
func (c *control) Remove(ctx context.Context, zone rdata.Name) error {
	if err := c.remove(ctx, zone); err != nil {
		return fmt.Errorf("remove it: %w", err)
	}
	return nil
}

// remove takes a zone's data away, and the zone out of the configuration. The keys
// that signed it stay in Knot's own store.
func (c *control) remove(ctx context.Context, zone rdata.Name) error {
	if err := c.configure(ctx, []string{"conf-set", item(zone) + ".comment", underWay}); err != nil {
		return err
	}
	if _, err := c.knotc.Run(ctx, "-f", "zone-purge", string(zone), "+expire", "+timers", "+zonefile", "+journal"); err != nil {
		return err
	}
	if err := c.configure(ctx, []string{"conf-unset", item(zone)}); err != nil {
		return fmt.Errorf("%w. Its data is gone, and it still is in the configuration", err)
	}
	return nil
}
