package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/store"
)

// newShared is a world with bob, who has the domain of alice, and olga, who has
// another one.
func newShared(t *testing.T) *world {
	w := newWorld(t)
	w.apply("create", "maildomain", "example.org", map[string]string{"name": "example.org"})
	for _, address := range []string{"bob@example.com", "olga@example.org"} {
		w.apply("create", "mailbox", address, attributes{Address: address, Password: []string{}, Protocols: []string{"imap"}, Mail: "enabled"})
	}
	return w
}

const appended = "{30+}\r\nSubject: x\r\n\r\nsixteen bytes.\r\n"

// Each command on a mailbox of somebody else needs the rights that RFC 4314 §4 says:
// with those alone it is carried out, without one of them it is not.
func TestRightsOfCommands(t *testing.T) {
	w := newShared(t)
	alice, bob := w.login("alice"), w.login("bob")
	// bob finds THIS by this name, and may make mailboxes beside it.
	const box = `"Other Users/alice/THIS"`
	alice.ok("SETACL INBOX bob lkx")
	bob.ok("APPEND INBOX " + appended)
	tests := map[string]struct {
		commands []string
		needs    store.Rights
	}{
		"select":              {[]string{"SELECT " + box}, "r"},
		"examine":             {[]string{"EXAMINE " + box}, "r"},
		"status":              {[]string{"STATUS " + box + " (MESSAGES UIDNEXT)"}, "r"},
		"quota root":          {[]string{"GETQUOTAROOT " + box}, "r"},
		"search":              {[]string{"SELECT " + box, "SEARCH SUBJECT x"}, "r"},
		"fetch":               {[]string{"SELECT " + box, "FETCH 1 BODY[]"}, "r"},
		"append":              {[]string{"APPEND " + box + " " + appended}, "i"},
		"store seen":          {[]string{"SELECT " + box, `STORE 1 +FLAGS (\Seen)`}, "rs"},
		"store deleted":       {[]string{"SELECT " + box, `STORE 1 +FLAGS (\Deleted)`}, "rt"},
		"store flagged":       {[]string{"SELECT " + box, `STORE 1 +FLAGS (\Flagged)`}, "rw"},
		"store keyword":       {[]string{"SELECT " + box, `UID STORE 1 FLAGS (work)`}, "rw"},
		"expunge":             {[]string{"SELECT " + box, "EXPUNGE"}, "re"},
		"expunge by UID":      {[]string{"SELECT " + box, "UID EXPUNGE 1"}, "re"},
		"copy from":           {[]string{"SELECT " + box, "COPY 1 INBOX"}, "r"},
		"copy to":             {[]string{"SELECT INBOX", "COPY 1 " + box}, "i"},
		"move from":           {[]string{"SELECT " + box, "MOVE 1 INBOX"}, "rte"},
		"move to":             {[]string{"SELECT INBOX", "UID MOVE 1:* " + box, "APPEND INBOX " + appended}, "i"},
		"create below":        {[]string{`CREATE "Other Users/alice/THIS/sub"`}, "k"},
		"delete":              {[]string{"DELETE " + box}, "x"},
		"rename":              {[]string{"RENAME " + box + ` "Other Users/alice/THIS-away"`}, "x"},
		"rename below":        {[]string{`CREATE "Other Users/alice/src-THIS"`, `RENAME "Other Users/alice/src-THIS" "Other Users/alice/THIS/dst"`}, "k"},
		"getacl":              {[]string{"GETACL " + box}, "a"},
		"setacl":              {[]string{"SETACL " + box + " olga@example.org lr"}, "a"},
		"deleteacl":           {[]string{"DELETEACL " + box + " olga@example.org"}, "a"},
		"listrights":          {[]string{"LISTRIGHTS " + box + " olga@example.org"}, "a"},
		"getmetadata":         {[]string{"GETMETADATA " + box + " /shared/comment"}, "l"},
		"setmetadata, shared": {[]string{"SETMETADATA " + box + ` (/shared/comment "x")`}, "lw"},
	}
	n := 0
	for name, tt := range tests {
		run := func(rights store.Rights) (answer string) {
			n++
			own := fmt.Sprintf("b%d", n)
			alice.ok("CREATE " + own)
			alice.ok("APPEND " + own + " " + appended)
			alice.ok("SETACL " + own + " bob \"" + string(rights) + `"`)
			for _, command := range tt.commands {
				lines := bob.do(strings.ReplaceAll(command, "THIS", own))
				if answer = lines[len(lines)-1]; !strings.HasPrefix(answer, "OK") {
					break
				}
			}
			bob.ok("SELECT INBOX")
			return answer
		}
		// Metadata need some right beside l, whichever.
		alone := tt.needs
		if name == "getmetadata" {
			alone = "lr"
		}
		if got := run(alone); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s with %s: %s", name, alone, got)
		}
		for _, right := range tt.needs {
			rights := store.AllRights.Without(store.Rights(right))
			if got := run(rights); !strings.HasPrefix(got, "NO [NOPERM]") && !strings.HasPrefix(got, "NO [NONEXISTENT]") {
				t.Errorf("%s with %s: %s", name, rights, got)
			}
		}
		if got := run(store.AllRights.Without(tt.needs)); !strings.HasPrefix(got, "NO [NOPERM]") && !strings.HasPrefix(got, "NO [NONEXISTENT]") {
			t.Errorf("%s with all but %s: %s", name, tt.needs, got)
		}
		if got := run(""); !strings.HasPrefix(got, "NO [") {
			t.Errorf("%s with no rights: %s", name, got)
		}
	}
}

