package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A site is a name that is a mail domain, a zone, or both.
type site struct {
	host       string // without a dot at the end
	name       rdata.Name
	mail, zone *providers.Observed
	keys       []*providers.Observed // that sign its mail
}

// zones drafts a block for each name that is a mail domain or a zone: a domain
// where there is mail, else a zone.
func (d *drafter) zones() {
	sites := map[string]*site{}
	at := func(host string) *site {
		if sites[host] == nil {
			sites[host] = &site{host: host, name: rdata.Name(host + ".")}
		}
		return sites[host]
	}
	d.each(schema.KindMailDomain, func(o *providers.Observed) { at(o.Key).mail = o })
	d.each(schema.KindZone, func(o *providers.Observed) { at(o.Key).zone = o })
	d.each(schema.KindDKIMKey, func(o *providers.Observed) {
		if s := sites[text(o.Attrs, "domain")]; s != nil {
			s.keys = append(s.keys, o)
		}
	})
	for _, host := range sortedKeys(sites) {
		s := sites[host]
		switch {
		case s.mail == nil && d.hasDomain(host):
			d.leave(d.id(s.zone), "the files declare the domain without a nameserver; name the one that holds the zone there")
		case s.mail != nil || d.speaksOfMail(s):
			d.domain(s)
		default:
			d.zone(s)
		}
	}
}

// hasDomain reports whether the files declare a mail domain of that name.
func (d *drafter) hasDomain(host string) bool {
	_, ok := d.find(schema.KindMailDomain, host)
	return ok
}

// set is a record set of a site's zone; nil for one that is not there.
func (d *drafter) set(s *site, name rdata.Name, typ string) *providers.Observed {
	if s.zone == nil {
		return nil
	}
	return d.things[d.key(schema.KindRRset, s.host+"/"+string(name)+"/"+typ)]
}

// speaksOfMail reports whether a zone without a mail domain of ours is best
// said by a domain block: its mail goes elsewhere, and its SOA record has the
// times of a domain, which has no arguments for them.
func (d *drafter) speaksOfMail(s *site) bool {
	mx := d.set(s, s.name, "MX")
	if mx == nil || !strings.Contains(s.host, ".") {
		return false
	}
	if _, err := exchanges(texts(mx.Attrs, "values")); err != nil {
		return false
	}
	return d.in.Unmade || d.plainSOA(s)
}

// plainSOA reports whether a zone has what a domain block makes of it.
func (d *drafter) plainSOA(s *site) bool {
	f := newFields()
	d.zoneFields(s, f)
	for _, name := range []string{"primary", "contact", "refresh", "retry", "expire", "negative_ttl"} {
		if v, ok := f.attrs[name]; ok && !isDefault("zone", name, v) {
			return false
		}
	}
	return true
}

func isDefault(typ, name string, v cty.Value) bool {
	a := schema.BlockByType(typ).Attribute(name)
	return a.Default != cty.NilVal && saysDefault(a, v)
}

// nameserver is the one to hold a site's zone: that of its SOA record, or one of
// its NS records, or any.
func (d *drafter) nameserver(s *site) (hostRef, bool) {
	primary := rdata.Name(text(s.zone.Attrs, "primary")).Host()
	hosts := []string{primary}
	if ns := d.set(s, s.name, "NS"); ns != nil {
		for _, v := range texts(ns.Attrs, "values") {
			hosts = append(hosts, rdata.Name(v).Host())
		}
	}
	for _, h := range hosts {
		if ref, ok := d.host("nameserver", h); ok {
			return hostRef{ref, strings.ToLower(h)}, true
		}
	}
	if all := d.hostRefs["nameserver"]; len(all) > 0 {
		return all[0], true
	}
	return hostRef{}, false
}

// zoneFields says what a zone block says: all but its name.
func (d *drafter) zoneFields(s *site, f fields) {
	ns, ok := d.nameserver(s)
	if ok {
		f.ref("nameserver", ns.ref)
	}
	if primary := rdata.Name(text(s.zone.Attrs, "primary")).Host(); primary != ns.host {
		f.text("primary", primary)
	}
	if contact := rdata.Name(text(s.zone.Attrs, "contact")); contact != s.name.Under("hostmaster") {
		f.text("contact", contactAddress(contact))
	}
	for _, name := range []string{"refresh", "retry", "expire", "negative_ttl"} {
		f.text(name, ttlText(number(s.zone.Attrs, name)))
	}
	f.text("ttl", ttlText(d.zoneTTL(s.zone)))
}

// contactAddress is the mail address that a name in a SOA record stands for
// (RFC 1035 §8): the first label is the local part.
func contactAddress(n rdata.Name) string {
	parent := n.Parent()
	local := strings.TrimSuffix(strings.TrimSuffix(string(n), string(parent)), ".")
	return strings.ReplaceAll(local, `\.`, ".") + "@" + parent.Host()
}

// ttlText is a time in the form in which people write it.
func ttlText(seconds int64) string {
	if seconds%60 == 0 && seconds > 0 {
		return schema.FormatDuration(durationOf(seconds))
	}
	return strconv.FormatInt(seconds, 10)
}

