package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/mailform/mailform/schema"
)

// Replaceable reports whether a resource that is there and as declared may be
// made anew on demand: not what holds other things, which would go with it, and
// not a key, whose signatures on mail under way could no longer be checked: a
// key is changed by another selector beside it.
func Replaceable(kind string) bool {
	switch kind {
	case schema.KindProcess, schema.KindDKIMKey, schema.KindMailDomain, schema.KindMailbox, schema.KindZone, schema.KindDNSSEC:
		return false
	}
	return true
}

// Asked reports whether one of the -replace arguments asks for a resource to be
// made anew.
func Asked(replaces []string, r *schema.Resource) bool {
	return len(replaces) > 0 && Replaceable(r.Kind) && newPatterns(replaces).cover(r.Address)
}

func (m *maker) asked(r *schema.Resource) bool { return Asked(m.in.Replaces, r) }

// replacements warns of -replace arguments that replace nothing.
func (m *maker) replacements() {
	for _, arg := range m.in.Replaces {
		p, found := newPattern(arg), false
		for i := range m.plan.Changes {
			c := &m.plan.Changes[i]
			found = found || c.Action == Replace && p.covers(c.Address)
		}
		if !found {
			m.diags = append(m.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "Nothing to replace",
				Detail: fmt.Sprintf("Nothing that is there, and that is selected, has an address that is or lies below %s and can be replaced. "+
					"Processes, mail domains, mailboxes and zones cannot, because what they hold would go with them, nor DKIM keys, which change by another selector, nor the keys of signed zones, which roll.", arg),
			})
		}
	}
}
