package imap_test

import (
	"fmt"
	"strings"
	"testing"
)

// What is noted about a mailbox is there for whom it is for (RFC 5464).
func TestMetadata(t *testing.T) {
	w := newWorld(t)
	c := w.login("alice")
	script{
		{command: `GETMETADATA INBOX /private/comment`},
		{command: `SETMETADATA INBOX (/private/comment "my own" /shared/comment "for all" /shared/vendor/x/a "1" /shared/vendor/x/a/b "2")`},
		{command: `GETMETADATA inbox (/shared/comment /private/comment /private/other)`,
			want: []string{`* METADATA "INBOX" (/shared/comment "for all" /private/comment "my own")`}},
		{command: `GETMETADATA INBOX /SHARED/COMMENT`, want: []string{`* METADATA "INBOX" (/shared/comment "for all")`}},
		{command: `GETMETADATA (DEPTH 0) INBOX /shared/vendor/x`},
		{command: `GETMETADATA (DEPTH 1) INBOX /shared/vendor/x`, want: []string{`* METADATA "INBOX" (/shared/vendor/x/a "1")`}},
		{command: `GETMETADATA (DEPTH infinity) INBOX /shared/vendor`,
			want: []string{`* METADATA "INBOX" (/shared/vendor/x/a "1" /shared/vendor/x/a/b "2")`}},
		{command: `LIST "" (INBOX Sent) RETURN (METADATA (/shared/comment))`, want: []string{
			`* LIST (\HasNoChildren) "/" "INBOX"`, `* METADATA "INBOX" (/shared/comment "for all")`, `* LIST (\HasNoChildren \Sent) "/" "Sent"`}},
		{command: "SETMETADATA INBOX (/private/comment NIL /private/empty \"\")"},
		{command: `GETMETADATA (DEPTH infinity) INBOX /private`, refusal: "BAD"}, // no name of an entry
		{command: `GETMETADATA INBOX (/private/comment /private/empty)`, want: []string{`* METADATA "INBOX" (/private/empty "")`}},
		{command: `SETMETADATA "" (/private/client "state")`},
		{command: `GETMETADATA "" /private/client`, want: []string{`* METADATA "" (/private/client "state")`}},
		{command: `GETMETADATA Sent /private/client`},
		{command: `SETMETADATA "" (/shared/admin "mailto:me@example.com")`, refusal: "NO [NOPERM]"},
		{command: `GETMETADATA None /private/client`, refusal: "NO [NONEXISTENT]"},
		{command: `SETMETADATA None (/private/client "x")`, refusal: "NO [NONEXISTENT]"},
		{command: `SETMETADATA INBOX (/other/x "x")`, refusal: "BAD"},
		{command: `SETMETADATA INBOX (/private//x "x")`, refusal: "BAD"},
		{command: `SETMETADATA INBOX (/private/* "x")`, refusal: "BAD"},
		{command: `SETMETADATA INBOX ()`, refusal: "BAD"},
	}.run(t, c)

	if got := w.login("quincy").ok(`GETMETADATA "" /private/client`); len(got) != 0 {
		t.Errorf("another user sees %q", got)
	}
}

// Values may hold anything; there are bounds to them, and to how many there are.
func TestMetadataIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.login("alice")
	c.ok("SETMETADATA INBOX (/private/binary ~{3+}\r\na\x00b)")
	if got := c.ok("GETMETADATA INBOX /private/binary"); len(got) != 1 || !strings.HasSuffix(got[0], "(/private/binary ~{3}\r\na\x00b)") {
		t.Errorf("a binary value comes back as %q", got)
	}
	c.refused("SETMETADATA INBOX (/private/text {3+}\r\na\x00b)", "BAD")

	long := strings.Repeat("x", 30000)
	c.ok(fmt.Sprintf("SETMETADATA INBOX (/private/long {%d+}\r\n%s)", len(long), long))
	c.refused("GETMETADATA (MAXSIZE 100) INBOX (/private/long /private/binary)", "OK [METADATA LONGENTRIES 30000]")
	c.refused(fmt.Sprintf("SETMETADATA INBOX (/private/long {%d+}\r\n%s)", len(long)+8000, long+strings.Repeat("y", 8000)), "NO [METADATA MAXSIZE 32768]")
	for i := range 33 {
		c.ok(fmt.Sprintf("SETMETADATA Sent (/private/long%d {%d+}\r\n%s)", i, len(long), long))
	}
	c.refused(fmt.Sprintf("SETMETADATA Sent (/private/long33 {%d+}\r\n%s)", len(long), long), "NO [OVERQUOTA]")
	if got := c.ok("GETMETADATA Sent /private/long33"); len(got) != 0 {
		t.Error("what was refused is there")
	}
	c.ok("SETMETADATA Sent (/private/long1 NIL)") // there is always a way out

	for i := range 100 {
		c.ok(fmt.Sprintf("SETMETADATA Drafts (/shared/e%d \"x\")", i))
	}
	c.refused("SETMETADATA Drafts (/shared/e100 \"x\")", "NO [METADATA TOOMANY]")
	c.ok("SETMETADATA Drafts (/shared/e5 \"y\")")

	// What goes with a mailbox is not there in the next one of its name.
	c.ok("CREATE Gone")
	c.ok("SETMETADATA Gone (/shared/comment \"x\")")
	c.ok("DELETE Gone")
	c.ok("CREATE Gone")
	if got := c.ok("GETMETADATA Gone /shared/comment"); len(got) != 0 {
		t.Errorf("a new mailbox has %q", got)
	}

	small := w.login("quincy") // has a quota of 2 KiB
	small.refused("SETMETADATA INBOX (/private/long {3000+}\r\n"+long[:3000]+")", "NO [OVERQUOTA]")
	small.ok("SETMETADATA INBOX (/private/short \"x\")")
}
