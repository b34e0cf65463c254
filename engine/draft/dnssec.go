package draft

import (
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// signing says that the zone of a site is signed, if it is.
func (d *drafter) signing(s *site, f fields) {
	o := d.things[d.key(schema.KindDNSSEC, s.host)]
	if o == nil {
		return
	}
	inner := newFields()
	inner.text("denial", text(o.Attrs, "denial"))
	for _, name := range []string{"signature_lifetime", "zsk_lifetime", "ksk_lifetime", "propagation"} {
		lasts := "0"
		if n := number(o.Attrs, name); n > 0 {
			lasts = schema.FormatDuration(durationOf(n))
		}
		inner.text(name, lasts)
	}
	if agents := texts(o.Attrs, "parental_agents"); len(agents) > 0 {
		inner.set("parental_agents", schema.StringList(agents))
	}
	if v := o.Attrs.GetAttr("withdraw"); v.RawEquals(cty.True) {
		inner.set("withdraw", v)
	}
	f.add("dnssec", inner)
}

// secondaries are left: their keys have secrets, which are written down nowhere.
func (d *drafter) secondaries() {
	d.each(schema.KindSecondary, func(o *providers.Observed) {
		d.leave(d.id(o), "what it shares with the name server %s is secret; write its secondary block", text(o.Attrs, "owner"))
	})
}