func (d *drafter) zone(s *site) {
	f := newFields()
	f.text("name", s.host)
	d.zoneFields(s, f)
	if _, ok := f.attrs["nameserver"]; !ok {
		d.leave(d.id(s.zone), "there is no name server that could hold it; declare a nameserver block")
		return
	}
	d.signing(s, f)
	b := d.add("zone", s.zone, d.label("zone", s.zone, domainLabel(s.host), s.host), s.host, f)
	d.zoneRefs[s.host] = b.Ref
}

func (d *drafter) domain(s *site) {
	o := s.mail
	if o == nil {
		o = s.zone
	}
	f := newFields()
	f.text("name", s.host)
	b := d.add("domain", o, d.label("domain", o, domainLabel(s.host), s.host), s.host, f)
	if s.mail != nil {
		d.know(schema.KindMailDomain, s.host, b.Ref)
	}
	if s.zone != nil {
		if ns, ok := d.nameserver(s); ok {
			f.ref("nameserver", ns.ref)
			f.text("ttl", ttlText(d.zoneTTL(s.zone)))
			d.signing(s, f)
			ref := b.Ref
			ref.Part = "zone"
			d.zoneRefs[s.host] = ref
		} else {
			d.leave(d.id(s.zone), "there is no name server that could hold it; declare a nameserver block")
		}
	}
	p := policy{mx: d.mx(s, f)}
	if s.mail != nil {
		for _, o := range s.keys {
			f.add("dkim", dkim(o))
		}
		p.sender = d.server(s, f)
	}
	d.spf(s, f, p)
	d.dmarc(s, f)
}

// An exchange is one MX record.
type exchange struct {
	host       string
	preference int64
}

// exchanges reads the values of MX records. The error says why mx blocks cannot
// say them.
func exchanges(values []string) ([]exchange, error) {
	var out []exchange
	seen := map[string]bool{}
	for _, v := range values {
		pref, host, ok := strings.Cut(v, " ")
		n, err := strconv.ParseInt(pref, 10, 64)
		host = strings.TrimSuffix(host, ".")
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is no MX record", v)
		}
		if name, err := schema.ParseHostName(host); err != nil || name != host {
			return nil, fmt.Errorf("%q is no host name", host)
		}
		if seen[host] {
			return nil, fmt.Errorf("%s stands there twice", host)
		}
		seen[host] = true
		out = append(out, exchange{host, n})
	}
	slices.SortStableFunc(out, func(a, b exchange) int { return int(a.preference - b.preference) })
	return out, nil
}

// mx writes the mx blocks of a domain, where they say exactly its MX records.
// Without a zone they say which server serves it.
func (d *drafter) mx(s *site, f fields) []exchange {
	set := d.set(s, s.name, "MX")
	if set == nil {
		if all := d.hostRefs["server"]; s.zone == nil && s.mail != nil && len(all) > 0 {
			mx := newFields()
			mx.ref("server", all[0].ref)
			f.add("mx", mx)
			return []exchange{{all[0].host, 10}}
		}
		return nil
	}
	list, err := exchanges(texts(set.Attrs, "values"))
	if err != nil {
		return nil // record blocks say it
	}
	ttl := number(set.Attrs, "ttl")
	for _, x := range list {
		mx := newFields()
		if ref, ok := d.host("server", x.host); ok && (s.mail != nil || d.in.Unmade) {
			mx.ref("server", ref)
		} else {
			mx.text("host", x.host)
		}
		mx.set("preference", cty.NumberIntVal(x.preference))
		if ttl != d.zoneTTL(s.zone) {
			mx.text("ttl", ttlText(ttl))
		}
		f.add("mx", mx)
	}
	return list
}

// server names the server that holds the mailboxes of a domain, where no mx block
// does: the one that its SPF policy names, or any. It returns the name that SPF
// then has to have.
func (d *drafter) server(s *site, f fields) string {
	var chosen hostRef
	for _, mx := range f.blocks["mx"] {
		if ref, ok := schema.AsRef(mx.attrs["server"]); ok {
			chosen.ref = ref
		}
	}
	if set := d.set(s, s.name, "TXT"); set != nil {
		for _, v := range texts(set.Attrs, "values") {
			for _, term := range strings.Fields(v) {
				host, ok := strings.CutPrefix(term, "a:")
				ref, known := d.host("server", host)
				if ok && known && rdata.IsSPF(v) && chosen.host == "" && !slices.ContainsFunc(f.blocks["mx"], func(mx fields) bool { return names(mx, ref) }) {
					chosen = hostRef{ref, host}
				}
			}
		}
	}
	if all := d.hostRefs["server"]; chosen.ref.Name == "" && len(all) > 0 {
		chosen = all[0]
	}
	if chosen.host != "" {
		f.ref("server", chosen.ref)
	}
	return chosen.host
}

// names reports whether an mx block names a server.
func names(mx fields, server schema.Ref) bool {
	ref, ok := schema.AsRef(mx.attrs["server"])
	return ok && ref.String() == server.String()
}

// dkim is the block for a signing key.
func dkim(o *providers.Observed) fields {
	f := newFields()
	f.text("selector", text(o.Attrs, "selector"))
	algorithm := text(o.Attrs, "algorithm")
	f.text("algorithm", algorithm)
	if algorithm != "ed25519" {
		f.set("bits", cty.NumberIntVal(number(o.Attrs, "bits")))
	}
	return f
}
