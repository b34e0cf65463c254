#!/bin/sh
# Looks whether something was changed outside of mailform, and prints what; says
# nothing where all is as it was applied. From cron, which sends what is printed:
#
#     MAILTO=postmaster@example.com
#     17 * * * * mailform /usr/local/lib/mailform/drift.sh /etc/mailform
set -u
dir=${1:?usage: drift.sh DIRECTORY}
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
code=0
mailform -chdir="$dir" plan -refresh-only -detailed-exitcode -input=false -lock-timeout=5m -no-color >"$out" 2>&1 || code=$?
[ "$code" -eq 0 ] || cat "$out"
exit "$code"
