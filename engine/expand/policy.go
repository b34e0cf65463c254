package expand

import (
	"net/netip"
	"slices"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// A dkimKey is a dkim block.
type dkimKey struct {
	selector string
	txt      cty.Value
}

// addSPF makes the SPF policy of a domain: its MX and a server that holds its
// mailboxes without being one may send, and what the spf block adds.
func (e *expander) addSPF(d *domain) {
	s, ok := d.from("spf").nested("spf")
	if !ok {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, d.name, "TXT"}, suffix: ".spf", block: d.block, src: d.from("spf").attr("spf"),
		ttl: d.ttl, valuesKnown: known, made: true,
	}
	policy, pf := s.attr("policy").str("fail")
	spf := rdata.SPF{MX: len(d.mx) > 0, Policy: policy}
	if p := d.primary(); p != nil && !slices.ContainsFunc(d.mx, func(x exchange) bool { return x.server == p }) {
		spf.Hosts = []rdata.Name{p.host}
	}
	networks4, f4 := readNetworks(s.attr("ip4"), 4)
	networks6, f6 := readNetworks(s.attr("ip6"), 6)
	spf.Networks = slices.Concat(networks4, networks6)
	include, fi := s.attr("include").list()
	for _, v := range include {
		n, f := read(v, rdata.ParseName)
		if f != known {
			fi = unknown
			continue
		}
		spf.Include = append(spf.Include, n)
	}
	if pf == unknown || f4 == unknown || f6 == unknown || fi == unknown {
		set.valuesKnown = unknown
		e.addSet(set)
		return
	}
	text, err := spf.Text()
	if err != nil {
		set.src.errorf("Unsuitable SPF policy", "The SPF policy of %s cannot be made: %s.", d.host, err)
		return
	}
	set.values = []string{text}
	e.addSet(set)
}

// readNetworks reads addresses and networks of one family, in the order written.
func readNetworks(v value, family int) ([]netip.Prefix, fact) {
	elems, f := v.list()
	if f != known {
		return nil, f
	}
	var out []netip.Prefix
	for _, el := range elems {
		p, f := read(el, func(s string) (netip.Prefix, error) { return rdata.ParseNetwork(s, family) })
		if f != known {
			return nil, unknown
		}
		out = append(out, p)
	}
	return out, known
}

// addDMARC makes the DMARC policy of a domain.
func (e *expander) addDMARC(d *domain) {
	s, ok := d.from("dmarc").nested("dmarc")
	if !ok {
		return
	}
	set := &rrset{
		setKey: setKey{d.zone, rdata.DMARCName(d.name), "TXT"}, suffix: ".dmarc", block: d.block,
		src: d.from("dmarc").attr("dmarc"), ttl: d.ttl, valuesKnown: known, made: true,
	}
	policy, f1 := s.attr("policy").str("")
	sub, f2 := s.attr("subdomain_policy").str("")
	adkim, f3 := s.attr("adkim").str("relaxed")
	aspf, f4 := s.attr("aspf").str("relaxed")
	percent := s.attr("pct").integer(100)
	rua, f5 := e.recipients(s.attr("rua"), reportAddress)
	ruf, f6 := e.recipients(s.attr("ruf"), reportAddress)
	if slices.Contains([]fact{f1, f2, f3, f4, percent.f, f5, f6}, unknown) {
		set.valuesKnown = unknown
		e.addSet(set)
		return
	}
	e.checkLocal(rua, d.addr)
	e.checkLocal(ruf, d.addr)
	text, err := rdata.DMARC{
		Policy: policy, Subdomains: sub, Percent: int(percent.n),
		StrictDKIM: adkim == "strict", StrictSPF: aspf == "strict",
		Reports: addressesOf(rua), Failures: addressesOf(ruf),
	}.Text()
	if err != nil {
		set.src.errorf("Unsuitable DMARC policy", "The DMARC policy of %s cannot be made: %s.", d.host, err)
		return
	}
	set.values = []string{text}
	e.addSet(set)
}

// reportAddress reads the address of a report, with or without mailto:.
func reportAddress(s string) (schema.Address, error) { return schema.ParseReportAddress(s) }

