package imap_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func itoa(n int) string { return strconv.Itoa(n) }

var letter = strings.ReplaceAll(`Date: Tue, 3 Feb 2026 10:00:00 +0100
From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>
To: "Doe, Jane" <jane@example.com>, team: a@example.com, b@example.com;
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
 and more
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sch=C3=B6ne Welt
--b
Content-Type: application/pdf; name="a b.pdf"
Content-Disposition: attachment; filename="a b.pdf"
Content-Transfer-Encoding: base64

AAECAw==
--b
Content-Type: message/rfc822

Subject: inner
From: i@example.com

inner text
--b
Content-Type: application/x-strange
Content-Transfer-Encoding: x-uuencode

M
--b--
`, "\n", "\r\n")

func TestFetchSections(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", letter)
	c := w.login("alice")
	c.ok("SELECT INBOX")
	lit := func(s string) string { return "{" + itoa(len(s)) + "}\r\n" + s }
	header, body, _ := strings.Cut(letter, "\r\n\r\n")
	header += "\r\n\r\n"
	tests := map[string]string{
		"BODY.PEEK[]":                             "BODY[] " + lit(letter),
		"RFC822.HEADER":                           "RFC822.HEADER " + lit(header),
		"BODY.PEEK[HEADER]":                       "BODY[HEADER] " + lit(header),
		"BODY.PEEK[TEXT]":                         "BODY[TEXT] " + lit(body),
		"BODY.PEEK[TEXT]<2.5>":                    "BODY[TEXT]<2> " + lit(body[2:7]),
		"BODY.PEEK[TEXT]<999999.5>":               "BODY[TEXT]<999999> " + lit(""),
		"BODY.PEEK[]<0.9999999999>":               "BODY[]<0> " + lit(letter),
		"BODY.PEEK[HEADER.FIELDS (message-id X)]": "BODY[HEADER.FIELDS (message-id X)] " + lit("Message-ID: <1@example.com>\r\n\r\n"),
		"BODY.PEEK[HEADER.FIELDS (Subject)]<0.7>": "BODY[HEADER.FIELDS (Subject)]<0> " + lit("Subject"),
		"BODY.PEEK[1]":                            "BODY[1] " + lit("Sch=C3=B6ne Welt"),
		"BODY.PEEK[1.MIME]":                       "BODY[1.MIME] " + lit("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
		"BODY.PEEK[3]":                            "BODY[3] " + lit("Subject: inner\r\nFrom: i@example.com\r\n\r\ninner text"),
		"BODY.PEEK[3.HEADER]":                     "BODY[3.HEADER] " + lit("Subject: inner\r\nFrom: i@example.com\r\n\r\n"),
		"BODY.PEEK[3.TEXT]":                       "BODY[3.TEXT] " + lit("inner text"),
		"BODY.PEEK[3.1]":                          "BODY[3.1] " + lit("inner text"),
		"BODY.PEEK[3.HEADER.FIELDS.NOT (From)]":   "BODY[3.HEADER.FIELDS.NOT (From)] " + lit("Subject: inner\r\n\r\n"),
		"BODY.PEEK[1.HEADER]":                     "BODY[1.HEADER] NIL",
		"BODY.PEEK[9]":                            "BODY[9] NIL",
		"BODY.PEEK[1.1]":                          "BODY[1.1] NIL",
		"BINARY.PEEK[1]":                          "BINARY[1] ~" + lit("Schöne Welt"),
		"BINARY.PEEK[2]":                          "BINARY[2] ~" + lit("\x00\x01\x02\x03"),
		"BINARY.PEEK[2]<1.2>":                     "BINARY[2]<1> ~" + lit("\x01\x02"),
		"BINARY.SIZE[2]":                          "BINARY.SIZE[2] 4",
		"BINARY.SIZE[9]":                          "BINARY.SIZE[9] 0",
		"RFC822.SIZE":                             "RFC822.SIZE " + itoa(len(letter)),
		"INTERNALDATE":                            `INTERNALDATE "03-Feb-2026 04:05:06 +0000"`,
		"ENVELOPE": `ENVELOPE ("Tue, 3 Feb 2026 10:00:00 +0100" "=?utf-8?q?Gr=C3=BC=C3=9Fe?= and more"` +
			` (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "example.com")) (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "example.com"))` +
			` (("=?utf-8?q?J=C3=BCrgen?=" NIL "j" "example.com")) (("Doe, Jane" NIL "jane" "example.com")(NIL NIL "team" NIL)` +
			`(NIL NIL "a" "example.com")(NIL NIL "b" "example.com")(NIL NIL NIL NIL)) NIL NIL NIL "<1@example.com>")`,
		"BODYSTRUCTURE": `BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "QUOTED-PRINTABLE" 16 0 NIL NIL NIL NIL)` +
			`("APPLICATION" "PDF" ("NAME" "a b.pdf") NIL NIL "BASE64" 8 NIL ("ATTACHMENT" ("FILENAME" "a b.pdf")) NIL NIL)` +
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 49 (NIL "inner" ((NIL NIL "i" "example.com")) ((NIL NIL "i" "example.com"))` +
			` ((NIL NIL "i" "example.com")) NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 10 0) 3 NIL NIL NIL NIL)` +
			`("APPLICATION" "X-STRANGE" NIL NIL NIL "X-UUENCODE" 1 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "b") NIL NIL NIL)`,
	}
	for item, want := range tests {
		t.Run(item, func(t *testing.T) {
			got := c.ok("FETCH 1 " + item)
			if diff := cmp.Diff([]string{"* 1 FETCH (" + want + ")"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	lines := c.do("FETCH 1 (UID BINARY.PEEK[4])")
	want := []string{"* 1 FETCH (UID 1 BINARY[4] NIL)", "NO [UNKNOWN-CTE] Cannot decode the transfer encoding"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("an encoding that nobody knows (-want +got):\n%s", diff)
	}
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", letter, mail("second"), "Subject: third\r\nX-Test: yes\r\n\r\nHELLO\r\n")
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.ok(`STORE 2 +FLAGS.SILENT (\Seen \Flagged Work)`)
	c.ok(`STORE 3 +FLAGS.SILENT (\Deleted)`)
	tests := map[string]string{
		"ALL":                          "1 2 3",
		"SEEN":                         "2",
		"UNSEEN UNDELETED":             "1",
		"NOT SEEN":                     "1 3",
		"OR SEEN DELETED":              "2 3",
		"(SEEN FLAGGED)":               "2",
		"NOT (SEEN FLAGGED)":           "1 3",
		"KEYWORD work":                 "2",
		"UNKEYWORD Work":               "1 3",
		"NEW":                          "",
		"OLD":                          "1 2 3",
		"2:*":                          "2 3",
		"7:9":                          "",
		"NOT 2":                        "1 3",
		"UID 1,3":                      "1 3",
		"SUBJECT grüße":                "1",
		"CHARSET UTF-8 SUBJECT GRÜSSE": "",
		"FROM jürgen":                  "1",
		"FROM bob":                     "2",
		"TO jane@example.com":          "1",
		"HEADER X-Test yes":            "3",
		`HEADER X-Test ""`:             "3",
		"HEADER X-None \"\"":           "",
		"BODY hello":                   "3",
		"BODY schöne":                  "1",
		"BODY =C3":                     "",
		"TEXT second":                  "2",
		"TEXT inner":                   "1",
		"BODY from:":                   "1",
		"LARGER 100":                   "1",
		"SMALLER 100 LARGER 1":         "2 3",
		"SMALLER 0":                    "",
		"ON 3-Feb-2026":                "1 2 3",
		"SINCE 4-Feb-2026":             "",
		"BEFORE 3-Feb-2026":            "",
		"SENTON 3-Feb-2026":            "1",
		"SENTBEFORE 1-Jan-2027":        "1",
		"LARGER 100 SINCE 1-Jan-2026":  "1",
	}
	for keys, want := range tests {
		t.Run(keys, func(t *testing.T) {
			got := c.ok("SEARCH " + keys)
			if line := strings.TrimSpace("* SEARCH " + want); len(got) != 1 || got[0] != line {
				t.Errorf("got %q, want %q", got, line)
			}
		})
	}
	c.refused("SEARCH CHARSET koi8-r TEXT x", "NO [BADCHARSET (US-ASCII UTF-8)] ")
	if got := c.ok("UID SEARCH 2:3"); got[0] != "* SEARCH 2 3" {
		t.Errorf("UID SEARCH: %q", got)
	}
}

func TestSearchResults(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"), mail("four"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	esearch := func(keys string) string {
		t.Helper()
		c.n++
		c.send("x SEARCH " + keys + "\r\n")
		lines := c.until("x OK")
		return strings.Join(lines[:len(lines)-1], "|")
	}
	for keys, want := range map[string]string{
		"RETURN () 2:4":              `* ESEARCH (TAG "x") ALL 2:4`,
		"RETURN (MIN MAX COUNT) 2:4": `* ESEARCH (TAG "x") MIN 2 MAX 4 COUNT 3`,
		"RETURN (MIN COUNT) 9":       `* ESEARCH (TAG "x") COUNT 0`,
		"RETURN (ALL) OR 1 3:4":      `* ESEARCH (TAG "x") ALL 1,3:4`,
		"RETURN (SAVE) 2:3":          ``,
	} {
		if got := esearch(keys); got != want {
			t.Errorf("%s: %q, want %q", keys, got, want)
		}
	}
	saved := func(want string) {
		t.Helper()
		var uids []string
		for _, line := range c.ok("FETCH $ UID") {
			_, uid, _ := strings.Cut(line, "(UID ")
			uids = append(uids, strings.TrimSuffix(uid, ")"))
		}
		if got := strings.Join(uids, " "); got != want {
			t.Errorf("$ is %q, want %q", got, want)
		}
	}
	esearch("RETURN (SAVE) 2:3")
	saved("2 3")
	esearch("RETURN (SAVE MIN) 2:4")
	saved("2")
	esearch("RETURN (SAVE COUNT) 2:4")
	saved("2 3 4")
	c.ok(`UID STORE 3 +FLAGS.SILENT (\Deleted)`)
	c.ok("UID EXPUNGE $")
	saved("2 4")
	if got := c.ok("UID SEARCH $ UID 4:9"); got[0] != "* SEARCH 4" {
		t.Errorf("$ as a key: %q", got)
	}
	c.refused("SEARCH RETURN (SAVE) CHARSET x ALL", "NO [BADCHARSET")
	saved("")
}

// A client that speaks IMAP4rev2 gets what was found as one set, also where it asks for
// nothing (RFC 9051 §6.4.4); one that has not said so gets the list of before.
func TestSearchAnswersAsTheClientSpeaks(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"))
	for name, tt := range map[string]struct {
		enable string
		want   map[string]string
	}{
		"IMAP4rev1": {"", map[string]string{
			"SEARCH ALL": "* SEARCH 1 2 3", "UID SEARCH 2:3": "* SEARCH 2 3", "SEARCH SUBJECT nothing": "* SEARCH",
			"SEARCH RETURN (COUNT) ALL": `* ESEARCH (TAG "x") COUNT 3`,
		}},
		"IMAP4rev2": {"IMAP4rev2", map[string]string{
			"SEARCH ALL": `* ESEARCH (TAG "x") ALL 1:3`, "UID SEARCH 2:3": `* ESEARCH (TAG "x") UID ALL 2:3`, "SEARCH SUBJECT nothing": `* ESEARCH (TAG "x")`,
			"UID SEARCH SUBJECT nothing": `* ESEARCH (TAG "x") UID`, "SEARCH RETURN (COUNT) ALL": `* ESEARCH (TAG "x") COUNT 3`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.login("alice")
			if tt.enable != "" {
				c.ok("ENABLE " + tt.enable)
			}
			c.ok("SELECT INBOX")
			for command, want := range tt.want {
				c.send("x " + command + "\r\n")
				lines := c.until("x OK")
				if got := strings.Join(lines[:len(lines)-1], "|"); got != want {
					t.Errorf("%s: %q, want %q", command, got, want)
				}
			}
		})
	}
}
