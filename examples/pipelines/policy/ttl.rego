# Times to live that are set or changed are within bounds, in seconds. Others than
# these come by --data: {"ttl": {"min": 60, "max": 604800}}.
package main

import rego.v1

default ttl_min := 300

ttl_min := data.ttl.min

default ttl_max := 86400

ttl_max := data.ttl.max

deny contains msg if {
	some rc in rrsets
	ttl := rc.change.after.ttl
	not ttl_stays(rc.change)
	not ttl_good(ttl)
	msg := sprintf("ttl: %s: a TTL of %d s; it has to be from %d to %d.", [rc.address, ttl, ttl_min, ttl_max])
}

ttl_good(ttl) if {
	ttl >= ttl_min
	ttl <= ttl_max
}

ttl_stays(change) if change.before.ttl == change.after.ttl
