package draft

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/mailform/mailform/engine/expand"
	"github.com/mailform/mailform/engine/plan"
	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A hostRef is a server or a name server by its hostname.
type hostRef struct {
	ref  schema.Ref
	host string
}

// services in the order in which they are written.
var services = []string{"smtp", "submission", "imap", "pop3"}

// knowDeclared learns what the files declare that a draft can refer to. What
// modules declare has no name here.
func (d *drafter) knowDeclared() {
	for i := range d.in.Declared {
		r := &d.in.Declared[i]
		if r.Target != d.in.Target || strings.HasPrefix(r.Address, "module.") {
			continue
		}
		ref := plan.ParseAddress(r.Address)
		part := ref.Part
		ref.Part = ""
		switch {
		case r.Kind == schema.KindSetting && ref.Type == "server":
			d.knowHost("server", text(r.Attrs, "hostname"), ref)
		case r.Kind == schema.KindListener && ref.Type == "nameserver":
			d.knowHost("nameserver", text(r.Attrs, "hostname"), ref)
		case r.Kind == schema.KindMailDomain:
			d.know(schema.KindMailDomain, r.Key, ref)
		case r.Kind == schema.KindZone:
			if ref.Type == "domain" {
				ref.Part = "zone"
			}
			d.zoneRefs[r.Key] = ref
		case r.Kind == schema.KindMailbox, r.Kind == schema.KindRoute && part == "route":
			d.knowMail(r.Key, ref)
		}
	}
	for _, m := range d.in.MailDomains {
		// A directory, or a server that keeps mail, has no mail domains of its own.
		if _, known := d.find(schema.KindMailDomain, m.Host); !known && (m.Mailboxes == d.in.Target || m.Routes == d.in.Target) && m.Ref.Module == nil {
			d.know(schema.KindMailDomain, m.Host, m.Ref.Block())
		}
	}
	for _, ns := range d.in.NameServers {
		if _, known := d.host("nameserver", ns.Host.Host()); !known && ns.Target == d.in.Target && ns.Ref.Module == nil {
			d.knowHost("nameserver", ns.Host.Host(), ns.Ref.Block())
		}
	}
}

func (d *drafter) know(kind, key string, ref schema.Ref) { d.refs[kind+" "+key] = ref }

func (d *drafter) find(kind, key string) (schema.Ref, bool) {
	r, ok := d.refs[kind+" "+key]
	return r, ok
}

func (d *drafter) knowHost(typ, host string, ref schema.Ref) {
	d.hostRefs[typ] = append(d.hostRefs[typ], hostRef{ref, host})
}

func (d *drafter) knowMail(address string, ref schema.Ref) {
	d.know("mail", address, ref)
	d.mails[ref.String()] = address
}

// host finds a server or a name server by its hostname.
func (d *drafter) host(typ, host string) (schema.Ref, bool) {
	for _, h := range d.hostRefs[typ] {
		if strings.EqualFold(h.host, host) {
			return h.ref, true
		}
	}
	return schema.Ref{}, false
}

// providerFields say which provider instance has what a block describes.
func (d *drafter) providerFields(f fields) {
	if d.in.Target != schema.DefaultProvider {
		f.set("provider", cty.ListVal([]cty.Value{cty.StringVal(d.in.Target)}))
	}
}

// servers drafts a block for each server that has settings.
func (d *drafter) servers() {
	d.each(schema.KindSetting, func(o *providers.Observed) {
		if !d.plainLabel("server", o, o.Key) {
			return
		}
		f := newFields()
		f.text("hostname", text(o.Attrs, "hostname"))
		addresses := texts(o.Attrs, "addresses")
		if len(addresses) > 0 {
			f.set("addresses", schema.StringList(addresses))
		}
		d.providerFields(f)
		f.text("retention", schema.FormatDuration(time.Duration(number(o.Attrs, "retention"))*time.Second))
		f.text("message_size_limit", schema.FormatSize(number(o.Attrs, "message_size_limit")))
		f.set("retry", durations(o.Attrs))
		if cert := text(o.Attrs, "tls_certificate"); cert != "" {
			tls := newFields()
			tls.text("certificate", cert)
			tls.text("key", text(o.Attrs, "tls_key"))
			f.add("tls", tls)
		}
		if relay := text(o.Attrs, "relay_host"); relay != "" {
			r := newFields()
			r.text("host", relay)
			f.add("relay", r)
		}
		d.listeners(o.Key, f, addresses)
		if o := d.things[d.key(schema.KindListener, o.Key+"/metrics")]; o != nil {
			m := newFields()
			m.set("listen", schema.StringList(texts(o.Attrs, "listen")))
			f.add("metrics", m)
		}
		d.treatment(o.Key, f)
		b := d.add("server", o, o.Key, text(o.Attrs, "hostname"), f)
		d.knowHost("server", b.ID, b.Ref)
	})
}

// plainLabel reports whether a server can have the label that it has: the name
// is part of what it is, so that it cannot get another.
func (d *drafter) plainLabel(typ string, o *providers.Observed, label string) bool {
	switch {
	case !hclsyntax.ValidIdentifier(label):
		d.leave(d.id(o), "it is an instance of a block with for_each or count, or of one in a module; write that block")
		return false
	case d.labels.taken(typ, label):
		d.leave(d.id(o), "the files have another %s of that name", typ)
		return false
	}
	d.labels.take(typ, label)
	return true
}

