package imap_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailform/mailform/providers/embedded/imap"
)

// TestAppendIsWholeOrNothing breaks off, exceeds and misuses APPEND: only what
// came whole, and was allowed, is in the mailbox afterwards.
func TestAppendIsWholeOrNothing(t *testing.T) {
	limit := func(o *imap.Options) { o.Limits.MessageSize = 1 << 20 }
	tests := map[string]struct {
		command string // after the tag; "…" ends it without more
		hangUp  bool
		want    string // prefix of the tagged answer
		stored  int64
	}{
		"whole":                           {"INBOX {9+}\r\na: b\r\n\r\nc\r\n", false, "OK [APPENDUID ", 1},
		"with flags and a date":           {`INBOX (\Seen $x) "01-Feb-2026 10:00:00 +0100" {9+}` + "\r\na: b\r\n\r\nc\r\n", false, "OK [APPENDUID ", 1},
		"as a literal8":                   {"INBOX ~{9+}\r\na: b\r\n\r\nc\r\n", false, "OK [APPENDUID ", 1},
		"within UTF8":                     {"INBOX UTF8 (~{9+}\r\na: b\r\n\r\nc)\r\n", false, "OK [APPENDUID ", 1},
		"within UTF8 without an end":      {"INBOX UTF8 (~{9+}\r\na: b\r\n\r\nc\r\n", false, "BAD ", 0},
		"broken off":                      {"INBOX {200+}\r\na: b\r\n\r\nc", true, "", 0},
		"broken off at its very end":      {"INBOX {9+}\r\na: b\r\n\r\nc", true, "", 0},
		"longer than announced":           {"INBOX {8+}\r\na: b\r\n\r\nc\r\n", false, "BAD ", 0},
		"of nothing":                      {"INBOX {0+}\r\n\r\n", false, "NO [CANNOT] ", 0},
		"with NUL":                        {"INBOX {9+}\r\na: b\r\n\r\n\x00\r\n", false, "BAD ", 0},
		"with NUL in a literal8":          {"INBOX ~{9+}\r\na: b\r\n\r\n\x00\r\n", false, "NO [UNKNOWN-CTE] ", 0},
		"into nothing":                    {"Nowhere {9+}\r\na: b\r\n\r\nc\r\n", false, "NO [TRYCREATE] ", 0},
		"with a flag that does not exist": {`INBOX (\Nonsense) {9+}` + "\r\na: b\r\n\r\nc\r\n", false, "BAD ", 0},
		"too large, before it is sent":    {"INBOX {2000000}\r\n", false, "NO [TOOBIG] ", 0},
		"too large, sent unasked":         {"INBOX {2000000+}\r\n" + strings.Repeat("x", 2000000) + "\r\n", false, "NO [TOOBIG] ", 0},
		"with a size beyond all numbers":  {"INBOX {99999999999999999999}\r\n", false, "BAD ", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, limit)
			c := w.login("alice")
			c.send("x APPEND " + tt.command)
			if tt.hangUp {
				c.conn.(interface{ CloseWrite() error }).CloseWrite()
				c.ended()
				eventually(t, "the server sees that the client is gone", func() bool { return w.srv.Connections() == 0 })
			} else {
				lines := c.until("x ")
				if got := strings.TrimPrefix(lines[len(lines)-1], "x "); !strings.HasPrefix(got, tt.want) {
					t.Errorf("answer is %q, want %q", got, tt.want)
				}
				if lines := c.do("NOOP"); len(lines) != 1 {
					t.Errorf("out of step: %q", lines)
				}
			}
			if n := w.count("INBOX"); n != tt.stored {
				t.Errorf("%d messages are stored, want %d", n, tt.stored)
			}
		})
	}
}

