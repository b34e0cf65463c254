package imap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// script is a list of commands with the untagged lines, or, for a refusal, the
// beginning of the tagged line, that have to come.
type script []struct {
	command string
	want    []string
	refusal string
}

func (s script) run(t *testing.T, c *wireClient) {
	t.Helper()
	for _, step := range s {
		if step.refusal != "" {
			c.refused(step.command, step.refusal)
			continue
		}
		if diff := cmp.Diff(step.want, c.ok(step.command), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.command, diff)
		}
	}
}

func TestNewAccountHasItsMailboxes(t *testing.T) {
	c := newWorld(t).login("alice")
	got := c.ok(`LIST "" *`)
	slices.Sort(got[1:])
	want := []string{
		`* LIST (\HasNoChildren) "/" "INBOX"`,
		`* LIST (\HasNoChildren \Drafts) "/" "Drafts"`,
		`* LIST (\HasNoChildren \Junk) "/" "Junk"`,
		`* LIST (\HasNoChildren \Sent) "/" "Sent"`,
		`* LIST (\HasNoChildren \Trash) "/" "Trash"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("LIST (-want +got):\n%s", diff)
	}
}

func TestMailboxes(t *testing.T) {
	c := newWorld(t).login("alice")
	script{
		{"CREATE work/2026/", nil, ""},
		{`LIST "" work*`, []string{`* LIST (\HasChildren) "/" "work"`, `* LIST (\HasNoChildren) "/" "work/2026"`}, ""},
		{`LIST work/ %`, []string{`* LIST (\HasNoChildren) "/" "work/2026"`}, ""},
		{`LIST "" w%`, []string{`* LIST (\HasChildren) "/" "work"`}, ""},
		{`LIST "" iNbOx`, []string{`* LIST (\HasNoChildren) "/" "INBOX"`}, ""},
		{`LIST "" ""`, []string{`* LIST (\Noselect) "/" ""`}, ""},
		{"CREATE work", nil, "NO [ALREADYEXISTS] "},
		{"CREATE inbox", nil, "NO [ALREADYEXISTS] "},
		{"CREATE a//b", nil, "NO [CANNOT] "},
		{`CREATE "a*"`, nil, "NO [CANNOT] "},
		{"CREATE " + strings.Repeat("x", 2000), nil, "NO [CANNOT] "},
		{"CREATE arch (USE (\\Archive))", nil, ""},
		{"CREATE all (USE (\\All))", nil, "NO [USEATTR] "},
		{`LIST "" arch`, []string{`* LIST (\HasNoChildren \Archive) "/" "arch"`}, ""},
		{"DELETE work", nil, "NO [HASCHILDREN] "},
		{"DELETE inbox", nil, "NO [CANNOT] "},
		{"DELETE nowhere", nil, "NO [NONEXISTENT] "},
		{"RENAME work job", nil, ""},
		{`LIST "" (job* work*)`, []string{`* LIST (\HasChildren) "/" "job"`, `* LIST (\HasNoChildren) "/" "job/2026"`}, ""},
		{"RENAME job job/below", nil, "NO [CANNOT] "},
		{"RENAME job Sent", nil, "NO [ALREADYEXISTS] "},
		{"RENAME nowhere else", nil, "NO [NONEXISTENT] "},
		{"DELETE job/2026", nil, ""},
		{"DELETE job", nil, ""},
		{`LIST "" job*`, nil, ""},
		{"CREATE Entw&APw-rfe", nil, ""},
		{`LIST "" Entw*`, []string{`* LIST (\HasNoChildren) "/" "Entw&APw-rfe"`}, ""},
		{"ENABLE UTF8=ACCEPT", []string{"* ENABLED UTF8=ACCEPT"}, ""},
		{`LIST "" "Entwü*"`, []string{`* LIST (\HasNoChildren) "/" "Entwürfe"`}, ""},
		{`CREATE "&amp"`, nil, ""},
		{`LIST "" "&amp"`, []string{`* LIST (\HasNoChildren) "/" "&amp"`}, ""},
		{"NAMESPACE", []string{`* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))`}, ""},
	}.run(t, c)
}

func TestSubscriptions(t *testing.T) {
	c := newWorld(t).login("alice")
	for _, name := range []string{"INBOX", "Sent", "Drafts", "Trash", "Junk"} {
		c.ok("UNSUBSCRIBE " + name)
	}
	script{
		{"CREATE a/b/c", nil, ""},
		{"UNSUBSCRIBE a", nil, ""},
		{"UNSUBSCRIBE a/b", nil, ""},
		{"SUBSCRIBE a/b/c", nil, ""},
		{"SUBSCRIBE gone", nil, ""},
		{`LSUB "" *`, []string{`* LSUB () "/" "a/b/c"`, `* LSUB () "/" "gone"`}, ""},
		{`LSUB "" %`, []string{`* LSUB (\Noselect) "/" "a"`, `* LSUB () "/" "gone"`}, ""},
		{`LIST (SUBSCRIBED) "" *`, []string{
			`* LIST (\HasNoChildren \Subscribed) "/" "a/b/c"`,
			`* LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" "gone"`,
		}, ""},
		{`LIST (SUBSCRIBED RECURSIVEMATCH) "" %`, []string{
			`* LIST (\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))`,
			`* LIST (\NonExistent \Noselect \HasNoChildren \Subscribed) "/" "gone"`,
		}, ""},
		{`LIST "" (a a/b/*) RETURN (SUBSCRIBED)`, []string{
			`* LIST (\HasChildren) "/" "a"`, `* LIST (\HasNoChildren \Subscribed) "/" "a/b/c"`,
		}, ""},
		{`LIST (SPECIAL-USE) "" *`, []string{
			`* LIST (\HasNoChildren \Drafts) "/" "Drafts"`, `* LIST (\HasNoChildren \Junk) "/" "Junk"`,
			`* LIST (\HasNoChildren \Sent) "/" "Sent"`, `* LIST (\HasNoChildren \Trash) "/" "Trash"`,
		}, ""},
		{`LIST (NONSENSE) "" *`, nil, "BAD "},
	}.run(t, c)
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"), mail("two"), mail("three"))
	c := w.login("alice")
	c.ok("SELECT INBOX")
	c.ok(`STORE 1 +FLAGS.SILENT (\Seen \Deleted)`)
	size := len(mail("one")) + len(mail("two")) + len(mail("three"))
	script{
		{"STATUS inbox (MESSAGES UNSEEN DELETED UIDNEXT RECENT SIZE)",
			[]string{`* STATUS "INBOX" (MESSAGES 3 RECENT 0 UIDNEXT 4 UNSEEN 2 DELETED 1 SIZE ` + itoa(size) + ")"}, ""},
		{"STATUS INBOX (DELETED-STORAGE APPENDLIMIT)",
			[]string{`* STATUS "INBOX" (APPENDLIMIT 52428800 DELETED-STORAGE ` + itoa(len(mail("one"))) + ")"}, ""},
		{`LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES))`, []string{
			`* LIST (\HasNoChildren) "/" "INBOX"`, `* STATUS "INBOX" (MESSAGES 3)`,
			`* LIST (\HasNoChildren \Sent) "/" "Sent"`, `* STATUS "Sent" (MESSAGES 0)`,
		}, ""},
		{"STATUS nowhere (MESSAGES)", nil, "NO [NONEXISTENT] "},
		{"STATUS INBOX (NONSENSE)", nil, "BAD "},
		{"STATUS INBOX ()", []string{`* STATUS "INBOX" ()`}, ""},
	}.run(t, c)
}

