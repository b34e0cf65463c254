package expand

import (
	"net/netip"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A web is a web block.
type web struct {
	*block
	host      rdata.Name
	target    string
	addresses []netip.Addr
}

func (e *expander) readWebs() {
	for _, b := range e.byType["web"] {
		s := e.section(b)
		roles, ok := s.roles([]role{roleWeb})
		host, hok := readKey(s.attr("hostname"), parseHost)
		if !ok || !hok {
			continue
		}
		addresses, af := s.addresses()
		w := &web{block: b, host: host, target: roles[roleWeb], addresses: addresses}
		e.webs[b] = w
		certificate, key := e.certificate(s)
		e.add(b, ".website", schema.KindWebsite, w.target, w.label(), map[string]cty.Value{
			"owner":           cty.StringVal(w.label()),
			"hostname":        cty.StringVal(host.Host()),
			"addresses":       list(addressTexts(addresses), af),
			"tls_certificate": certificate,
			"tls_key":         key,
		})
		listen, lf := readList(s.attr("listen"), schema.ParseListen)
		listenTLS, tf := readList(s.attr("listen_tls"), schema.ParseListen)
		if lf == absent && tf == absent {
			listen, listenTLS = onAddresses(addresses, "80"), onAddresses(addresses, "443")
			lf, tf = orZero(af), orZero(af)
		} else if len(listenTLS) == 0 && tf != unknown {
			s.attr("listen").errorf("Nothing to listen on", "%s has no listen_tls address. Without TLS it only sends people on to the address with TLS.", b.addr)
			continue
		}
		e.addListener(b, "web", w.target, host, listen, lf, listenTLS, tf)
		for _, l := range slices.Concat(listen, listenTLS) {
			e.claimPort(l, b.addr, w.target, s.attr("listen_tls"))
		}
	}
}

// web is the web server of a domain; nil where it has none, or it could not be told.
func (d *domain) web() *web {
	s := d.from("web")
	if _, b, f := s.attr("web").ref(); f == known {
		return s.e.webs[b]
	}
	return nil
}

// addWebDomain says at the web server of a domain how mail programs are set up, and what
// the policy of the domain is.
func (e *expander) addWebDomain(d *domain) {
	w := d.web()
	if w == nil {
		return
	}
	doors, f := d.doors()
	texts := make([]string, len(doors))
	for i, door := range doors {
		texts[i] = door.Text()
	}
	policy := cty.StringVal("")
	if text, f := e.policyText(d); f != absent {
		policy = orUnknown(text, f)
	}
	e.add(d.block, ".web", schema.KindWebDomain, w.target, d.host, map[string]cty.Value{
		"domain": cty.StringVal(d.host),
		"owner":  cty.StringVal(w.label()),
		"doors":  list(texts, f),
		"authority": cty.BoolVal(slices.ContainsFunc(d.servers, func(srv *server) bool {
			return srv.roles[roleStore] == w.target && e.section(srv.block).attr("tls").fact() == absent
		})),
		"policy": policy,
	})
}

// policyText is the MTA-STS policy of a domain as it is served; absent where it has none.
func (e *expander) policyText(d *domain) (string, fact) {
	if d.policy == nil {
		text, f := e.makePolicy(d)
		d.policy = &policy{text, f}
	}
	return d.policy.text, d.policy.fact
}

// A policy is the MTA-STS policy of a domain.
type policy struct {
	text string
	fact fact
}

func (e *expander) makePolicy(d *domain) (string, fact) {
	s, ok := d.from("mta_sts").nested("mta_sts")
	if !ok {
		return "", absent
	}
	mode, mf := s.attr("mode").str("")
	age, af := read(s.attr("max_age"), schema.ParseSTSAge)
	if mf == unknown || af == unknown || d.unsure {
		return "", unknown
	}
	p := rdata.MTASTS{Mode: mode, MaxAge: age}
	for _, x := range d.mx {
		p.Hosts = append(p.Hosts, x.host.Host())
	}
	slices.Sort(p.Hosts)
	text, err := p.Text()
	if err != nil {
		d.from("mta_sts").attr("mta_sts").errorf("Unsuitable MTA-STS policy", "The MTA-STS policy of %s cannot be made: %s.", d.host, err)
		return "", unknown
	}
	return text, known
}

// addMTASTS makes the records that say that there is a policy, and where.
func (e *expander) addMTASTS(d *domain) {
	s, ok := d.from("mta_sts").nested("mta_sts")
	if !ok {
		return
	}
	src := d.from("mta_sts").attr("mta_sts")
	host, hf := read(s.attr("host"), parseHost)
	if hf == absent {
		w := d.web()
		if w == nil {
			if d.from("web").attr("web").fact() == absent {
				src.errorf("Policy without a web server",
					"The MTA-STS policy of %s is fetched from https://mta-sts.%s, and nothing says what serves it there. Name a web block by web, or a web server that mailform does not run by host in mta_sts.", d.addr, d.host)
			}
			return
		}
		host, hf = w.host, known
	}
	text, f := e.policyText(d)
	set := &rrset{
		setKey: setKey{d.zone, d.name.Under("_mta-sts"), "TXT"}, suffix: ".mta_sts", block: d.block, src: src,
		ttl: d.ttl, valuesKnown: f, made: true,
	}
	if f == known {
		id, err := rdata.STSText(rdata.STSID(text))
		if err != nil {
			src.errorf("Unsuitable MTA-STS policy", "The MTA-STS policy of %s cannot be made: %s.", d.host, err)
			return
		}
		set.values = []string{id}
	}
	e.addSet(set)
	e.addAlias(d, ".mta_sts_host", "mta-sts", host, hf, src)
}

// addAlias lets a name below a domain lead to a host, unless it is that host.
func (e *expander) addAlias(d *domain, suffix, label string, host rdata.Name, f fact, src value) {
	name := d.name.Under(label)
	if f == known && host == name {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, name, "CNAME"}, suffix: suffix, block: d.block, src: src,
		ttl: d.ttl, valuesKnown: f, made: true,
	}
	if f == known {
		set.values = []string{string(host)}
	}
	e.addSet(set)
}