func TestAppendFarTooLargeEndsTheConnection(t *testing.T) {
	w := newWorld(t)
	c := w.login("alice")
	c.send("x APPEND INBOX {9000000000+}\r\n")
	lines := c.ended()
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "* BYE [TOOBIG] ") {
		t.Errorf("read %q", lines)
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	c := w.login("quincy")
	message := strings.Repeat("x", 1500)
	c.ok("APPEND INBOX {1500+}\r\n" + message)
	c.refused("APPEND INBOX {1500}", "NO [OVERQUOTA] ")
	c.ok("SELECT INBOX")
	c.refused("COPY 1 Sent", "NO [OVERQUOTA] ")
	want := []string{`* QUOTAROOT "INBOX" mail`, "* QUOTA mail (STORAGE 2 2)"}
	if diff := cmp.Diff(want, c.ok("GETQUOTAROOT inbox")); diff != "" {
		t.Errorf("GETQUOTAROOT (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], c.ok("GETQUOTA mail")); diff != "" {
		t.Errorf("GETQUOTA (-want +got):\n%s", diff)
	}
	c.refused("GETQUOTA other", "NO [NONEXISTENT] ")

	unlimited := w.login("alice")
	if diff := cmp.Diff([]string{`* QUOTAROOT "INBOX"`}, unlimited.ok("GETQUOTAROOT INBOX")); diff != "" {
		t.Errorf("without a quota (-want +got):\n%s", diff)
	}
}

// TestExamineChangesNothing tries every command that could change a mailbox
// opened by EXAMINE.
func TestExamineChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"))
	rw := w.login("alice")
	rw.ok("SELECT INBOX")
	rw.ok(`STORE 1 +FLAGS (\Deleted)`)

	c := w.login("alice")
	lines := c.do("EXAMINE INBOX")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK [READ-ONLY]") || !slices.Contains(lines, "* OK [PERMANENTFLAGS ()] Flags that are kept") {
		t.Errorf("EXAMINE: %q", lines)
	}
	for _, command := range []string{
		`STORE 2 +FLAGS (\Seen)`, `UID STORE 1:* FLAGS ()`, "EXPUNGE", "UID EXPUNGE 1:*", "MOVE 1 Trash", "UID MOVE 1 Trash",
	} {
		c.refused(command, "NO ")
	}
	c.ok("FETCH 1:* (RFC822 BODY[TEXT] BINARY[1])")
	c.ok("COPY 2 Sent")
	c.ok("CLOSE")

	c.ok("SELECT INBOX")
	want := []string{`* 1 FETCH (FLAGS (\Deleted))`, `* 2 FETCH (FLAGS ())`}
	if diff := cmp.Diff(want, c.ok("FETCH 1:* FLAGS")); diff != "" {
		t.Errorf("flags afterwards (-want +got):\n%s", diff)
	}
}

func TestSelectAnswers(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS (\Seen work)`)
	got := strings.Join(c.ok("SELECT INBOX"), "\n")
	for _, want := range []string{
		"* OK [CLOSED] ", "\n* 2 EXISTS\n", "\n* 0 RECENT\n", "\n* OK [UNSEEN 2] ", "\n* OK [UIDVALIDITY ", "\n* OK [UIDNEXT 3] ",
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft work)`, `[PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft work \*)]`,
		"\n* OK [HIGHESTMODSEQ ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	c.refused("SELECT Nowhere", "NO [NONEXISTENT] ")
	c.refused("FETCH 1 FLAGS", "BAD Not valid without a selected mailbox")
	c.ok("SELECT INBOX")
	c.ok("UNSELECT")
	c.refused("CHECK", "BAD ")

	c.ok("ENABLE IMAP4rev2 X-UNKNOWN")
	got = strings.Join(c.ok("SELECT INBOX"), "\n")
	if strings.Contains(got, "RECENT") || strings.Contains(got, "UNSEEN") || !strings.Contains(got, `* LIST () "/" "INBOX"`) {
		t.Errorf("SELECT in IMAP4rev2:\n%s", got)
	}
}

