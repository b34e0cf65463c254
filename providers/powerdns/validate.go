package powerdns

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/zonedata"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// nameCharacters are those that the API takes in a name, after a "*." in front.
const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_/.-"

// Validate finds what the API refuses whatever the zone has: so it is known before a
// plan, and not when the zone before has been written.
func (p *Provider) Validate(_ context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	var out []providers.Problem
	refuse := func(r schema.Resource, format string, args ...any) {
		out = append(out, providers.Problem{Address: r.Address, Attribute: "name", Detail: fmt.Sprintf(format, args...)})
	}
	for _, r := range wanted {
		var name, zone rdata.Name
		var rrtype string
		switch r.Kind {
		case schema.KindZone:
			name = rdata.Name(strings.TrimSuffix(r.Key, ".") + ".")
		case schema.KindRRset:
			z, k, err := zonedata.ParseSetKey(r.Key)
			if err != nil {
				return nil, err
			}
			name, zone, rrtype = k.Name, z, k.Type
		default:
			continue
		}
		bare := strings.TrimPrefix(string(name), "*.")
		if i := strings.IndexFunc(bare, func(c rune) bool { return !strings.ContainsRune(nameCharacters, c) }); i >= 0 {
			refuse(r, "PowerDNS takes no name with %q in it, and %s has one: its API knows letters, digits, and the characters _ / and -.", bare[i:i+1], name.Host())
			continue
		}
		if rrtype == "DNSKEY" && name != zone {
			refuse(r, "PowerDNS takes DNSKEY records at the name of the zone %s alone, and these are at %s.", zone.Host(), name.Host())
		}
	}
	return out, nil
}
