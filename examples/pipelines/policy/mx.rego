# The MX records of a domain do not go, and are not replaced by the null MX (RFC
# 7505), unless the pull request has the label mail/mx-removal.
package main

import rego.v1

deny contains msg if {
	some rc in rrsets
	rc.change.before.type == "MX"
	rc.change.before.values != ["0 ."]
	mx_lost(rc.change)
	not labelled("mail/mx-removal")
	msg := sprintf("mx: %s: the MX records of %s go, and with them its mail. If that is meant, set the label mail/mx-removal.", [rc.address, rc.change.before.name])
}

mx_lost(change) if goes(change)

mx_lost(change) if change.after.values == ["0 ."]