// What somebody does without a right to it that is no command of its own is left out,
// and the rest is done.
func TestRightsOnFlags(t *testing.T) {
	w := newShared(t)
	alice, bob := w.login("alice"), w.login("bob")
	for _, name := range []string{"read", "seen", "put"} {
		alice.ok("CREATE " + name)
		alice.ok("APPEND " + name + ` (\Flagged old) ` + appended)
	}
	script{
		{command: "SETACL read bob lr"},
		{command: "SETACL seen bob lrs"},
		{command: "SETACL put bob lri"},
		{command: "MYRIGHTS read", want: []string{`* MYRIGHTS "read" lrswipkxteacd`}},
	}.run(t, alice)
	lines := bob.do(`SELECT "Other Users/alice/read"`)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK [READ-ONLY]") {
		t.Errorf("a mailbox that may be read alone: %s", last)
	}
	if got := bob.ok("FETCH 1 (BODY[TEXT] FLAGS)"); len(got) != 1 || !strings.Contains(got[0], `FLAGS (\Flagged old)`) {
		t.Errorf("what is read without s: %q", got)
	}
	lines = bob.do(`SELECT "Other Users/alice/seen"`)
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, `* OK [PERMANENTFLAGS (\Seen)]`) }) {
		t.Errorf("with s alone: %q", lines)
	}
	script{
		{command: `STORE 1 FLAGS (\Seen \Deleted new)`, want: []string{`* 1 FETCH (FLAGS (\Seen \Flagged old))`}},
		{command: `STORE 1 FLAGS ()`, want: []string{`* 1 FETCH (FLAGS (\Flagged old))`}},
		{command: `STORE 1 FLAGS (new)`, refusal: "NO [NOPERM]"},
		{command: `STORE 1 -FLAGS (old)`, refusal: "NO [NOPERM]"},
		{command: `CLOSE`}, // expunges nothing, and says nothing
	}.run(t, bob)
	bob.ok("APPEND \"Other Users/alice/put\" (\\Seen \\Flagged new) " + appended)
	bob.ok("APPEND INBOX (\\Seen \\Deleted kw) " + appended)
	bob.ok("SELECT INBOX")
	bob.ok(`COPY 1 "Other Users/alice/put"`)
	alice.ok("SELECT put")
	if got, want := alice.ok("FETCH 2:3 FLAGS"), []string{"* 2 FETCH (FLAGS ())", "* 3 FETCH (FLAGS ())"}; !slices.Equal(got, want) {
		t.Errorf("what came by somebody who may set no flags: %q", got)
	}
}

