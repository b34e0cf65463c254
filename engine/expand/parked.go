package expand

import "github.com/mailform/mailform/schema/rdata"

// parked reports whether a domain has nothing to do with mail, and says so.
func (d *domain) parked() bool {
	mode, f := d.section.attr("mode").str("mail")
	return f == known && mode == "none"
}

// errorParked refuses what lives in a domain without mail.
func (d *domain) errorParked(v value, what string) {
	v.errorf("Mail in a domain without mail", "%s has mode = \"none\" (%s), so that it has no %s.", d.addr, at(d.section.attr("mode").rng()), what)
}

// checkParked finds what a domain without mail has to do with mail.
func (e *expander) checkParked(d *domain) {
	v := d.section.attr("mode")
	if v.fact() == unknown {
		e.needKnown(v.rng(), d.addr+".mode")
		return
	}
	if !d.parked() {
		return
	}
	for _, name := range []string{"alias_of", "server", "directory", "postmaster", "catch_all", "mx", "spf", "dkim", "tls_rpt", "mta_sts", "web", "bimi", "autoconfig"} {
		a := d.section.attr(name)
		if f := a.fact(); f == absent || f == known && a.v.CanIterateElements() && a.v.LengthInt() == 0 {
			continue
		}
		a.errorf("Mail in a domain without mail", "%s has mode = \"none\": it neither receives nor sends mail. Leave out %s, or the mode.", d.addr, name)
	}
}

// addParked makes the records of a domain without mail: it receives none, nobody may
// send from it, and no signature in its name holds. What it says by a dmarc block stays.
func (e *expander) addParked(d *domain) {
	src := d.section.attr("mode")
	add := func(suffix string, name rdata.Name, rrtype, value string) {
		e.addSet(&rrset{
			setKey: setKey{d.zone, name, rrtype}, suffix: suffix, block: d.block, src: src,
			ttl: d.ttl, values: []string{value}, valuesKnown: known, made: true,
		})
	}
	nobody, _ := rdata.SPF{Policy: "fail"}.Text()
	add(".mx", d.name, "MX", rdata.NullMX)
	add(".spf", d.name, "TXT", nobody)
	add(indexed("dkim", "*"), d.name.Under("*._domainkey"), "TXT", rdata.NoKey)
	if _, ok := d.section.nested("dmarc"); !ok {
		reject, _ := rdata.DMARC{Policy: "reject", Percent: 100}.Text()
		add(".dmarc", rdata.DMARCName(d.name), "TXT", reject)
	}
}
