package expand

import (
	"cmp"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A domain is a domain block.
type domain struct {
	*block
	section section
	of      *domain // that it is an alias of; nil: none
	name    rdata.Name
	host    string // name without trailing dot
	zone    *zone
	ttl     number
	mx      []exchange
	// servers are those of ours that take mail for the domain: the one that holds
	// the mailboxes first, then by preference.
	servers []*server
	// directory holds the users where no server of ours does; nil: none.
	directory *directory
	// unsure is set where some server could not be told.
	unsure bool
	dkim   []dkimKey
	policy *policy // nil: not made yet
}

// An exchange is an mx block.
type exchange struct {
	section    section
	host       rdata.Name
	server     *server // nil for one that is not ours
	preference number
}

// primary holds the mailboxes; nil where no server of ours serves the domain.
func (d *domain) primary() *server {
	if len(d.servers) == 0 {
		return nil
	}
	return d.servers[0]
}

// serverNames are the addresses of the servers of a domain.
func (d *domain) serverNames() []string {
	names := make([]string, len(d.servers))
	for i, srv := range d.servers {
		names[i] = srv.addr
	}
	return names
}

// readDomains finds out what the domains are and who serves them: aliases of others
// after these.
func (e *expander) readDomains() {
	var aliases []*block
	for _, b := range e.byType["domain"] {
		if e.section(b).attr("alias_of").fact() == absent {
			e.readDomain(b, nil)
		} else {
			aliases = append(aliases, b)
		}
	}
	for _, b := range aliases {
		if of := e.aliasOf(b); of != nil {
			e.readDomain(b, of)
		}
	}
}

func (e *expander) readDomain(b *block, of *domain) {
	s := e.section(b)
	name, ok := readKey(s.attr("name"), parseDomain)
	if !ok {
		return
	}
	d := &domain{block: b, section: s, of: of, name: name, host: name.Host(), ttl: s.attr("ttl").ttl(defaultTTL("ttl"))}
	if other := e.byDomain[d.host]; other != nil {
		s.attr("name").errorf("Domain declared twice", "%s is already the name of %s (%s).",
			d.host, other.addr, at(other.section.attr("name").rng()))
		e.domains[b] = other // so that its users are judged
		return
	}
	if !e.readDomainZone(d) {
		return
	}
	e.checkParked(d)
	e.domains[b], e.byDomain[d.host] = d, d
	e.domainList = append(e.domainList, d)
	e.readIgnore(d.zone, s)
	e.readExchanges(d)
	e.readDomainServers(d)
	e.readDomainDirectory(d)
	if p := d.primary(); p != nil {
		e.add(b, ".mail", schema.KindMailDomain, p.roles[roleMTA], d.host, map[string]cty.Value{
			"name": cty.StringVal(d.host),
		})
	}
}

func (e *expander) readDomainZone(d *domain) bool {
	d.zone = &zone{block: d.block, name: d.name, ttl: d.ttl}
	_, nsBlock, f := d.from("nameserver").attr("nameserver").ref()
	if f == known {
		d.zone.ns = e.nameservers[nsBlock]
	}
	if f == unknown || f == known && d.zone.ns == nil {
		return false
	}
	if f == known {
		d.zone.target = d.zone.ns.target
	}
	if !e.addZone(d.zone, d.section.attr("name")) {
		return false
	}
	e.readStaging(d.zone, d.section)
	return true
}

// readExchanges reads the mx blocks.
func (e *expander) readExchanges(d *domain) {
	seen := map[rdata.Name]value{}
	from := d.from("mx")
	d.unsure = d.unsure || from.attr("mx").fact() == unknown
	for _, s := range from.each("mx") {
		x := exchange{section: s, preference: s.attr("preference").integer(10)}
		sv, hv := s.attr("server"), s.attr("host")
		src := sv
		switch {
		case sv.fact() == absent && hv.fact() == absent, sv.fact() != absent && hv.fact() != absent:
			sv.errorf("One of server and host", "An mx block names either a server of this configuration (server = server.main) or the host of another (host = \"mx.example.net\").")
			d.unsure = true
			continue
		case sv.fact() != absent:
			_, b, f := sv.ref()
			if f != known || e.servers[b] == nil {
				d.unsure = true
				continue
			}
			x.server = e.servers[b]
			x.host = x.server.host
		default:
			src = hv
			host, ok := readKey(hv, parseHost)
			if !ok {
				d.unsure = true
				continue
			}
			x.host = host
		}
		if other, ok := seen[x.host]; ok {
			src.errorf("MX declared twice", "%s is already an MX of %s (%s).", x.host.Host(), d.host, at(other.rng()))
			continue
		}
		seen[x.host] = src
		d.mx = append(d.mx, x)
	}
}

// readDomainServers finds the servers of ours that serve a domain. All of them
// have to keep their mail in one place: a second place would refuse the users
// that it does not know.
func (e *expander) readDomainServers(d *domain) {
	v := d.from("server").attr("server")
	switch _, b, f := v.ref(); {
	case f == known && e.servers[b] != nil:
		d.servers = append(d.servers, e.servers[b])
	case f != absent:
		d.unsure = true
	}
	byPreference := slices.Clone(d.mx)
	slices.SortStableFunc(byPreference, func(a, b exchange) int { return cmp.Compare(a.preference.n, b.preference.n) })
	for _, x := range byPreference {
		if x.server == nil || slices.Contains(d.servers, x.server) {
			continue
		}
		if p := d.primary(); p != nil && (p.roles[roleMTA] != x.server.roles[roleMTA] || p.roles[roleStore] != x.server.roles[roleStore]) {
			x.section.attr("server").errorf("Mail of one domain in two places",
				"%s keeps its mail at %s, and %s at %s. All servers of a domain have to have the same provider, since each would refuse the users that only the other knows.",
				p.addr, p.roles[roleStore], x.server.addr, x.server.roles[roleStore])
			continue
		}
		if p := d.primary(); p != nil && p.directory != x.server.directory {
			x.section.attr("server").errorf("Mail of one domain in two places",
				"%s and %s find their users in different places. Each would refuse those that only the other knows: they have to have the same directory, or none.", p.addr, x.server.addr)
			continue
		}
		d.servers = append(d.servers, x.server)
	}
}

// finishDomains makes the records and routes of the domains, once all mail
// addresses are known.
func (e *expander) finishDomains() {
	for _, d := range e.domainList {
		if d.zone.ns != nil {
			e.emitZone(d.zone, d.section)
		} else {
			e.addDNSSEC(d.zone, d.section)
		}
	}
	e.addHostRecords()
	for _, d := range e.domainList {
		e.addDMARC(d)
		if d.parked() {
			e.addParked(d)
			continue
		}
		e.addMX(d)
		e.addSPF(d)
		e.addDKIM(d)
		e.addTLSReports(d)
		e.addMTASTS(d)
		e.addBIMI(d)
		e.addAutoconfig(d)
		e.addWebDomain(d)
		e.addDomainRoutes(d)
	}
}

// addMX makes the one MX record set of a domain.
func (e *expander) addMX(d *domain) {
	if len(d.mx) == 0 {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, d.name, "MX"}, suffix: ".mx", block: d.block, src: d.from("mx").attr("mx"),
		ttl: d.ttl, valuesKnown: known, made: true,
	}
	first := value{}
	for _, x := range d.mx {
		if v := x.section.attr("ttl"); v.fact() != absent {
			ttl := v.ttl(d.ttl)
			if first.e != nil && ttl != set.ttl && ttl.f == known && set.ttl.f == known {
				v.errorf("Two times to live in one record set",
					"Another mx block of %s has a ttl of %d seconds (%s), and this one has %d. Records of one name and type have one ttl (RFC 2181 §5.2).",
					d.addr, set.ttl.n, at(first.rng()), ttl.n)
			}
			set.ttl, first = ttl, v
		}
		if x.preference.f != known {
			set.valuesKnown = unknown
			continue
		}
		set.values = append(set.values, rdata.MX(uint16(x.preference.n), x.host))
	}
	set.values = sorted(set.values)
	e.addSet(set)
}

