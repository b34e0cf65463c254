# RSA keys of DKIM have at least 2048 bits (RFC 8301), whether mailform makes them
# or their records are written by hand.
package main

import rego.v1

dkim_bits := 2048

deny contains msg if {
	some rc in input.resource_changes
	rc.type == "dkimkey"
	rc.change.after.algorithm == "rsa"
	rc.change.after.bits < dkim_bits
	msg := sprintf("dkim: %s: a key of %d bits; it takes %d.", [rc.address, rc.change.after.bits, dkim_bits])
}

# The text of a key of 2048 bits is 392 characters long, that of 1024 bits 216. An
# empty one is a key that was revoked.
deny contains msg if {
	some rc in rrsets
	contains(rc.change.after.name, "._domainkey.")
	some text in rc.change.after.values
	key := regex.find_all_string_submatch_n(`(?:^|;)\s*p=\s*([A-Za-z0-9+/=\s]+)`, text, 1)[0][1]
	not regex.match(`(?:^|;)\s*k=\s*ed25519`, text)
	length := count(regex.replace(key, `\s`, ""))
	length < 380
	msg := sprintf("dkim: %s: the key in the record of %s is shorter than %d bits.", [rc.address, rc.change.after.name, dkim_bits])
}
