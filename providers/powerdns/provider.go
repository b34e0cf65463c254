package powerdns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A Provider keeps zones in one PowerDNS.
type Provider struct {
	client *client
	kind   string // of zones that are made
	dnssec bool
	zones  []rdata.Name // beyond those that a scope speaks of
}

// Configure implements providers.Provider.
func (p *Provider) Configure(_ context.Context, cfg providers.Config) hcl.Diagnostics {
	if cfg.Value == cty.NilVal || cfg.Value.IsNull() {
		return fault(errors.New("there is no block provider \"powerdns\" any more that says where the server is"))
	}
	value, _ := cfg.Value.UnmarkDeep()
	at, err := schema.ParseHTTP(zonedata.Text(value, "url"))
	if err != nil {
		return fault(fmt.Errorf("url: %w", err))
	}
	key := zonedata.Text(value, "api_key")
	if key == "" {
		return fault(errors.New("api_key is empty or not known"))
	}
	timeout, err := schema.ParseDuration(cmp.Or(zonedata.Text(value, "timeout"), "30s"))
	if err != nil {
		return fault(fmt.Errorf("timeout: %w", err))
	}
	ca := zonedata.Text(value, "ca_file")
	if ca != "" && !filepath.IsAbs(ca) {
		ca = filepath.Join(cfg.Dir, ca)
	}
	if p.client, err = newClient(at, cmp.Or(zonedata.Text(value, "server_id"), "localhost"), key, ca, timeout); err != nil {
		return fault(fmt.Errorf("ca_file: %w", err))
	}
	p.kind = cmp.Or(zonedata.Text(value, "zone_kind"), "Native")
	p.dnssec = value.Type().HasAttribute("dnssec") && value.GetAttr("dnssec").RawEquals(cty.True)
	p.zones = nil
	for _, z := range zonedata.Texts(value, "zones") {
		name, err := schema.ParseDomainName(z)
		if err != nil {
			return fault(fmt.Errorf("zones: %q: %w", z, err))
		}
		p.zones = append(p.zones, rdata.Name(name+"."))
	}
	if at.Scheme == "http" && !loopback(at.Hostname()) {
		return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "API key without TLS",
			Detail: fmt.Sprintf("The provider powerdns sends its api_key to %s in clear text. Whoever reads it on the way can change all zones. Put TLS before PowerDNS's web server, or a tunnel.", at.Host)}}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func fault(err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable provider configuration", Detail: "The provider powerdns cannot be set up: " + err.Error() + "."}}
}

// Read implements providers.Provider: it reads the zones that the scope speaks of,
// and those that the block names; for a scope that speaks of nothing, all zones.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	names, _ := zonedata.Zones(scope)
	if len(scope.Wanted)+len(scope.Prior) == 0 && len(p.zones) == 0 {
		var err error
		if names, err = p.client.list(ctx); err != nil {
			return nil, err
		}
	}
	seen := map[rdata.Name]bool{}
	var out []providers.Observed
	for _, n := range append(names, p.zones...) {
		if seen[n] {
			continue
		}
		seen[n] = true
		z, err := p.zone(ctx, n)
		if err != nil {
			return nil, err
		}
		if z != nil {
			out = append(out, z.Observed()...)
		}
	}
	return out, nil
}

// zone reads a zone; nil: it is not there.
func (p *Provider) zone(ctx context.Context, name rdata.Name) (*zone, error) {
	remote, err := p.client.zone(ctx, name)
	if err != nil || remote == nil || remote.halfway() {
		return nil, err
	}
	z, err := read(name, remote)
	if err != nil {
		return nil, fmt.Errorf("the zone %s in PowerDNS at %s: %w", name, p.client.origin, err)
	}
	return z, nil
}