// How the mailboxes of others are found, and by whom.
func TestMailboxesOfOthers(t *testing.T) {
	w := newShared(t)
	alice, bob := w.login("alice"), w.login("bob")
	olga := w.dial()
	olga.ok("LOGIN olga@example.org " + password)
	script{
		{command: "NAMESPACE", want: []string{`* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))`}},
		{command: "CREATE Work/2026"},
		{command: "SETACL Work BOB@Example.com lrk"},
		{command: "SETACL Work/2026 olga@example.org +lr"},
		{command: "SETACL Work/2026 olga@example.org -r"},
		{command: "SETACL Work bob +id"},
		{command: "GETACL Work", want: []string{`* ACL "Work" alice@example.com lrswipkxteacd bob@example.com lrikxtecd`}},
		{command: "GETACL Work/2026", want: []string{`* ACL "Work/2026" alice@example.com lrswipkxteacd olga@example.org l`}},
		{command: "LISTRIGHTS Work alice@example.com", want: []string{`* LISTRIGHTS "Work" alice@example.com lrswipkxteacd`}},
		{command: "LISTRIGHTS Work bob", want: []string{`* LISTRIGHTS "Work" bob "" l r s w i p k x t e a`}},
		{command: "SETACL Work nobody@example.com lr", refusal: "NO [NONEXISTENT]"},
		{command: "SETACL Work -bob lr", refusal: "NO [NONEXISTENT]"},
		{command: "SETACL Work anyone lr", refusal: "NO [CANNOT]"},
		{command: "SETACL Work alice lr", refusal: "NO [CANNOT]"},
		{command: "SETACL Work bob lry", refusal: "BAD"},
		{command: "SETACL None bob lr", refusal: "NO [NONEXISTENT]"},
		{command: `CREATE "Other Users/bob/mine"`, refusal: "NO [NOPERM]"},
		{command: `CREATE "Shared Folders"`, refusal: "NO [NOPERM]"},
	}.run(t, alice)
	script{
		{command: `LIST "Other Users/" *`, want: []string{`* LIST (\NonExistent \Noselect \HasChildren) "/" "Other Users/alice"`, `* LIST (\HasNoChildren) "/" "Other Users/alice/Work"`}},
		{command: `LIST "" "Other%"`, want: []string{`* LIST (\NonExistent \Noselect \HasChildren) "/" "Other Users"`}},
		{command: `CREATE "Other Users/alice/Work/by-bob/below"`},
		{command: `MYRIGHTS "Other Users/alice/Work/by-bob/below"`, want: []string{`* MYRIGHTS "Other Users/alice/Work/by-bob/below" lrikxtecd`}},
		{command: `MYRIGHTS "Other Users/alice@example.com/Work"`, want: []string{`* MYRIGHTS "Other Users/alice/Work" lrikxtecd`}},
		{command: `RENAME "Other Users/alice/Work/by-bob" Mine`, refusal: "NO [CANNOT]"},
		{command: `RENAME "Other Users/alice/Work/by-bob" "Other Users/alice/Work/other"`},
		{command: `DELETE "Other Users/alice/Work/other"`, refusal: "NO [HASCHILDREN]"},
		{command: `DELETE "Other Users/alice/Work/other/below"`},
		{command: `DELETE "Other Users/alice/Work/other"`},
		{command: `SELECT "Other Users/alice/INBOX"`, refusal: "NO [NONEXISTENT]"},
		{command: `SELECT "Other Users/alice"`, refusal: "NO [NONEXISTENT]"},
		{command: `SELECT "Shared Folders/alice/Work"`, refusal: "NO [NONEXISTENT]"},
		{command: `SELECT "Other Users/nobody/Work"`, refusal: "NO [NONEXISTENT]"},
		{command: `SUBSCRIBE "Other Users/alice/Work"`},
		{command: `LIST (SUBSCRIBED) "" "Other*"`, want: []string{`* LIST (\HasNoChildren \Subscribed) "/" "Other Users/alice/Work"`}},
		{command: `LIST "" "Other Users/alice/Work" RETURN (STATUS (MESSAGES))`, want: []string{
			`* LIST (\HasNoChildren) "/" "Other Users/alice/Work"`, `* STATUS "Other Users/alice/Work" (MESSAGES 0)`}},
	}.run(t, bob)
	script{
		{command: `LIST "" *@*`, want: []string{`* LIST (\NonExistent \Noselect \HasChildren) "/" "Other Users/alice@example.com"`,
			`* LIST (\NonExistent \Noselect \HasChildren) "/" "Other Users/alice@example.com/Work"`, `* LIST (\HasNoChildren) "/" "Other Users/alice@example.com/Work/2026"`}},
		{command: `SELECT "Other Users/alice@example.com/Work/2026"`, refusal: "NO [NOPERM]"},
		{command: `MYRIGHTS "Other Users/alice@example.com/Work"`, refusal: "NO [NONEXISTENT]"},
	}.run(t, olga)
	alice.ok("DELETEACL Work bob")
	if got := bob.ok(`LIST "" "Other*"`); len(got) != 0 {
		t.Errorf("bob sees %q after he has lost his rights", got)
	}
}

