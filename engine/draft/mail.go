package draft

import (
	"slices"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func durationOf(seconds int64) time.Duration { return time.Duration(seconds) * time.Second }

// users drafts a block for each mailbox, with the aliases and the forward that
// belong to it.
func (d *drafter) users() {
	aliases := d.personalAliases()
	d.each(schema.KindMailbox, func(o *providers.Observed) {
		local, host := splitAddress(o.Key)
		domain, ok := d.find(schema.KindMailDomain, host)
		if !ok {
			d.leave(d.id(o), "no block of the root module declares the domain %s", host)
			return
		}
		f := newFields()
		f.ref("domain", domain)
		f.text("name", local)
		f.text("quota", schema.FormatSize(number(o.Attrs, "quota")))
		f.set("protocols", schema.StringList(texts(o.Attrs, "protocols")))
		mail := text(o.Attrs, "mail")
		f.text("mail", mail)
		if script := text(o.Attrs, "sieve"); script != "" {
			f.text("sieve", script)
		}
		if names := aliases[o.Key]; len(names) > 0 {
			f.set("aliases", schema.StringList(names))
		}
		route := d.things[d.key(schema.KindRoute, o.Key)]
		if mail == "forward" && route != nil && text(route.Attrs, "type") == "forward" {
			f.set("forward_to", d.recipients(texts(route.Attrs, "members")))
			f.set("keep_copy", cty.BoolVal(yes(route.Attrs, "keep_copy")))
		}
		hashes := texts(o.Attrs, "password_hash")
		if len(hashes) > 0 {
			f.set("password_hash", schema.StringList(hashes))
		}
		b := d.add("user", o, d.label("user", o, local, local+"_"+domain.Name), o.Key, f)
		b.hash = hashes
		d.knowMail(o.Key, b.Ref)
	})
}

// personalAliases are the local parts of aliases that belong to one mailbox of
// the same domain, by its address. Others get a block of their own, and so do
// those that had one.
func (d *drafter) personalAliases() map[string][]string {
	out := map[string][]string{}
	d.each(schema.KindRoute, func(o *providers.Observed) {
		members := texts(o.Attrs, "members")
		local, host := splitAddress(o.Key)
		if text(o.Attrs, "type") != "alias" || len(members) != 1 || local == "" {
			return
		}
		_, home := splitAddress(members[0])
		mailbox := d.things[d.key(schema.KindMailbox, members[0])]
		origin := plan.ParseAddress(o.Origin).Type
		switch {
		case home != host || mailbox == nil || d.declared[d.key(schema.KindMailbox, members[0])] != nil:
		case origin == "alias" || local == "postmaster" && origin != "user":
		default:
			out[members[0]] = append(out[members[0]], local)
		}
	})
	return out
}

func splitAddress(address string) (local, host string) {
	i := strings.LastIndexByte(address, '@')
	return address[:max(i, 0)], address[i+1:]
}

// aliases gives the routes that are left to their domains, as postmaster and
// catch-all, or a block of their own. Then all addresses are known, and those in
// lists become references.
func (d *drafter) aliases() {
	taken := map[string]bool{}
	domains := map[string]*block{}
	for _, b := range d.blocks {
		switch b.Ref.Type {
		case "user":
			_, host := splitAddress(b.ID)
			if v, ok := b.fields.attrs["aliases"]; ok {
				for _, el := range v.AsValueSlice() {
					taken[el.AsString()+"@"+host] = true
				}
			}
			if _, ok := b.fields.attrs["forward_to"]; ok {
				taken[b.ID] = true
			}
		case "domain":
			domains[b.ID] = b
		}
	}
	d.each(schema.KindRoute, func(o *providers.Observed) {
		if taken[o.Key] {
			return
		}
		local, host := splitAddress(o.Key)
		members := texts(o.Attrs, "members")
		own := domains[host]
		switch typ := text(o.Attrs, "type"); {
		case typ == "catch_all" && len(members) != 1:
			d.leave(d.id(o), "a catch-all goes to one recipient; an alias block can have several")
		case typ == "catch_all" && own == nil:
			d.leave(d.id(o), "the domain is declared in the files; write catch_all = %q there", members[0])
		case typ == "catch_all":
			own.fields.text("catch_all", members[0])
		case typ == "refused":
			d.leave(d.id(o), "it is a disabled user beside a catch-all; a user block with mail = \"disabled\" makes it")
		case typ == "forward":
			d.leave(d.id(o), "it is a forward of a mailbox that does not forward")
		case local == "postmaster" && own != nil && len(members) == 1 && plan.ParseAddress(o.Origin).Type != "alias":
			own.fields.text("postmaster", members[0])
		default:
			d.alias(o, local, host, members)
		}
	})
	for _, b := range d.blocks {
		b.fields = d.mailRefs(b.fields)
	}
}

func (d *drafter) alias(o *providers.Observed, local, host string, members []string) {
	domain, ok := d.find(schema.KindMailDomain, host)
	if !ok {
		d.leave(d.id(o), "no block of the root module declares the domain %s", host)
		return
	}
	if ref, taken := d.find("mail", o.Key); taken {
		d.leave(d.id(o), "%s has that address already; it can forward its mail, with mail and forward_to", ref)
		return
	}
	f := newFields()
	f.ref("domain", domain)
	f.text("name", local)
	f.set("members", d.recipients(members))
	b := d.add("alias", o, d.label("alias", o, local, local+"_"+domain.Name), o.Key, f)
	d.knowMail(o.Key, b.Ref)
}

// mailRefs puts references in the place of the addresses of users and aliases.
func (d *drafter) mailRefs(f fields) fields {
	refOf := func(v cty.Value) cty.Value {
		if ref, ok := d.find("mail", v.AsString()); ok {
			return schema.RefVal(ref)
		}
		return v
	}
	for name, v := range f.attrs {
		switch {
		case v.Type().IsTupleType():
			vals := slices.Clone(v.AsValueSlice())
			for i := range vals {
				vals[i] = refOf(vals[i])
			}
			f.attrs[name] = cty.TupleVal(vals)
		case name == "postmaster" || name == "catch_all":
			f.attrs[name] = refOf(v)
		}
	}
	for _, list := range f.blocks {
		for _, inner := range list {
			d.mailRefs(inner)
		}
	}
	return f
}

// mostSecrets is how many users have a variable each for their password hashes.
// More of them share one map.
const mostSecrets = 10

// secrets names the variables for password hashes.
func (d *drafter) secrets(out *Draft) {
	n := 0
	for i := range out.Blocks {
		if len(out.Blocks[i].hash) > 0 {
			n++
		}
	}
	taken := labels{}
	for _, v := range d.in.Variables {
		taken.take("variable", v)
	}
	out.shared = taken.free("variable", "password_hashes", "password_hashes_"+d.in.Target)
	shared := ""
	if n > mostSecrets {
		shared = out.shared
	}
	for i := range out.Blocks {
		b := &out.Blocks[i]
		switch {
		case len(b.hash) == 0:
		case shared != "":
			b.Secret, b.Shared = shared, true
		default:
			b.Secret = taken.free("variable", b.Ref.Name+"_password_hash")
		}
	}
}
