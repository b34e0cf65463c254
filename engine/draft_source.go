package engine

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/engine/draft"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// DraftThings makes blocks for things that come from a file or from another
// server, beside what the workspace's files declare. It looks at no target and
// no state. Clashes is what the files declare otherwise.
func (w *Workspace) DraftThings(module *config.Module, opts config.Options, things []providers.Observed) (made *draft.Draft, clashes []draft.Left, diags hcl.Diagnostics) {
	// Values that are not set matter nowhere here.
	opts.Version, opts.AllowUnset = w.Version, true
	cfg, diags := module.Evaluate(opts, nil)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	expansion := expand.Options{Version: w.Version, Partial: true}
	res, more := expand.Expand(cfg, expansion)
	if diags = append(diags, more...); more.HasErrors() {
		return nil, nil, diags
	}
	target := holder(res.NameServers, things)
	in := draft.Input{
		Target: target, NameServers: res.NameServers, MailDomains: res.MailDomains, Things: things, Config: cfg, Declared: res.Resources,
		Expand: expansion, Variables: module.VariableNames(), Unmade: true,
	}
	made, err := draft.Make(in)
	if err != nil {
		return nil, nil, append(diags, failure("Cannot write the configuration", "%s.", err)...)
	}
	declared := map[schema.ID]*schema.Resource{}
	for i := range res.Resources {
		declared[res.Resources[i].ID()] = &res.Resources[i]
	}
	for i := range things {
		id := schema.ID{Target: target, Kind: things[i].Kind, Key: things[i].Key}
		r := declared[id]
		if r == nil {
			continue
		}
		if names, _ := plan.Differences(r, &things[i]); len(names) > 0 {
			clashes = append(clashes, draft.Left{ID: id, Why: "the files declare it otherwise, as " + r.Address + ": " + strings.Join(names, ", ")})
		}
	}
	return made, clashes, diags
}

// holder is the target that is to hold things which come from elsewhere: that of
// the name server that a zone among them names, or else of the first; without one
// the default.
func holder(servers []expand.NameServer, things []providers.Observed) string {
	if len(servers) == 0 {
		return schema.DefaultProvider
	}
	for i := range things {
		if o := &things[i]; o.Kind == schema.KindZone {
			for _, s := range servers {
				if string(s.Host) == o.Attrs.GetAttr("primary").AsString() {
					return s.Target
				}
			}
			return servers[0].Target
		}
	}
	return schema.DefaultProvider
}

// NameServer is a thing that stands for a name server of which nothing is known
// but its name, for zones from a file where the workspace declares none.
func NameServer(host rdata.Name) providers.Observed {
	label, _, _ := strings.Cut(host.Host(), ".")
	return providers.Observed{Kind: schema.KindListener, Key: label + "/dns", Attrs: cty.ObjectVal(map[string]cty.Value{
		"owner": cty.StringVal(label), "service": cty.StringVal("dns"), "hostname": cty.StringVal(host.Host()),
		"listen": cty.ListVal([]cty.Value{cty.StringVal(":53")}), "listen_tls": cty.ListValEmpty(cty.String),
	})}
}

// Declares reports whether the workspace's files have a block of a type.
func Declares(module *config.Module, opts config.Options, typ string) bool {
	cfg, _ := module.Evaluate(opts, nil)
	return slices.ContainsFunc(cfg.Instances, func(i config.Instance) bool { return i.Ref.Type == typ })
}

// MailDomains are the domains that the workspace's files have a server for.
func MailDomains(w *Workspace, module *config.Module, opts config.Options) []string {
	opts.AllowUnset, opts.Version = true, w.Version
	cfg, _ := module.Evaluate(opts, nil)
	res, _ := expand.Expand(cfg, expand.Options{Version: w.Version, Partial: true})
	if res == nil {
		return nil
	}
	var out []string
	for i := range res.Resources {
		if res.Resources[i].Kind == schema.KindMailDomain {
			out = append(out, res.Resources[i].Key)
		}
	}
	return out
}