// durations are the times between attempts, as they are written.
func durations(attrs cty.Value) cty.Value {
	var list []string
	if v, ok := attr(attrs, "retry"); ok && v.Type().IsListType() {
		for it := v.ElementIterator(); it.Next(); {
			_, el := it.Element()
			n, _ := el.AsBigFloat().Int64()
			list = append(list, schema.FormatDuration(time.Duration(n)*time.Second))
		}
	}
	def := schema.BlockByType("server").Attribute("retry").Default
	if sameDurations(list, def) {
		return def
	}
	return schema.StringList(list)
}

// sameDurations reports whether a list says the same times as a default.
func sameDurations(list []string, def cty.Value) bool {
	if def.LengthInt() != len(list) {
		return false
	}
	for i, el := range def.AsValueSlice() {
		a, aerr := schema.ParseDuration(el.AsString())
		b, berr := schema.ParseDuration(list[i])
		if aerr != nil || berr != nil || a != b {
			return false
		}
	}
	return true
}

// listeners writes the services of a server. A server that names none offers all
// of them on their standard ports; naming one switches off the others.
func (d *drafter) listeners(label string, f fields, addresses []string) {
	var ips []netip.Addr
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); err == nil {
			ips = append(ips, ip)
		}
	}
	type service struct {
		name   string
		inner  fields
		normal bool
	}
	var on []service
	normal := 0
	for _, name := range services {
		o := d.things[d.key(schema.KindListener, label+"/"+name)]
		if o == nil {
			continue
		}
		s := service{name: name, inner: newFields()}
		listen, listenTLS := texts(o.Attrs, "listen"), texts(o.Attrs, "listen_tls")
		plain, tls := expand.StandardListen(name, ips)
		if s.normal = slices.Equal(listen, plain) && slices.Equal(listenTLS, tls); s.normal {
			normal++
		} else {
			if len(listen) > 0 {
				s.inner.set("listen", schema.StringList(listen))
			}
			if len(listenTLS) > 0 {
				s.inner.set("listen_tls", schema.StringList(listenTLS))
			}
		}
		on = append(on, s)
	}
	switch {
	case normal == len(services): // as without any block
	case len(on) == 0:
		for _, name := range services {
			off := newFields()
			off.set("enabled", cty.False)
			f.add(name, off)
		}
	default:
		for _, s := range on {
			f.add(s.name, s.inner)
		}
	}
}

// nameservers drafts a block for each name server that listens.
func (d *drafter) nameservers() {
	d.each(schema.KindListener, func(o *providers.Observed) {
		if text(o.Attrs, "service") != "dns" {
			return
		}
		label := text(o.Attrs, "owner")
		if !d.plainLabel("nameserver", o, label) {
			return
		}
		f := newFields()
		host := text(o.Attrs, "hostname")
		listen := texts(o.Attrs, "listen")
		f.text("hostname", host)
		d.providerFields(f)
		f.set("listen", schema.StringList(listen))
		if addresses, ok := d.addressesOf(host); ok && !slices.Equal(addresses, specific(listen)) {
			f.set("addresses", schema.StringList(addresses))
		}
		b := d.add("nameserver", o, label, host, f)
		d.knowHost("nameserver", host, b.Ref)
	})
}

// specific are the addresses that a name server's records name where it says
// nothing of them: those that it listens on, without the unspecified ones.
func specific(listen []string) []string {
	var out []string
	for _, l := range listen {
		if ap, err := netip.ParseAddrPort(l); err == nil && !ap.Addr().IsUnspecified() {
			out = append(out, ap.Addr().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// addressesOf are the addresses that the zone which is there has for a host; none
// where a name server block would make other records of them. It reports false
// where the host lies in no zone.
func (d *drafter) addressesOf(host string) ([]string, bool) {
	name, err := rdata.ParseName(host)
	if err != nil {
		return nil, false
	}
	zone := d.zoneOf(name)
	if zone == nil {
		return nil, false
	}
	var out []string
	for _, typ := range []string{"A", "AAAA"} {
		o := d.things[d.key(schema.KindRRset, zone.Key+"/"+string(name)+"/"+typ)]
		switch {
		case o == nil:
		case number(o.Attrs, "ttl") != d.zoneTTL(zone):
			return nil, true
		default:
			out = append(out, texts(o.Attrs, "values")...)
		}
	}
	slices.Sort(out)
	return out, true
}

// zoneOf is the innermost zone that is there and that a name lies in.
func (d *drafter) zoneOf(name rdata.Name) *providers.Observed {
	for n := name; n != rdata.Root; n = n.Parent() {
		if o := d.things[d.key(schema.KindZone, n.Host())]; o != nil {
			return o
		}
	}
	return nil
}

// zoneTTL is the time to live that a zone's block has to have: that of its NS
// records, which it makes itself. Of a declared one it is what the files say.
func (d *drafter) zoneTTL(zone *providers.Observed) int64 {
	id := d.key(schema.KindRRset, zone.Key+"/"+text(zone.Attrs, "name")+"/NS")
	if ns := d.declared[id]; ns != nil {
		return number(ns.Attrs, "ttl")
	}
	if ns := d.things[id]; ns != nil {
		return number(ns.Attrs, "ttl")
	}
	return defaultTTL
}

// defaultTTL is the time to live of a zone that says nothing of it, in seconds.
var defaultTTL = func() int64 {
	n, err := schema.ParseTTL(schema.BlockByType("zone").Attribute("ttl").Default.AsString())
	if err != nil {
		return 0
	}
	return int64(n)
}()
