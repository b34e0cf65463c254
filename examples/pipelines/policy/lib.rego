# Policies for mailform's plans, to be run with conftest:
#
#     mailform show -json mail.mfplan > plan.json
#     conftest test --policy policy --data labels.json plan.json
#
# This file holds what the others share. labels.json is how a human says that an
# exception is meant: {"labels": ["mail/mx-removal"]}, made from the labels of the
# pull request. Without it nothing is excepted.
package main

import rego.v1

# Record sets, as they are in resource_changes: also those that stay.
rrsets contains rc if {
	some rc in input.resource_changes
	rc.type == "rrset"
}

# A label is on the pull request.
labelled(name) if {
	some label in data.labels
	label == name
}

# A record set goes: nothing of that name and type is left by the change.
goes(change) if {
	"delete" in change.actions
	not stays(change)
}

stays(change) if {
	change.after.name == change.before.name
	change.after.type == change.before.type
}

# What a record set will hold is known only after apply.
unknown(change) if change.after_unknown.values

# The whole zone goes in the same plan.
zone_goes(name) if {
	some rc in input.resource_changes
	rc.type == "zone"
	rc.change.actions == ["delete"]
	rc.change.before.name == name
}

# The one text of a record set that begins with a version tag.
tagged(object, version) := text if {
	object.type == "TXT"
	some text in object.values
	startswith(lower(text), version)
}