func TestRenamingINBOXMovesItsMessages(t *testing.T) {
	w := newWorld(t)
	w.deliver("INBOX", mail("one"))
	c := w.login("alice")
	c.ok("RENAME INBOX old")
	if inbox, old := w.count("INBOX"), w.count("old"); inbox != 0 || old != 1 {
		t.Errorf("%d messages in INBOX, %d in old", inbox, old)
	}
}

// TestListIsFastForAnyPattern would not end with a matcher that backtracks.
func TestListIsFastForAnyPattern(t *testing.T) {
	c := newWorld(t).login("alice")
	c.ok("CREATE " + strings.Repeat("a", 900))
	if got := c.ok(`LIST "" "` + strings.Repeat("*a", 400) + `*b"`); len(got) != 0 {
		t.Errorf("LIST: %q", got)
	}
}

// What others did between two looks is there at the second.
func TestSelectedAgain(t *testing.T) {
	w := newWorld(t)
	c, other := w.login("alice"), w.login("alice")
	const message = "Subject: x\r\n\r\nx\r\n"
	w.deliver("INBOX", message, message, message, message)
	c.ok("SELECT INBOX")
	c.ok("UNSELECT")
	other.ok("SELECT INBOX")
	other.ok(`UID STORE 2 +FLAGS.SILENT (\Deleted)`)
	other.ok("UID EXPUNGE 2")
	other.ok(`UID STORE 3 +FLAGS.SILENT (\Flagged)`)
	w.deliver("INBOX", message)
	if got := c.ok("SELECT INBOX"); !slices.Contains(got, "* 4 EXISTS") {
		t.Errorf("SELECT: %q", got)
	}
	want := []string{`* 1 FETCH (UID 1 FLAGS ())`, `* 2 FETCH (UID 3 FLAGS (\Flagged))`, `* 3 FETCH (UID 4 FLAGS ())`, `* 4 FETCH (UID 5 FLAGS ())`}
	if diff := cmp.Diff(want, c.ok("FETCH 1:* (UID FLAGS)")); diff != "" {
		t.Errorf("FETCH (-want +got):\n%s", diff)
	}
	c.ok("CREATE gone")
	c.ok("SELECT gone")
	c.ok("UNSELECT")
	other.ok("DELETE gone")
	c.refused("SELECT gone", "NO [NONEXISTENT] ")
	other.ok("CREATE gone")
	w.deliver("gone", message)
	if got := c.ok("SELECT gone"); !slices.Contains(got, "* 1 EXISTS") {
		t.Errorf("SELECT: %q", got)
	}
}
