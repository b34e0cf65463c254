# A DMARC policy (RFC 7489) is never weakened: neither removed, while its zone
# stays, nor made to ask for less, of fewer messages.
package main

import rego.v1

dmarc_strength := {"none": 0, "quarantine": 1, "reject": 2}

deny contains msg if {
	some rc in rrsets
	before := tagged(rc.change.before, "v=dmarc1")
	not tagged(rc.change.after, "v=dmarc1")
	not unknown(rc.change)
	not zone_goes(rc.change.before.zone)
	msg := sprintf("dmarc: %s: the policy %q goes.", [rc.address, before])
}

deny contains msg if {
	some rc in rrsets
	before := tagged(rc.change.before, "v=dmarc1")
	after := tagged(rc.change.after, "v=dmarc1")
	some what, asked in dmarc_asks(before)
	dmarc_asks(after)[what] < asked
	msg := sprintf("dmarc: %s: %q is weaker in %s than %q.", [rc.address, after, what, before])
}

# What a policy asks for, as numbers that are higher where it asks for more.
dmarc_asks(text) := {
	"p": dmarc_strength[p],
	"sp": dmarc_strength[object.get(tags, "sp", p)],
	"pct": to_number(object.get(tags, "pct", "100")),
} if {
	tags := dmarc_tags(text)
	p := object.get(tags, "p", "none")
}

dmarc_tags(text) := {name: value |
	some part in split(lower(text), ";")
	pair := split(part, "=")
	count(pair) == 2
	name := trim_space(pair[0])
	value := trim_space(pair[1])
}