// TestTwoSessions lets two sessions change a mailbox under each other: a number
// means the same message to the end of a command that uses numbers.
func TestTwoSessions(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"))
	a, b := w.login("alice"), w.login("alice")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")

	step := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	step("b deletes the first", b.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`))
	step("and expunges", b.ok("EXPUNGE"), "* 1 EXPUNGE")
	step("a still counts three", a.ok("FETCH 3 (UID)"), "* 3 FETCH (UID 3)")
	step("also in STORE", a.do(`STORE 1,2 +FLAGS (\Seen)`),
		`* 2 FETCH (FLAGS (\Seen))`, "OK [EXPUNGEISSUED] Some messages no longer exist")
	step("also in SEARCH, which does not find it", a.ok("SEARCH ALL"), "* SEARCH 2 3")
	if got := a.do("FETCH 1 BODY.PEEK[]"); len(got) != 1 || !strings.HasPrefix(got[0], "OK [EXPUNGEISSUED]") {
		t.Errorf("the body of what is gone: %q", got)
	}
	step("UID commands may tell", a.ok("UID FETCH 3 (FLAGS)"), "* 3 FETCH (UID 3 FLAGS ())", "* 1 EXPUNGE")
	step("then the numbers are new", a.ok("FETCH 1:* (UID)"), "* 1 FETCH (UID 2)", "* 2 FETCH (UID 3)")
	step("b hears of the flag", b.ok("NOOP"), `* 1 FETCH (FLAGS (\Seen))`)
	w.deliver("INBOX", mail("four"))
	step("a message comes in", a.ok("NOOP"), "* 3 EXISTS")
	step("comes and goes unseen by the other", b.ok("STORE 1:2 +FLAGS.SILENT (\\Deleted)"), "* 3 EXISTS")
	step("b expunges both", b.ok("EXPUNGE"), "* 2 EXPUNGE", "* 1 EXPUNGE")
	step("a hears flags never, numbers in order", a.ok("NOOP"), "* 2 EXPUNGE", "* 1 EXPUNGE")
	step("and the next one is its first", a.ok("FETCH * (UID)"), "* 1 FETCH (UID 4)")
}

func TestMailboxDeletedUnderASession(t *testing.T) {
	w := newWorld(t)
	a, b := w.login("alice"), w.login("alice")
	a.ok("CREATE tmp")
	w.deliver("tmp", mail("one"))
	a.ok("SELECT tmp")
	b.ok("DELETE tmp")
	if got := a.ok("NOOP"); len(got) != 1 || got[0] != "* 1 EXPUNGE" {
		t.Errorf("NOOP: %q", got)
	}
	if got := a.ok("FETCH 1:* FLAGS"); len(got) != 0 {
		t.Errorf("FETCH: %q", got)
	}
	a.ok("CLOSE")
}

func TestIdleTellsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"))
	c, other := w.login("alice"), w.login("alice")
	c.ok("SELECT INBOX")
	other.ok("SELECT INBOX")
	c.send("i IDLE\r\n")
	c.until("+ ")
	w.deliver("INBOX", mail("two"))
	c.until("* 2 EXISTS")
	other.ok(`STORE 1 +FLAGS (\Deleted)`)
	c.until(`* 1 FETCH (FLAGS (\Deleted))`)
	other.ok("EXPUNGE")
	c.until("* 1 EXPUNGE")
	c.send("done\r\n")
	c.until("i OK ")
	c.send("j IDLE\r\n")
	c.until("+ ")
	c.send("NOOP\r\n")
	c.until("j BAD ")
	c.ok("NOOP")

	nowhere := w.login("alice")
	nowhere.send("i IDLE\r\n")
	nowhere.until("+ ")
	nowhere.send("DONE\r\n")
	nowhere.until("i OK ")
}

func TestNumbers(t *testing.T) {
	w := newWorld(t)
	w.deliver("Sent", mail("one"), mail("two"), mail("three"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	for _, command := range []string{"FETCH * FLAGS", "FETCH 1:* FLAGS", "UID FETCH * FLAGS", "UID FETCH 1:* FLAGS", `UID STORE * +FLAGS (\Seen)`, "COPY * Sent"} {
		if got := c.ok(command); len(got) != 0 {
			t.Errorf("%s in an empty mailbox: %q", command, got)
		}
	}
	c.refused("FETCH 1 FLAGS", "BAD No message of that number")
	c.ok("SELECT Sent")
	tests := map[string]string{
		"FETCH * UID":              "3",
		"FETCH 2:* UID":            "2 3",
		"FETCH 9:* UID":            "3",
		"FETCH *:1 UID":            "1 2 3",
		"FETCH 3,1:2,2 UID":        "1 2 3",
		"UID FETCH * UID":          "3",
		"UID FETCH 9:* UID":        "3",
		"UID FETCH 2,9:12 UID":     "2",
		"UID FETCH 4294967295 UID": "",
	}
	for command, want := range tests {
		var uids []string
		for _, line := range c.ok(command) {
			_, uid, _ := strings.Cut(line, "(UID ")
			uids = append(uids, strings.TrimSuffix(uid, ")"))
		}
		if got := strings.Join(uids, " "); got != want {
			t.Errorf("%s finds %q, want %q", command, got, want)
		}
	}
	c.refused("FETCH 4 UID", "BAD ")
	c.refused("FETCH 2:9 UID", "BAD ")
	c.refused("FETCH 0 UID", "BAD ")
	c.refused("FETCH 4294967296 UID", "BAD ")
}

func TestCopyAndMove(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	lines := c.do("COPY 1,3 Sent")
	if got := lines[len(lines)-1]; !strings.HasPrefix(got, "OK [COPYUID ") || !strings.Contains(got, " 1,3 1:2]") {
		t.Errorf("COPY: %q", got)
	}
	c.refused("COPY 1 Nowhere", "NO [TRYCREATE] ")
	c.refused("MOVE 1 Nowhere", "NO [TRYCREATE] ")
	lines = c.ok("UID MOVE 2:3 Sent")
	if len(lines) != 3 || !strings.Contains(lines[0], " 2:3 3:4]") || lines[1] != "* 3 EXPUNGE" || lines[2] != "* 2 EXPUNGE" {
		t.Errorf("MOVE: %q", lines)
	}
	if inbox, sent := w.count("INBOX"), w.count("Sent"); inbox != 1 || sent != 4 {
		t.Errorf("%d messages in INBOX and %d in Sent", inbox, sent)
	}
}

func TestExpungeByUID(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1:2 +FLAGS.SILENT (\Deleted)`)
	if got := c.ok("UID EXPUNGE 2:3"); len(got) != 1 || got[0] != "* 2 EXPUNGE" {
		t.Errorf("UID EXPUNGE: %q", got)
	}
	if got := c.ok("CLOSE"); len(got) != 0 {
		t.Errorf("CLOSE speaks: %q", got)
	}
	if n := w.count("INBOX"); n != 1 {
		t.Errorf("%d messages are left", n)
	}
}