// parseSelector reads the name of a key or a picture, one label or several.
func parseSelector(s string) (string, error) {
	n, err := rdata.ParseName(s)
	return n.Host(), err
}

// addDKIM makes the keys of a domain and their records.
func (e *expander) addDKIM(d *domain) {
	seen := map[string]value{}
	for _, s := range d.from("dkim").each("dkim") {
		v := s.attr("selector")
		selector, ok := readKey(v, parseSelector)
		if !ok {
			continue
		}
		if other, ok := seen[selector]; ok {
			v.errorf("DKIM selector declared twice", "%s already has a key with the selector %s (%s).", d.addr, selector, at(other.rng()))
			continue
		}
		seen[selector] = v
		name, err := rdata.DKIMName(selector, d.name)
		if err != nil {
			v.errorf("Unsuitable value", "%s = %s cannot be used: %s.", v.path, v.show(), err)
			continue
		}
		algorithm, af := s.attr("algorithm").str("rsa")
		bits := s.attr("bits").integer(2048)
		if af == unknown || bits.f == unknown {
			e.needKnown(v.rng(), "The sort of the DKIM key "+selector+" of "+d.addr)
			continue
		}
		if algorithm == "ed25519" {
			bits.n = 0
		}
		p := d.primary()
		if p == nil {
			if !d.unsure {
				v.errorf("DKIM key without a server", "%s has no server of this configuration that could sign its mail. Name one by server, or in an mx block.", d.addr)
			}
			continue
		}
		if p.roles[roleSigner] == "" {
			v.errorf("DKIM key without a signer", "%s has no provider that could sign mail, so that %s cannot have a key: %s can, and is not among its providers.", p.addr, d.addr, words(able(roleSigner), "and"))
			continue
		}
		key := schema.ID{Target: p.roles[roleSigner], Kind: schema.KindDKIMKey, Key: d.host + "/" + selector}
		txt := e.knownText(key, algorithm, bits.n)
		d.dkim = append(d.dkim, dkimKey{selector, txt})
		e.add(d.block, indexed("dkim", selector), key.Kind, key.Target, key.Key, map[string]cty.Value{
			"domain":    cty.StringVal(d.host),
			"selector":  cty.StringVal(selector),
			"algorithm": cty.StringVal(algorithm),
			"bits":      e.val(bits),
			"txt":       txt,
		})
		set := &rrset{
			setKey: setKey{d.zone, name, "TXT"}, suffix: indexed("dkim", selector) + ".record", block: d.block,
			src: v, ttl: d.ttl, valuesKnown: unknown, made: true,
		}
		if txt.IsKnown() {
			set.values, set.valuesKnown = []string{txt.AsString()}, known
		}
		e.addSet(set)
	}
}

// knownText is the text of a key's record, if the key is there already. A key
// of another sort will be replaced, so that its text says nothing.
func (e *expander) knownText(id schema.ID, algorithm string, bits int64) cty.Value {
	later := cty.UnknownVal(cty.String)
	if e.opts.Known == nil {
		return later
	}
	attrs, ok := e.opts.Known(id)
	if !ok || attrs == cty.NilVal || !attrs.IsKnown() || attrs.IsNull() || !attrs.Type().IsObjectType() {
		return later
	}
	same := map[string]cty.Value{"algorithm": cty.StringVal(algorithm), "bits": cty.NumberIntVal(bits)}
	for name, want := range same {
		if attrs.Type().HasAttribute(name) && !attrs.GetAttr(name).RawEquals(want) {
			return later
		}
	}
	if !attrs.Type().HasAttribute("txt") {
		return later
	}
	txt := attrs.GetAttr("txt")
	if txt.Type() != cty.String || !txt.IsKnown() || txt.IsNull() {
		return later
	}
	return txt
}

// dkimText is the domain's computed attribute of that name.
func (d *domain) dkimText() cty.Value {
	if len(d.dkim) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	m := make(map[string]cty.Value, len(d.dkim))
	for _, k := range d.dkim {
		m[k.selector] = k.txt
	}
	return cty.MapVal(m)
}
