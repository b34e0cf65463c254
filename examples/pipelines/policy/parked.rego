# A parked domain, one whose MX says that it has no mail (RFC 7505), stays so: the
# null MX, an SPF policy that lets nobody send, and DMARC with p=reject stay. The
# label mail/unpark lifts that.
package main

import rego.v1

parked contains name if {
	some rc in rrsets
	rc.change.before.type == "MX"
	rc.change.before.values == ["0 ."]
	not zone_goes(rc.change.before.zone)
	name := rc.change.before.name
}

parked_keeps(name) := {
	"the null MX": {"name": name, "type": "MX", "text": "0 ."},
	"the SPF policy \"v=spf1 -all\"": {"name": name, "type": "TXT", "text": "v=spf1 -all"},
}

deny contains msg if {
	some name in parked
	some what, want in parked_keeps(name)
	some rc in rrsets
	rc.change.before.name == want.name
	rc.change.before.type == want.type
	want.text in rc.change.before.values
	not has_text(rc.change.after, want.text)
	not unknown(rc.change)
	not labelled("mail/unpark")
	msg := sprintf("parked: %s: %s is parked, and %s goes. If that is meant, set the label mail/unpark.", [rc.address, name, what])
}

has_text(object, text) if text in object.values

# DMARC is looked after by dmarc.rego. Mail domains are not made of parked ones.
deny contains msg if {
	some name in parked
	some rc in input.resource_changes
	rc.type == "maildomain"
	rc.change.actions == ["create"]
	rc.change.after.name == trim_suffix(name, ".")
	not labelled("mail/unpark")
	msg := sprintf("parked: %s: %s is parked, and gets mail. If that is meant, set the label mail/unpark.", [rc.address, name])
}
