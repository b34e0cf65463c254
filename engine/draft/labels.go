package draft

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// labels are those in use, by type of block, and for each the last number that
// was put behind it.
type labels map[string]map[string]int

func (l labels) take(typ, name string) {
	if l[typ] == nil {
		l[typ] = map[string]int{}
	}
	l[typ][name] = max(l[typ][name], 1)
}

func (l labels) taken(typ, name string) bool { return l[typ][name] > 0 }

// free is the first of some names that no block of the type has, or the first
// with a number behind it.
func (l labels) free(typ string, names ...string) string {
	for i, n := range names {
		names[i] = identifier(n)
		if !l.taken(typ, names[i]) {
			l.take(typ, names[i])
			return names[i]
		}
	}
	base := names[0]
	for {
		l[typ][base]++
		name := base + "_" + strconv.Itoa(l[typ][base])
		if !l.taken(typ, name) {
			l.take(typ, name)
			return name
		}
	}
}

// identifier makes a label of a name that is none yet: letters, digits and
// hyphens stay, all else becomes an underscore.
func identifier(name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return name
	}
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	s := strings.Trim(b.String(), "_-")
	switch {
	case s == "":
		return "x"
	case s[0] >= '0' && s[0] <= '9':
		return "n" + s
	}
	return s
}

// label is what a block for a thing is called: as it was when the thing was
// made, if that is known, or by the first of the names that is free.
func (d *drafter) label(typ string, o *providers.Observed, names ...string) string {
	if ref := plan.ParseAddress(o.Origin); ref.Type == typ && ref.Name != "" {
		name := ref.Name
		if ref.Key != cty.NilVal {
			if ref.Key.Type() == cty.String {
				name = ref.Key.AsString()
			} else {
				name += "_" + strings.Trim(schema.IndexString(ref.Key), "[]")
			}
		}
		names = append([]string{name}, names...)
	}
	return d.labels.free(typ, names...)
}

// domainLabel is the name of a domain without its last label: example for
// example.com, example_co for example.co.uk.
func domainLabel(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[:i]
	}
	return name
}
