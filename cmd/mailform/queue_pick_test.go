package main

import (
	"flag"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mailform/mailform/providers/embedded/admin"
)

func TestWhichEntriesAreMeant(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	message := queued{QueueEntry: admin.QueueEntry{From: "Bob@example.com", To: "one@elsewhere.test", Created: "2026-11-26T09:00:00Z"}}
	report := queued{QueueEntry: admin.QueueEntry{To: "two@other.test", Created: "2026-11-26T11:59:00Z"}}
	for name, tt := range map[string]struct {
		args            []string
		message, report bool
	}{
		"all, where nothing is said":       {nil, true, true},
		"to an address":                    {[]string{"-to=ONE@elsewhere.test"}, true, false},
		"to a domain":                      {[]string{"-to", "elsewhere.test"}, true, false},
		"to a domain, with the sign":       {[]string{"-to=@other.test"}, false, true},
		"not to what ends like the domain": {[]string{"-to=where.test"}, false, false},
		"from an address":                  {[]string{"-from=bob@example.com"}, true, false},
		"from a domain":                    {[]string{"-from=example.com"}, true, false},
		"reports":                          {[]string{"-from=<>"}, false, true},
		"older":                            {[]string{"-older=2h"}, true, false},
		"older than all":                   {[]string{"-older=1d"}, false, false},
		"both":                             {[]string{"-older=30s", "-to=other.test"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			fs := flag.NewFlagSet("", flag.ContinueOnError)
			p := pickFlags(fs)
			if err := fs.Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			fits, err := p.check(now)
			if err != nil {
				t.Fatal(err)
			}
			if m, r := fits(&message), fits(&report); m != tt.message || r != tt.report {
				t.Errorf("the message %v, the report %v; want %v and %v", m, r, tt.message, tt.report)
			}
		})
	}
	if _, err := (&picked{older: "soon"}).check(now); err == nil {
		t.Error("-older=soon is a duration")
	}
}

// What another server has said may be meant for the terminal of whoever reads it.
func TestTheQueueIsListedWithoutOthersCommands(t *testing.T) {
	e := queued{QueueEntry: admin.QueueEntry{To: "a\x1b]0;x\x07@elsewhere.test", Error: "550 5.1.1 no\x1b[2J\tsuch\r\nuser\u009b1m\xff"}}
	columns := e.columns()
	for _, column := range columns {
		if strings.ContainsAny(column, "\x1b\a\t\r\n\u009b") || !utf8.ValidString(column) {
			t.Errorf("a column is %q", column)
		}
	}
	if last := columns[len(columns)-1]; !strings.HasPrefix(last, "550 5.1.1 no") || !strings.Contains(last, "such") {
		t.Errorf("the answer is %q", last)
	}
}