// Two at once in one mailbox hear of each other, and who loses his rights is sent
// away.
func TestNewsOfASharedMailbox(t *testing.T) {
	w := newShared(t)
	alice, bob := w.login("alice"), w.login("bob")
	alice.ok("CREATE Team")
	alice.ok("SETACL Team bob lrsti")
	bob.ok(`SELECT "Other Users/alice/Team"`)
	bob.send("i IDLE\r\n")
	bob.until("+ ")
	alice.ok("APPEND Team " + appended)
	bob.until("* 1 EXISTS")
	alice.ok("SELECT Team")
	alice.ok(`STORE 1 +FLAGS (\Answered)`)
	bob.until(`* 1 FETCH (FLAGS (\Answered))`)
	bob.send("DONE\r\n")
	bob.until("i OK")
	alice.send("i IDLE\r\n")
	alice.until("+ ")
	bob.ok(`STORE 1 +FLAGS (\Seen)`)
	alice.until(`* 1 FETCH (FLAGS (\Seen \Answered))`)
	alice.send("DONE\r\n")
	alice.until("i OK")

	alice.ok("SETACL Team bob -t") // is heeded at once
	bob.refused(`STORE 1 +FLAGS (\Deleted)`, "NO [NOPERM]")
	bob.send("i IDLE\r\n")
	bob.until("+ ")
	alice.ok("DELETEACL Team bob")
	alice.ok("APPEND Team " + appended)
	got := bob.ended()
	if len(got) != 1 || !strings.HasPrefix(got[0], "* BYE [NOPERM]") {
		t.Errorf("bob hears %q", got)
	}
}

// Room is that of the mailbox's owner.
func TestSharedMailboxTakesTheQuotaOfItsOwner(t *testing.T) {
	w := newShared(t)
	quincy, bob := w.login("quincy"), w.login("bob") // quincy has 2 KiB
	quincy.ok("SETACL INBOX bob lri")
	big := fmt.Sprintf("{%d+}\r\nSubject: x\r\n\r\n%s", 1800+14, strings.Repeat("x", 1800))
	bob.ok(`APPEND "Other Users/quincy" ` + big)
	bob.refused(`APPEND "Other Users/quincy" `+big, "NO [OVERQUOTA]")
	want := []string{`* QUOTAROOT "Other Users/quincy" "quincy@example.com"`, `* QUOTA "quincy@example.com" (STORAGE 2 2)`}
	got := bob.ok(`GETQUOTAROOT "Other Users/quincy"`)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " quincy@example.com", ` "quincy@example.com"`)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A shared folder that is declared has a place of its own, for those who are named
