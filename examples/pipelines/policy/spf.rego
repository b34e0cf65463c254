# No SPF policy (RFC 7208) lets everybody send: neither +all nor a bare all.
package main

import rego.v1

deny contains msg if {
	some rc in rrsets
	text := tagged(rc.change.after, "v=spf1")
	some term in split(lower(text), " ")
	term in {"+all", "all"}
	msg := sprintf("spf: %s: %q lets everybody send as %s.", [rc.address, text, rc.change.after.name])
}
