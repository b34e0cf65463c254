package draft

import (
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// shared reports whether a record set is one that a zone's block makes in part
// and record blocks add to.
func shared(o *providers.Observed) bool {
	typ := text(o.Attrs, "type")
	return text(o.Attrs, "name") == text(o.Attrs, "zone") && (typ == "TXT" || typ == "NS")
}

// records drafts a record block for each record set. Where another block makes
// the same one, package expand refuses the record block, which is then taken out.
func (d *drafter) records() {
	d.each(schema.KindRRset, func(o *providers.Observed) {
		if !shared(o) {
			d.record(o, texts(o.Attrs, "values"), nil)
		}
	})
}

// sharedRecords drafts record blocks for what no block makes of the record sets
// that zones share with record blocks. It reports whether there are any; the
// draft is then judged again.
func (d *drafter) sharedRecords(res *expand.Result) bool {
	if d.zoned {
		return false
	}
	d.zoned = true
	made := map[schema.ID]*schema.Resource{}
	for i := range res.Resources {
		made[res.Resources[i].ID()] = &res.Resources[i]
	}
	before := len(d.blocks)
	d.each(schema.KindRRset, func(o *providers.Observed) {
		if !shared(o) {
			return
		}
		by := made[d.id(o)]
		if by == nil {
			d.record(o, texts(o.Attrs, "values"), nil)
			return
		}
		if more := extras(texts(by.Attrs, "values"), o); len(more) > 0 {
			d.record(o, more, by)
		}
	})
	return len(d.blocks) > before
}

// record drafts the block for values of a record set; by is what makes others of
// them, or nil.
func (d *drafter) record(o *providers.Observed, values []string, by *schema.Resource) {
	zone := rdata.Name(text(o.Attrs, "zone"))
	ref, ok := d.zoneRefs[zone.Host()]
	if !ok {
		d.leave(d.id(o), "no block of the root module declares the zone %s", zone.Host())
		return
	}
	label, wanted := d.wantedRecord(o)
	if !wanted {
		return
	}
	name, typ := rdata.Name(text(o.Attrs, "name")), text(o.Attrs, "type")
	f := newFields()
	f.ref("zone", ref)
	f.text("name", ownerText(name, zone))
	f.text("type", typ)
	if by != nil { // the time to live is that of what it adds to
	} else if z := d.things[d.key(schema.KindZone, zone.Host())]; z == nil || number(o.Attrs, "ttl") != d.zoneTTL(z) {
		f.text("ttl", ttlText(number(o.Attrs, "ttl")))
	}
	f.set("values", schema.StringList(values))
	if label == "" {
		label = d.label("record", o, recordLabels(name, zone, typ, ref.Name)...)
	}
	d.add("record", o, label, strings.TrimSuffix(string(name), ".")+"/"+typ, f)
}

// wantedRecord is the label that was asked for, where only some blocks are
// wanted; else all are, and their labels are free.
func (d *drafter) wantedRecord(o *providers.Observed) (label string, wanted bool) {
	if d.in.Wanted == nil {
		return "", true
	}
	for _, w := range d.in.Wanted {
		if w.To.Type == "record" && d.called(d.id(o), w.ID) {
			return w.To.Name, true
		}
	}
	return "", false
}

// recordLabels are names for a record block, the best first.
func recordLabels(name, zone rdata.Name, typ, zoneLabel string) []string {
	short := "apex"
	if name != zone {
		short = strings.Replace(strings.TrimSuffix(string(name), "."+string(zone)), "*", "any", 1)
		short = strings.TrimLeft(short, "_")
	}
	long := short + "_" + zoneLabel
	suffix := "_" + strings.ToLower(typ)
	list := []string{short + suffix, long + suffix}
	if typ == "A" && short != "apex" {
		list = slices.Insert(list, 0, short)
	}
	return list
}

// recordOrder sorts the keys of record sets: by zone, its own records first.
func recordOrder(key string) string {
	zone, rest, _ := strings.Cut(key, "/")
	if strings.HasPrefix(rest, zone+"./") {
		return zone + "\x00" + rest
	}
	return zone + "\x01" + rest
}

// ownerText is the name of a record as a file has it: below its zone, with a
// backslash before what would else be taken for a slip.
func ownerText(name, zone rdata.Name) string {
	if name == zone {
		return "@"
	}
	s := string(name)
	if zone != rdata.Root {
		s = strings.TrimSuffix(s, "."+string(zone))
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			b.WriteByte(c)
			i++
			b.WriteByte(s[i])
		case c == '*' && (i > 0 || len(s) > 1 && s[1] != '.'), strings.IndexByte("!#$%&+,:<=>?[]^`{|}~", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