// describeDomains fills in what domains and zones tell of themselves.
func (e *expander) describeDomains(res *Result) {
	for b, z := range e.zones {
		if b.inst.Ref.Type == "zone" {
			res.Computed[b.addr] = cty.ObjectVal(map[string]cty.Value{"ds": z.dsRecords()})
		}
	}
	for _, d := range e.domainList {
		var (
			records  []cty.Value
			plain    = []string{}
			complete = true
		)
		for _, set := range d.zone.sorted() {
			lines, ok := set.lines()
			if !ok {
				complete = false
				records = append(records, cty.UnknownVal(cty.String))
				plain = append(plain, "; "+string(set.name)+" "+set.rrtype+": known after apply")
				continue
			}
			for _, l := range lines {
				records = append(records, cty.StringVal(l))
				plain = append(plain, l)
			}
		}
		list, file := cty.ListValEmpty(cty.String), cty.UnknownVal(cty.String)
		if len(records) > 0 {
			list = cty.ListVal(records)
		}
		if complete {
			file = cty.StringVal(rdata.ZoneFile(d.name, plain))
		}
		policy := cty.NullVal(cty.String)
		if text, f := e.policyText(d); f != absent {
			policy = orUnknown(text, f)
		}
		res.Computed[d.addr] = cty.ObjectVal(map[string]cty.Value{
			"mta_sts_policy": policy,
			"dkim_txt":       d.dkimText(), "ds": d.zone.dsRecords(), "records": list, "zone_file": file,
		})
		if d.zone.target == "" && len(plain) > 0 {
			res.Records[d.host] = plain
		}
	}
}
