package imap_test

import (
	"strings"
	"testing"
)

// headed makes a message out of header fields.
func headed(fields ...string) string {
	return strings.Join(fields, "\r\n") + "\r\n\r\nText.\r\n"
}

// letters are a conversation, and mail beside it.
func letters(w *world) {
	w.deliver("INBOX",
		headed("From: Zoe <anna@example.com>", "To: bob@example.com", "Subject: Lunch", "Date: Tue, 3 Feb 2026 10:00:00 +0100", "Message-ID: <1@x>"),
		headed("From: bob@example.com", "To: anna@example.com", "Cc: Carl <carl@example.com>", "Subject: Re: Lunch", "Date: Tue, 3 Feb 2026 09:30:00 +0000",
			"Message-ID: <2@x>", "In-Reply-To: <1@x>"),
		headed("From: Anton <carl@example.com>", "To: anna@example.com", "Subject: =?utf-8?q?=C3=84pfel?=", "Date: Mon, 2 Feb 2026 10:00:00 +0000", "Message-ID: <3@x>"),
		headed("From: carl@example.com", "To: anna@example.com", "Subject: [team] RE: lunch (fwd)", "Date: Wed, 4 Feb 2026 10:00:00 +0000",
			"Message-ID: <4@x>", "References: <1@x> <2@x>", "X-Filler: "+strings.Repeat("x", 500)),
		headed("To: nobody", "Subject: budget"),
	)
}

func TestSort(t *testing.T) {
	w := newWorld(t)
	letters(w)
	c := w.login("alice")
	c.ok("SELECT INBOX")
	script{
		{"SORT (SUBJECT) UTF-8 ALL", []string{"* SORT 3 5 1 2 4"}, ""},
		{"SORT (REVERSE SUBJECT) UTF-8 ALL", []string{"* SORT 1 2 4 5 3"}, ""},
		{"SORT (SUBJECT REVERSE DATE) US-ASCII ALL", []string{"* SORT 3 5 4 2 1"}, ""},
		{"SORT (DATE) utf-8 ALL", []string{"* SORT 3 5 1 2 4"}, ""},
		{"UID SORT (REVERSE SIZE) UTF-8 1:4", []string{"* SORT 4 2 3 1"}, ""},
		{"SORT (FROM) UTF-8 ALL", []string{"* SORT 5 1 2 3 4"}, ""},
		{"SORT (DISPLAYFROM) UTF-8 ALL", []string{"* SORT 5 3 2 4 1"}, ""},
		{"SORT (TO ARRIVAL) UTF-8 ALL", []string{"* SORT 2 3 4 1 5"}, ""},
		{"SORT (CC) UTF-8 ALL", []string{"* SORT 1 3 4 5 2"}, ""},
		{"SORT (DISPLAYTO) UTF-8 FROM carl", []string{"* SORT 3 4"}, ""},
		{"SORT (DATE) UTF-8 SUBJECT nothing", []string{"* SORT"}, ""},
		{"SORT (ARRIVAL) KOI8-R ALL", nil, "NO [BADCHARSET "},
		{"SORT (ARRIVAL) UTF-8", nil, "BAD "},
		{"SORT () UTF-8 ALL", nil, "BAD "},
		{"SORT (REVERSE) UTF-8 ALL", nil, "BAD "},
		{"SORT (COLOUR) UTF-8 ALL", nil, "BAD "},
		{"SORT ARRIVAL UTF-8 ALL", nil, "BAD "},
		{"SORT RETURN (SAVE) (ARRIVAL) UTF-8 ALL", nil, "BAD "},
	}.run(t, c)
	c.send("x SORT RETURN (MIN MAX ALL COUNT) (REVERSE DATE) UTF-8 NOT FROM carl\r\n")
	if got, want := c.until("x ")[0], `* ESEARCH (TAG "x") MIN 2 MAX 5 ALL 2,1,5 COUNT 3`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestThread(t *testing.T) {
	w := newWorld(t)
	letters(w)
	c := w.login("alice")
	c.ok("SELECT INBOX")
	script{
		{"THREAD REFERENCES UTF-8 ALL", []string{"* THREAD (3)(5)(1 2 4)"}, ""},
		{"THREAD ORDEREDSUBJECT UTF-8 ALL", []string{"* THREAD (3)(5)(1 (2)(4))"}, ""},
		{"UID THREAD REFERENCES UTF-8 NOT FROM anna", []string{"* THREAD (3)(5)(2 4)"}, ""},
		{"THREAD REFERENCES UTF-8 FROM nobody-here", []string{"* THREAD"}, ""},
		{"THREAD REFS UTF-8 ALL", nil, "BAD "},
		{"THREAD REFERENCES ALL", nil, "BAD "},
		{"THREAD REFERENCES KOI8-R ALL", nil, "NO [BADCHARSET "},
	}.run(t, c)
}

// Clients ask for order in what has changed; what is gone meanwhile is left out.
func TestSortWhileMailGoes(t *testing.T) {
	w := newWorld(t)
	letters(w)
	a, b := w.login("alice"), w.login("alice")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	b.ok(`STORE 1 +FLAGS (\Deleted)`)
	b.ok("EXPUNGE")
	if got := a.ok("SORT (DATE) UTF-8 ALL"); got[0] != "* SORT 3 5 2 4" {
		t.Errorf("%q", got)
	}
	if got := a.ok("THREAD REFERENCES UTF-8 ALL"); !strings.HasPrefix(got[0], "* THREAD (3)(5)(2 4)") {
		t.Errorf("%q", got)
	}
}
