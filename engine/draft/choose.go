package draft

import (
	"slices"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/schema"
)

// whyNot says why a wanted block could not be drafted.
func (d *drafter) whyNot(w Wanted) Left {
	for _, o := range d.in.Things {
		id := d.id(&o)
		r := schema.Resource{Kind: o.Kind, Key: o.Key, Attrs: o.Attrs}
		if !plan.IsPrincipalKind(w.To.Type, o.Kind) || !plan.Names(&r, w.ID) {
			continue
		}
		switch {
		case o.Retained:
			return Left{ID: id, Why: "it was deleted; only its mail is still kept"}
		case d.declared[id] != nil:
			return Left{ID: id, Why: "it is declared already, as " + d.declared[id].Address}
		}
		d.leave(id, "a %s block cannot describe it", w.To.Type)
		return Left{ID: id, Why: d.left[id]}
	}
	return Left{Why: "there is no such thing"}
}

// choose takes out the blocks that are not wanted, and gives the others the
// labels that were asked for.
func (d *drafter) choose() {
	if d.in.Wanted == nil {
		return
	}
	type named struct{ typ, key string }
	byKey := map[named]*block{}
	byType := map[string][]*block{}
	for _, b := range d.blocks {
		b.gone = true
		byKey[named{b.Ref.Type, b.of.Key}] = b
		byType[b.Ref.Type] = append(byType[b.Ref.Type], b)
	}
	renamed := map[string]schema.Ref{}
	for _, w := range d.in.Wanted {
		b := byKey[named{w.To.Type, w.ID}]
		if b == nil {
			i := slices.IndexFunc(byType[w.To.Type], func(b *block) bool { return d.called(b.of, w.ID) })
			if i < 0 {
				continue
			}
			b = byType[w.To.Type][i]
		}
		if labelled(w.To.Type) && w.To.Name != b.Ref.Name {
			d.leave(b.of, "its name is part of what it is; import it to %s", b.Ref)
			continue
		}
		renamed[b.Ref.String()] = w.To
		b.gone = false
	}
	gone := map[string]bool{}
	for _, b := range d.blocks {
		if b.gone {
			gone[b.Ref.String()] = true
		}
	}
	for _, b := range d.blocks {
		if to, ok := renamed[b.Ref.String()]; ok {
			b.Ref.Name = to.Name
			b.fields = b.fields.renamed(renamed, gone, d.mails)
		}
	}
	for zone, ref := range d.zoneRefs {
		if to, ok := renamed[ref.Block().String()]; ok {
			to.Part = ref.Part
			d.zoneRefs[zone] = to
		} else if gone[ref.Block().String()] {
			delete(d.zoneRefs, zone)
		}
	}
	d.dropOrphans()
}

// labelled reports whether blocks of a type are at their target by their label,
// so that another label would be another thing.
func labelled(typ string) bool { return typ == "server" || typ == "nameserver" }

// called reports whether people call a thing by an ID.
func (d *drafter) called(id schema.ID, name string) bool {
	o := d.things[id]
	return o != nil && plan.Names(&schema.Resource{Kind: id.Kind, Key: id.Key, Attrs: o.Attrs}, name)
}