func TestCondStore(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"))
	c, other := w.login("alice"), w.login("alice")
	c.ok("SELECT INBOX (CONDSTORE)")
	other.ok("SELECT INBOX")

	var first, second uint64
	lines := c.ok("FETCH 1:2 MODSEQ")
	fmt.Sscanf(lines[0], "* 1 FETCH (MODSEQ (%d))", &first)
	fmt.Sscanf(lines[1], "* 2 FETCH (MODSEQ (%d))", &second)
	if first == 0 || second <= first {
		t.Fatalf("mod-sequences %d and %d in %q", first, second, lines)
	}
	other.ok(`STORE 1 +FLAGS (\Flagged)`)
	lines = c.do(fmt.Sprintf(`STORE 1:2 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\Seen)`, second))
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK [MODIFIED 1] ") {
		t.Errorf("STORE: %q", lines)
	}
	if got := c.ok(fmt.Sprintf("FETCH 1:2 (FLAGS) (CHANGEDSINCE %d)", second)); len(got) != 2 ||
		!strings.HasPrefix(got[0], `* 1 FETCH (FLAGS (\Flagged) MODSEQ (`) || !strings.HasPrefix(got[1], `* 2 FETCH (FLAGS (\Seen) MODSEQ (`) {
		t.Errorf("CHANGEDSINCE: %q", got)
	}
	if got := c.do("STORE 2 (UNCHANGEDSINCE 0) +FLAGS (x)"); !strings.HasPrefix(got[len(got)-1], "OK [MODIFIED 2] ") {
		t.Errorf("UNCHANGEDSINCE 0: %q", got)
	}
	got := c.ok(fmt.Sprintf("SEARCH MODSEQ %d", second+1))
	if !strings.HasPrefix(got[0], "* SEARCH 1 2 (MODSEQ ") {
		t.Errorf("SEARCH: %q", got)
	}
}