// and for nobody else; mail for its address and out of scripts goes there.
func TestSharedFolders(t *testing.T) {
	w := newShared(t)
	w.apply("create", "mailbox", "team@example.com", attributes{Address: "team@example.com", Password: []string{}, Protocols: []string{}, Mail: "enabled"})
	sharing := func(action string, readers, writers, managers []string, everyone string) {
		t.Helper()
		w.apply(action, "sharing", "team@example.com", map[string]any{
			"address": "team@example.com", "readers": readers, "writers": writers, "managers": managers, "everyone": everyone})
	}
	sharing("create", []string{"bob@example.com"}, []string{"quincy@example.com"}, []string{"alice@example.com"}, "nothing")
	alice, bob, quincy := w.login("alice"), w.login("bob"), w.login("quincy")
	olga := w.dial()
	olga.ok("LOGIN olga@example.org " + password)
	script{
		{command: `LIST "" Shared*`, want: []string{`* LIST (\NonExistent \Noselect \HasChildren) "/" "Shared Folders"`, `* LIST (\HasNoChildren) "/" "Shared Folders/team"`}},
		{command: `MYRIGHTS "Shared Folders/team"`, want: []string{`* MYRIGHTS "Shared Folders/team" lrswipkxteacd`}},
		{command: `CREATE "Shared Folders/team/2026"`},
		{command: `SETACL "Shared Folders/team/2026" olga@example.org lr`},
		{command: `DELETE "Shared Folders/team"`, refusal: "NO [CANNOT]"},
		{command: `RENAME "Shared Folders/team" "Shared Folders/other"`, refusal: "NO"},
		{command: `GETACL "Shared Folders/team"`, want: []string{`* ACL "Shared Folders/team" team@example.com lrswipkxteacd alice@example.com lrswipkxteacd bob@example.com lrs quincy@example.com lrswipte`}},
	}.run(t, alice)
	quincy.ok(`APPEND "Shared Folders/team" ` + appended)
	script{
		{command: `CREATE "Shared Folders/team/mine"`, refusal: "NO [NOPERM]"},
		{command: `SETACL "Shared Folders/team" olga@example.org lr`, refusal: "NO [NOPERM]"},
	}.run(t, quincy)
	script{
		{command: `STATUS "Shared Folders/team" (MESSAGES UNSEEN)`, want: []string{`* STATUS "Shared Folders/team" (MESSAGES 1 UNSEEN 1)`}},
		{command: `SELECT "Other Users/team"`, refusal: "NO [NONEXISTENT]"},
		{command: `APPEND "Shared Folders/team" ` + appended, refusal: "NO [NOPERM]"},
	}.run(t, bob)
	script{
		{command: `LIST "" *@*`, want: []string{`* LIST (\NonExistent \Noselect \HasChildren) "/" "Shared Folders/team@example.com"`,
			`* LIST (\HasNoChildren) "/" "Shared Folders/team@example.com/2026"`}},
		{command: `SELECT "Shared Folders/team@example.com"`, refusal: "NO [NONEXISTENT]"},
	}.run(t, olga)

	sharing("update", nil, nil, []string{"alice@example.com"}, "read")
	olga.ok(`EXAMINE "Shared Folders/team@example.com"`)
	quincy.refused(`APPEND "Shared Folders/team" `+appended, "NO [NOPERM]")

	w.apply("delete", "sharing", "team@example.com", nil)
	olga.send("x NOOP\r\n")
	if got := olga.ended(); len(got) != 1 || !strings.HasPrefix(got[0], "* BYE [NOPERM]") {
		t.Errorf("who has a folder open that is gone hears %q", got)
	}
	alice.refused(`SELECT "Shared Folders/team"`, "NO [NONEXISTENT]")
}
