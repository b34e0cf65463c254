package dovecot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/schema"
)

// trySetting is run with doveconf, dovecot.conf and a setting: what Dovecot says of its
// configuration with that setting. Nothing of it stays. From 2.4 on the version comes
// before all else.
const trySetting = `set -eu
f=$(mktemp)
trap 'rm -f "$f"' EXIT
grep '^[[:space:]]*dovecot_config_version' "$2" >"$f" || true
printf '!include %s\n%s\n' "$2" "$3" >>"$f"
"$1" -c "$f" -n`

// packaged are the services that packages of their own bring along.
var packaged = map[string]struct{ name, bring string }{
	"managesieve": {"ManageSieve", "Pigeonhole's part for it there (dovecot-managesieved), or leave out the block"},
	"submission":  {"submission", "its part for it there (dovecot-submissiond), or leave out offered_by"},
}

// validateProtocols asks a Dovecot that is to serve one of those whether it has it:
// told of a protocol that it does not know, it would refuse all that it is told.
func (p *Provider) validateProtocols(ctx context.Context, resources []schema.Resource) ([]providers.Problem, error) {
	var problems []providers.Problem
	for i := range resources {
		r := &resources[i]
		_, service := splitListener(r.Key)
		if _, asked := packaged[service]; !asked || r.Kind != schema.KindListener {
			continue
		}
		more, err := p.validateProtocol(ctx, r.Address, service)
		if err != nil {
			return problems, err
		}
		problems = append(problems, more...)
	}
	return problems, nil
}

func (p *Provider) validateProtocol(ctx context.Context, address, service string) ([]providers.Problem, error) {
	main, err := p.host.Read(ctx, p.mainFile())
	if err != nil || !main[0].Exists {
		return nil, err
	}
	out, err := p.host.Run(ctx, host.Cmd("sh", "-c", trySetting, "sh", p.program("doveconf"), p.mainFile(), "protocols = "+services[service].protocol))
	if err != nil {
		return nil, err
	}
	if out.Code == 0 || !strings.Contains(string(out.Stderr), "Unknown protocol") {
		return nil, nil // what else is wrong is said where it matters
	}
	what := packaged[service]
	return []providers.Problem{{Address: address, Attribute: "service",
		Detail: fmt.Sprintf("Dovecot on %s does not know %s: install %s.", p.host, what.name, what.bring)}}, nil
}

// othersProtocols are the protocols that Dovecot serves by what others say: none
// that we have, or had as our settings were written.
func (st *state) othersProtocols() []string {
	was, _, _ := parseMarks(st.conf.Content) // which could be read before
	ours := map[string]bool{"none": true}
	for name, s := range services {
		written := func(marks map[schema.ID]mark) bool {
			for id := range marks {
				if _, service := splitListener(id.Key); id.Kind == schema.KindListener && service == name {
					return true
				}
			}
			return false
		}
		ours[s.protocol] = !s.left || written(was) || written(st.settings.marks)
	}
	return slices.DeleteFunc(strings.Fields(st.tree.values["protocols"]), func(name string) bool { return ours[name] })
}

// ownScripts is the block that says where users keep scripts themselves.
const ownScripts = "sieve_script mailform-personal"

// keepsScripts reports whether the administrator has said where users keep scripts
// themselves, from 2.4 on.
func keepsScripts(t *tree) bool {
	for name, list := range t.blocks {
		if !strings.HasPrefix(name, "sieve_script ") || name == ownScripts {
			continue
		}
		for _, b := range list {
			if typ := b.values["type"]; typ == "" || typ == "personal" {
				return true
			}
		}
	}
	return false
}

// sorts reports whether Dovecot is to run Sieve scripts: those that users are given,
// or those that they put there themselves.
func (st *state) sorts() bool {
	return st.list.wantsScripts() || st.settings.serves("managesieve")
}
