package plan

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// domainAttribute is the attribute of a kind that tells the domain.
var domainAttribute = map[string]string{
	schema.KindDKIMKey: "domain", schema.KindMailDomain: "name", schema.KindMailbox: "address",
	schema.KindRoute: "address", schema.KindZone: "name", schema.KindRRset: "zone",
}

// Domain is the domain or zone that a change is about; empty for one that is about
// a server.
func (c *Change) Domain() string {
	name := domainAttribute[c.ID.Kind]
	for _, v := range []cty.Value{c.After, c.Before} {
		if name == "" || v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
			continue
		}
		if a := v.GetAttr(name); a.Type() == cty.String && a.IsKnown() && !a.IsNull() {
			text := a.AsString()
			return strings.TrimSuffix(text[strings.LastIndexByte(text, '@')+1:], ".")
		}
	}
	return ""
}