func TestSeenIsSetByReading(t *testing.T) {
	w := newWorld(t)
	for item, want := range map[string]bool{
		"BODY[]": true, "BODY[TEXT]": true, "RFC822": true, "RFC822.TEXT": true, "BINARY[1]": true, "BODY[]<0.5>": true,
		"BODY.PEEK[]": false, "RFC822.HEADER": false, "BINARY.PEEK[1]": false, "BINARY.SIZE[1]": false,
		"BODYSTRUCTURE": false, "ENVELOPE": false, "BODY": false,
	} {
		t.Run(item, func(t *testing.T) {
			w.deliver("INBOX", mail("one"))
			c := w.login("alice")
			c.ok("SELECT INBOX")
			lines := c.ok("FETCH * " + item)
			if got := strings.Contains(strings.Join(lines, "\n"), `FLAGS (\Seen)`); got != want {
				t.Errorf("the answer tells of \\Seen: %v, want %v: %q", got, want, lines)
			}
			if got := c.ok("FETCH * FLAGS"); strings.Contains(got[0], `\Seen`) != want {
				t.Errorf("flags are %q", got)
			}
		})
	}
}

func TestNewKeywordsAreAnnounced(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	want := []string{
		`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)`,
		`* 1 FETCH (FLAGS ($Junk))`,
	}
	if diff := cmp.Diff(want, c.ok("STORE 1 FLAGS ($junk $JUNK)")); diff != "" {
		t.Errorf("STORE (-want +got):\n%s", diff)
	}
	c.refused(`STORE 1 FLAGS (\Nonsense)`, "BAD ")
	if got := c.ok(`STORE 1 -FLAGS ($Junk \Recent)`); len(got) != 1 || got[0] != "* 1 FETCH (FLAGS ())" {
		t.Errorf("STORE: %q", got)
	}
}

