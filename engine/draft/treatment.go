package draft

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// treatment writes how a server treats mail and those who hand it in: the blocks that are
// things of their own beside the server.
func (d *drafter) treatment(label string, f fields) {
	if o := d.things[d.key(schema.KindInbound, label)]; o != nil {
		in := newFields()
		for _, name := range []string{"spf", "dkim", "arc", "dmarc"} {
			in.text(name, text(o.Attrs, name))
		}
		lists(in, o, "trusted_sealers")
		in.set("exempt", schema.StringList(texts(o.Attrs, "exempt"))) // an empty list is not the default
		f.add("inbound", in)
	}
	if o := d.things[d.key(schema.KindResolver, label)]; o != nil {
		r := newFields()
		r.set("servers", schema.StringList(texts(o.Attrs, "servers")))
		f.add("resolver", r)
	}
	for _, o := range d.byKind[schema.KindDNSBL] {
		if text(o.Attrs, "owner") != label {
			continue
		}
		l := newFields()
		l.text("zone", text(o.Attrs, "zone"))
		l.text("action", text(o.Attrs, "action"))
		l.set("weight", cty.NumberIntVal(number(o.Attrs, "weight")))
		lists(l, o, "answers")
		f.add("dnsbl", l)
	}
	if o := d.things[d.key(schema.KindGreylist, label)]; o != nil {
		g := newFields()
		for _, name := range []string{"delay", "retry_within", "keep"} {
			g.text(name, seconds(number(o.Attrs, name)))
		}
		g.set("known_after", cty.NumberIntVal(number(o.Attrs, "known_after")))
		if pass, ok := attr(o.Attrs, "pass_spf"); ok {
			g.set("pass_spf", pass)
		}
		lists(g, o, "exempt")
		f.add("greylist", g)
	}
	if o := d.things[d.key(schema.KindUpkeep, label)]; o != nil {
		u := newFields()
		for _, name := range []string{"trash", "junk"} {
			if n := number(o.Attrs, name); n > 0 {
				u.text(name, seconds(n))
			}
		}
		if warn, ok := attr(o.Attrs, "warn"); ok && warn.LengthInt() > 0 {
			u.set("warn", warn)
		}
		f.add("upkeep", u)
	}
	d.limits(label, f)
}

// lists writes a list that is not empty.
func lists(f fields, o *providers.Observed, name string) {
	if list := texts(o.Attrs, name); len(list) > 0 {
		f.set(name, schema.StringList(list))
	}
}

func seconds(n int64) string { return schema.FormatDuration(time.Duration(n) * time.Second) }

// limits writes what clients can have: a block for all services that say the same.
func (d *drafter) limits(label string, f fields) {
	type group struct {
		services []string
		inner    fields
	}
	var groups []*group
	byText := map[string]*group{}
	for _, service := range schema.LimitedServices {
		o := d.things[d.key(schema.KindLimit, label+"/"+service)]
		if o == nil {
			continue
		}
		inner := newFields()
		key := strings.Join(texts(o.Attrs, "exempt"), ",")
		for _, name := range slices.Sorted(maps.Keys(schema.LimitRanges)) {
			n := number(o.Attrs, name)
			v := cty.NumberIntVal(n)
			switch {
			case n == 0:
				continue
			case name == "header_size":
				v = cty.StringVal(schema.FormatSize(n))
			case name == "timeout", name == "data_timeout":
				v = cty.StringVal(seconds(n))
			}
			inner.set(name, v)
			key += " " + name + "=" + v.GoString()
		}
		lists(inner, o, "exempt")
		g := byText[key]
		if g == nil {
			g = &group{inner: inner}
			byText[key], groups = g, append(groups, g)
		}
		g.services = append(g.services, service)
	}
	for _, g := range groups {
		g.inner.set("services", schema.StringList(g.services))
		f.add("limits", g.inner)
	}
}
