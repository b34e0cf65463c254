package expand

import (
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
	"github.com/zclconf/go-cty/cty"
)

// addDNSSEC says that a zone is signed, where its block does.
func (e *expander) addDNSSEC(z *zone, section section) {
	s, ok := section.nested("dnssec")
	if !ok {
		return
	}
	src := section.attr("dnssec")
	switch {
	case z.ns == nil:
		src.errorf("Zone that others run", "%s has no nameserver, so that nobody of ours could sign its zone. Name one, or leave out dnssec.", z.addr)
		return
	case !runs(z.target):
		src.errorf("Zone that others sign", "The server at %s is not run by mailform, and signs its zones as its own configuration says; zones that mailform makes there are signed as the provider block says. Leave out dnssec.", z.target)
		return
	}
	denial, df := s.attr("denial").str("nsec3")
	agents, af := readList(s.attr("parental_agents"), func(s string) (string, error) {
		ap, err := schema.ParseAddressPort(s)
		return ap.String(), err
	})
	withdraw := s.attr("withdraw").yes()
	id := schema.ID{Target: z.target, Kind: schema.KindDNSSEC, Key: z.name.Host()}
	z.ds = e.knownDS(id, withdraw)
	z.signed = src
	e.add(z.block, ".dnssec", id.Kind, id.Target, id.Key, map[string]cty.Value{
		"zone":               cty.StringVal(string(z.name)),
		"denial":             orUnknown(denial, df),
		"signature_lifetime": e.val(seconds(s.attr("signature_lifetime"), schema.ParseSignatureLifetime)),
		"zsk_lifetime":       e.val(seconds(s.attr("zsk_lifetime"), schema.ParseKeyLifetime)),
		"ksk_lifetime":       e.val(seconds(s.attr("ksk_lifetime"), schema.ParseKeyLifetime)),
		"propagation":        e.val(seconds(s.attr("propagation"), schema.ParsePropagation)),
		"parental_agents":    list(sorted(agents), orZero(af)),
		"withdraw":           cty.BoolVal(withdraw),
		"ds":                 z.ds,
	})
}

// dsRecords are the data of the DS records that the parent is to have; none for a
// zone that is not signed.
func (z *zone) dsRecords() cty.Value {
	if z.ds == cty.NilVal {
		return cty.ListValEmpty(cty.String)
	}
	return z.ds
}

// seconds reads a duration.
func seconds(v value, parse func(string) (time.Duration, error)) number {
	d, f := read(v, parse)
	return number{int64(d / time.Second), f}
}

// knownDS are the DS records of a zone, if its keys are there already.
func (e *expander) knownDS(id schema.ID, withdraw bool) cty.Value {
	if withdraw {
		return cty.ListValEmpty(cty.String)
	}
	later := cty.UnknownVal(cty.List(cty.String))
	if e.opts.Known == nil {
		return later
	}
	attrs, ok := e.opts.Known(id)
	if !ok || attrs == cty.NilVal || !attrs.IsKnown() || attrs.IsNull() || !attrs.Type().HasAttribute("ds") || !attrs.Type().HasAttribute("withdraw") {
		return later
	}
	ds, was := attrs.GetAttr("ds"), attrs.GetAttr("withdraw")
	if !ds.Type().Equals(cty.List(cty.String)) || !ds.IsWhollyKnown() || ds.IsNull() || !was.RawEquals(cty.False) {
		return later
	}
	return ds
}