// TestPipelining sends everything before reading anything.
func TestPipelining(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	c.send("1 LOGIN {17+}\r\nalice@example.com {6+}\r\nsecret\r\n2 SELECT INBOX\r\n" +
		"3 APPEND INBOX {9+}\r\na: b\r\n\r\nc\r\n4 FETCH 1 RFC822.SIZE\r\n5 NONSENSE\r\n6 LOGOUT\r\n")
	var answers []string
	for _, line := range c.ended() {
		if !strings.HasPrefix(line, "* OK") {
			answers = append(answers, strings.Join(strings.Fields(line)[:2], " "))
		}
	}
	want := []string{"1 OK", "* 0", "* 0", "* FLAGS", "2 OK", "* 1", "3 OK", "* 1", "4 OK", "5 BAD", "* BYE", "6 OK"}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestHugeCommands(t *testing.T) {
	w := newWorld(t)
	tests := map[string]struct{ said, want string }{
		"a tag that is huge":                          {strings.Repeat("t", 1000) + " NOOP\r\nb NOOP\r\n", "* BAD Tag is too long"},
		"a line that is huge":                         {"a SEARCH SUBJECT " + strings.Repeat("x", 100_000) + "\r\nb NOOP\r\n", "a BAD Command line too long"},
		"a literal that is huge":                      {"a SEARCH SUBJECT {100000}\r\nb NOOP\r\n", "a NO [TOOBIG] "},
		"a literal that comes unasked":                {"a SEARCH SUBJECT {100000+}\r\n" + strings.Repeat("x", 100_000) + "\r\nb NOOP\r\n", "a NO [TOOBIG] "},
		"a literal that ends a line that was refused": {"a XYZZY {17+}\r\nc DELETE Sent\r\n  \r\nb NOOP\r\n", "a BAD "},
		"NOT without an end":                          {"a SEARCH " + strings.Repeat("NOT ", 10_000) + "SEEN\r\nb NOOP\r\n", "a BAD Nested too deeply"},
		"control characters":                          {"a NOOP\x01\x02\r\nb NOOP\r\n", `a BAD Unexpected "??"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := w.login("alice")
			c.ok("SELECT INBOX")
			c.send(tt.said)
			lines := c.until("b ")
			if len(lines) != 2 || !strings.HasPrefix(lines[0], tt.want) || !strings.HasPrefix(lines[1], "b OK ") {
				t.Errorf("read %.200q, want %q and b OK", lines, tt.want)
			}
		})
	}
}

// TestClientThatGoesAway drops the connection while the server writes.
func TestClientThatGoesAway(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", strings.Repeat(mail("large"), 100_000))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.send("f FETCH 1 BODY[]\r\n")
	if _, err := io.CopyN(io.Discard, c.br, 1000); err != nil {
		t.Fatal(err)
	}
	c.conn.Close()
	eventually(t, "the session ends", func() bool { return w.srv.Connections() == 0 })
	w.login("alice").ok("NOOP")
}

func TestLargeMessage(t *testing.T) {
	w := newWorld(t)
	body := strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 300_000) // 10 MB
	w.deliver("INBOX", "Subject: x\r\n\r\n"+body)
	c := w.login("alice")
	c.ok("SELECT INBOX")
	start := time.Now()
	got := c.ok("FETCH 1 BODY.PEEK[TEXT]")
	if want := fmt.Sprintf("* 1 FETCH (BODY[TEXT] {%d}\r\n%s)", len(body), body); got[0] != want {
		t.Errorf("got %d bytes, want %d", len(got[0]), len(want))
	}
	t.Logf("10 MB in %v", time.Since(start))
	if got := c.ok("FETCH 1 BODY.PEEK[TEXT]<34.4>"); got[0] != "* 1 FETCH (BODY[TEXT]<34> {4}\r\n0123)" {
		t.Errorf("partial: %q", got)
	}
}

// A client that comes back hears what has happened since, and no more.
func TestQuickResync(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"), mail("four"))
	c := w.login("alice")
	c.refused("SELECT INBOX (QRESYNC (1 1))", "BAD ")
	c.ok("ENABLE QRESYNC")
	state := func(lines []string) (validity, modseq uint64) {
		for _, l := range lines {
			fmt.Sscanf(l, "* OK [UIDVALIDITY %d]", &validity)
			fmt.Sscanf(l, "* OK [HIGHESTMODSEQ %d]", &modseq)
		}
		return validity, modseq
	}
	validity, modseq := state(c.ok("SELECT INBOX"))
	c.ok("UNSELECT")
	other := w.login("alice")
	other.ok("SELECT INBOX")
	other.ok(`UID STORE 2,3 +FLAGS.SILENT (\Deleted)`)
	other.ok("EXPUNGE")
	other.ok(`UID STORE 4 +FLAGS.SILENT (\Flagged)`)
	w.deliver("INBOX", mail("five"))

	news := func(lines []string) (out []string) {
		for _, l := range lines {
			if strings.HasPrefix(l, "* VANISHED") || strings.Contains(l, " FETCH ") {
				out = append(out, strings.Split(l, " MODSEQ ")[0])
			}
		}
		return out
	}
	flagged, arrived := `* 2 FETCH (UID 4 FLAGS (\Flagged)`, `* 3 FETCH (UID 5 FLAGS ()`
	for command, want := range map[string][]string{
		fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d))", validity, modseq):           {"* VANISHED (EARLIER) 2:3", flagged, arrived},
		fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d 1:2))", validity, modseq):       {"* VANISHED (EARLIER) 2"},
		fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d 3:5 (1 3)))", validity, modseq): {"* VANISHED (EARLIER) 3", flagged, arrived},
		fmt.Sprintf("SELECT INBOX (QRESYNC (%d %d))", validity+1, modseq):         nil,
		fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)", modseq):   {"* VANISHED (EARLIER) 2:3", flagged, arrived},
		fmt.Sprintf("UID FETCH 3:4 (FLAGS) (CHANGEDSINCE %d VANISHED)", modseq):   {"* VANISHED (EARLIER) 3", flagged},
	} {
		if !strings.HasPrefix(command, "SELECT") {
			c.ok("SELECT INBOX")
		}
		if got := news(c.ok(command)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	// What goes while it looks goes by its UID.
	c.ok("SELECT INBOX")
	other.ok("NOOP")
	other.ok(`UID STORE 1,5 +FLAGS.SILENT (\Deleted)`)
	other.ok("EXPUNGE")
	if got := c.ok("NOOP"); !slices.Contains(got, "* VANISHED 1,5") {
		t.Errorf("NOOP: %q", got)
	}
	if got := c.ok("FETCH 1 UID"); len(got) != 1 || got[0] != "* 1 FETCH (UID 4)" {
		t.Errorf("FETCH: %q", got)
	}
	c.refused("FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "BAD ")
	other.refused("UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "BAD ")
}
