package main

import (
	"strings"
	"testing"
)

// The clock of a server shows the time of its zone, in all that it writes, from one
// moment to the next. No other place is where Kathmandu is.
func TestTheClockShowsTheZone(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	const zone = `  time_zone = "Asia/Kathmandu"`
	w.edit("main.mf.hcl", "\n  smtp ", "\n"+zone+"\n  smtp ")
	w.edit("main.mf.hcl", "  aliases       = [\"al\"]", "  aliases       = [\"al\"]\n  sieve         = <<-EOT\n"+
		"    require [\"date\", \"fileinto\", \"mailbox\"];\n    if currentdate \"zone\" \"+0545\" { fileinto :create \"Home\"; }\n  EOT")
	m := w.mailbox("bob@example.com", "INBOX")
	m.imap("p", "APPEND INBOX \"20-Nov-2026 20:00:00 +0000\" {15+}\r\nSubject: a\r\n\r\n.")
	dated := func(date, day, other string) {
		t.Helper()
		if got := m.imap("f", "FETCH 1 INTERNALDATE"); !strings.Contains(got, date) {
			t.Errorf("INTERNALDATE: %s; want %s", got, date)
		}
		if got := m.imap("x", "SEARCH ON "+day); !strings.Contains(got+"\n", "* SEARCH 1\n") {
			t.Errorf("SEARCH ON %s finds nothing: %q", day, got)
		}
		if got := m.imap("y", "SEARCH ON "+other); strings.Contains(got, "* SEARCH 1") {
			t.Errorf("SEARCH ON %s finds something: %q", other, got)
		}
	}
	dated("20-Nov-2026 20:00:00 +0000", "20-Nov-2026", "21-Nov-2026")
	w.apply()
	w.noChanges()
	dated("21-Nov-2026 01:45:00 +0545", "21-Nov-2026", "20-Nov-2026")

	w.deliver("alice@example.com", "now")
	if got := w.newest("alice@example.com", "Home"); !strings.Contains(header(got), " +0545\r\n") { // the script has found it
		t.Errorf("Received: %s", got)
	}
	lines := strings.Split(strings.TrimSpace(w.log()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "+05:45 ") {
		t.Errorf("the log ends with %s", last)
	}

	w.edit("main.mf.hcl", zone, "")
	w.apply()
	w.noChanges()
	dated("20-Nov-2026 20:00:00 +0000", "20-Nov-2026", "21-Nov-2026")

	w.edit("main.mf.hcl", "\n  smtp ", "\n"+strings.ToLower(zone)+"\n  smtp ")
	if r := w.mailform("validate", "-no-color"); r.code != 1 || !strings.Contains(r.stderr, `Did you mean "Asia/Kathmandu"?`) {
		t.Errorf("a zone that is not there: %v", r)
	}
}