// addDelegationSigners makes the DS records of signed zones whose parent is ours as
// well, where it delegates to them and nobody has written them down.
func (e *expander) addDelegationSigners() {
	for _, z := range e.zoneList {
		if z.signed.e == nil || z.name == rdata.Root {
			continue
		}
		above := e.zoneOf(z.name.Parent())
		if above == nil || above.target == "" || e.sets[setKey{above, z.name, "NS"}] == nil || e.sets[setKey{above, z.name, "DS"}] != nil {
			continue
		}
		set := &rrset{setKey: setKey{above, z.name, "DS"}, suffix: ".ds", block: z.block, src: z.signed, ttl: above.ttl, valuesKnown: unknown, made: true}
		if z.ds.IsKnown() {
			set.valuesKnown = known
			for _, v := range z.ds.AsValueSlice() {
				set.values = append(set.values, v.AsString())
			}
			slices.Sort(set.values)
			if len(set.values) == 0 {
				continue
			}
		}
		e.addSet(set)
	}
}

// madeBySigning are the types of records that signing adds to a zone itself.
var madeBySigning = []string{"DNSKEY", "CDS", "CDNSKEY"}

// checkSigned finds records that belong to the signing of a zone.
func (e *expander) checkSigned(s *rrset) {
	if s.zone.signed.e != nil && s.name == s.zone.name && slices.Contains(madeBySigning, s.rrtype) {
		s.src.errorf("Record of the signing", "%s is signed (%s), which makes its %s records. Leave out %s, or dnssec.",
			s.zone.name.Host(), at(s.zone.signed.rng()), s.rrtype, s.block.addr)
	}
}

// addSecondaries says who may copy the zones of a name server.
func (e *expander) addSecondaries(ns *nameserver, section section) {
	sections := section.each("secondary")
	if len(sections) > 0 && !runs(ns.target) {
		section.attr("secondary").errorf("Name server that others run",
			"The server at %s is not run by mailform, and its own configuration says who may copy its zones. Leave out secondary.", ns.target)
		return
	}
	seen := map[string]value{}
	for _, s := range sections {
		address, key := s.attr("address"), s.attr("key")
		ap, af := read(address, schema.ParseAddressPort)
		name, kf := read(key, rdata.ParseName)
		if af == unknown || kf == unknown {
			e.needKnown(address.rng(), "Which secondary this is of "+ns.addr)
			continue
		}
		unsigned := s.attr("unsigned")
		secret := s.attr("secret")
		src, label := address, ""
		switch {
		case af == known:
			label = ap.String()
		case kf == known:
			src, label = key, name.Host()
		}
		switch {
		case label == "":
			section.attr("secondary").errorf("Secondary without a name", "A secondary of %s has neither an address nor a key, so that nobody could be it.", ns.addr)
			continue
		case kf == known && secret.fact() == absent:
			key.errorf("Key without a secret", "The key %s of a secondary of %s has no secret.", name.Host(), ns.addr)
			continue
		case kf == absent && secret.fact() != absent:
			secret.errorf("Secret without a key", "A secondary of %s has a secret, and no key that it is of: it needs a name, as the other server knows it.", ns.addr)
			continue
		case unsigned.yes() && af == absent:
			unsigned.errorf("Anybody may copy", "A secondary of %s may copy zones without a key, and has no address: then anybody could. Name its address.", ns.addr)
			continue
		}
		if other, ok := seen[label]; ok {
			src.errorf("Secondary declared twice", "%s already has the secondary %s (%s).", ns.addr, label, at(other.rng()))
			continue
		}
		seen[label] = src
		attrs := map[string]cty.Value{
			"owner": cty.StringVal(ns.label()), "address": cty.StringVal(""), "unsigned": cty.BoolVal(unsigned.yes()),
			"key_name": cty.StringVal(""), "key_algorithm": cty.StringVal(""), "key_secret": cty.StringVal(""),
		}
		if af == known {
			attrs["address"] = cty.StringVal(ap.String())
		}
		if kf == known {
			algorithm, gf := s.attr("algorithm").str("hmac-sha256")
			attrs["key_name"] = cty.StringVal(string(name))
			attrs["key_algorithm"] = orUnknown(algorithm, gf)
			attrs["key_secret"] = secret.v
		}
		e.add(ns.block, indexed("secondary", label), schema.KindSecondary, ns.target, ns.label()+"/"+label, attrs)
	}
}
