package command_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

type script struct{ io.Reader }

func (script) SetReadDeadline(time.Time) error { return nil }

func newReader(input string) *wire.Reader {
	limits := wire.Limits{Command: 64 << 10, Depth: 50, Drain: 1 << 20, Line: time.Second, Block: time.Second}
	return wire.NewReader(script{strings.NewReader(input)}, limits, func() error { return nil })
}

func parse(t *testing.T, input string) (*command.Command, error) {
	t.Helper()
	r := newReader(input)
	if err := r.Next(time.Second); err != nil {
		t.Fatal(err)
	}
	return command.Parse(r, false)
}

func TestParse(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 2, d, 0, 0, 0, 0, time.UTC) }
	seq := func(from, to uint32) imap.SeqSet { return imap.SeqSet{{Start: from, Stop: to}} }
	section := func(s imap.FetchItemBodySection) *imap.FetchItemBodySection { return &s }
	tests := map[string]command.Args{
		"a login alice \"se\\\"cret\"":   &command.Login{User: "alice", Password: `se"cret`},
		"a LOGIN {5+}\r\nalice {0+}\r\n": &command.Login{User: "alice"},
		"a AUTHENTICATE plain":           &command.Authenticate{Mechanism: "PLAIN"},
		"a AUTHENTICATE PLAIN =":         &command.Authenticate{Mechanism: "PLAIN", Initial: "=", HasInitial: true},
		"a ID NIL":                       &command.ID{},
		`a ID ("name" "x" "os" NIL)`:     &command.ID{Fields: []string{"name", "x", "os", ""}},
		"a ENABLE CONDSTORE utf8=accept": &command.Enable{Extensions: []string{"CONDSTORE", "UTF8=ACCEPT"}},
		"a select inbox":                 &command.Select{Mailbox: "INBOX"},
		"a SELECT x (QRESYNC (7 90))":    &command.Select{Mailbox: "x", Resync: &command.Resync{UIDValidity: 7, ModSeq: 90}},
		"a SELECT x (QRESYNC (7 90 1:5 (1,3 2,4)))": &command.Select{Mailbox: "x",
			Resync: &command.Resync{UIDValidity: 7, ModSeq: 90, Known: imap.UIDSet{{Start: 1, Stop: 5}}}},
		"a SELECT x (QRESYNC (7 90 (1 2)))": &command.Select{Mailbox: "x", Resync: &command.Resync{UIDValidity: 7, ModSeq: 90}},
		"a EXAMINE &ZeVnLIqe- (CONDSTORE)":  &command.Select{Mailbox: "日本語", ReadOnly: true, CondStore: true},
		`a CREATE x (USE (\Sent))`:          &command.Create{Mailbox: "x", Use: []imap.MailboxAttr{`\Sent`}},
		"a LIST \"\" %":                     &command.List{Patterns: []string{"%"}},
		"a LIST \"\" % RETURN (METADATA (/Shared/a /private/b))": &command.List{
			Patterns: []string{"%"}, Extended: true, Metadata: []string{"/shared/a", "/private/b"}},
		"a GETMETADATA inbox /private/Comment": &command.GetMetadata{Mailbox: "INBOX", MaxSize: -1, Entries: []string{"/private/comment"}},
		"a GETMETADATA (MAXSIZE 10 DEPTH infinity) \"\" (/shared/a /shared/b)": &command.GetMetadata{
			MaxSize: 10, Depth: -1, Entries: []string{"/shared/a", "/shared/b"}},
		"a SETMETADATA x (/shared/a \"b c\" /private/d NIL /private/e ~{3+}\r\n\x00\x01\x02)": &command.SetMetadata{Mailbox: "x", Values: []command.MetadataValue{
			{Entry: "/shared/a", Value: []byte("b c")}, {Entry: "/private/d"}, {Entry: "/private/e", Value: []byte{0, 1, 2}}}},
		"a LIST (SUBSCRIBED RECURSIVEMATCH) x (a* b) RETURN (CHILDREN STATUS (MESSAGES SIZE))": &command.List{
			Reference: "x", Patterns: []string{"a*", "b"}, Extended: true,
			Options: imap.ListOptions{
				SelectSubscribed: true, SelectRecursiveMatch: true, ReturnChildren: true,
				ReturnStatus: &imap.StatusOptions{NumMessages: true, Size: true},
			},
		},
		"a STATUS x (UIDNEXT DELETED)": &command.Status{Mailbox: "x", Items: imap.StatusOptions{UIDNext: true, NumDeleted: true}},
		"a UID EXPUNGE 3:1":            &command.Expunge{UID: true, UIDs: imap.UIDSet{{Start: 1, Stop: 3}}},
		"a FETCH 1:* FAST": &command.Fetch{Set: seq(1, 0), Items: []command.FetchItem{
			{Name: "FLAGS"}, {Name: "INTERNALDATE"}, {Name: "RFC822.SIZE"},
		}},
		"a FETCH 2 (BODY BODY[] BODY.PEEK[1.2.MIME]<5.10>)": &command.Fetch{Set: seq(2, 2), Items: []command.FetchItem{
			{Name: "BODY"},
			{Name: "BODY", Section: section(imap.FetchItemBodySection{})},
			{Name: "BODY", Section: section(imap.FetchItemBodySection{
				Specifier: imap.PartSpecifierMIME, Part: []int{1, 2}, Peek: true,
				Partial: &imap.SectionPartial{Offset: 5, Size: 10},
			})},
		}},
		"a FETCH 2 BODY[HEADER.FIELDS.NOT (To \"Cc\")]": &command.Fetch{Set: seq(2, 2), Items: []command.FetchItem{
			{Name: "BODY", Section: section(imap.FetchItemBodySection{
				Specifier: imap.PartSpecifierHeader, HeaderFieldsNot: []string{"To", "Cc"},
			})},
		}},
		"a UID FETCH 7 BINARY.SIZE[2] (CHANGEDSINCE 12)": &command.Fetch{
			UID: true, Set: imap.UIDSet{{Start: 7, Stop: 7}}, Conditional: true, ChangedSince: 12,
			Items: []command.FetchItem{{Name: "BINARY.SIZE", Section: section(imap.FetchItemBodySection{Part: []int{2}, Peek: true})}},
		},
		`a STORE 1 (UNCHANGEDSINCE 0) -FLAGS.SILENT (\Seen x)`: &command.Store{
			Set: seq(1, 1), Conditional: true,
			Store: imap.StoreFlags{Op: imap.StoreFlagsDel, Silent: true, Flags: []imap.Flag{`\Seen`, "x"}},
		},
		`a STORE 1 FLAGS \Seen x`: &command.Store{Set: seq(1, 1), Store: imap.StoreFlags{Flags: []imap.Flag{`\Seen`, "x"}}},
		"a UID MOVE 1 x":          &command.Copy{UID: true, Move: true, Set: imap.UIDSet{{Start: 1, Stop: 1}}, Mailbox: "x"},
		"a SEARCH SMALLER 100 SINCE 1-Feb-2026 SMALLER 200": &command.Search{
			Options:  imap.SearchOptions{ReturnAll: true},
			Criteria: imap.SearchCriteria{Since: day(1), Smaller: 100},
		},
		"a SEARCH CHARSET utf-8 NOT (SEEN ON 1-Feb-2026) OR 1 SUBJECT x": &command.Search{
			Options: imap.SearchOptions{ReturnAll: true}, Charset: "UTF-8",
			Criteria: imap.SearchCriteria{
				Not: []imap.SearchCriteria{{Flag: []imap.Flag{imap.FlagSeen}, Since: day(1), Before: day(2)}},
				Or: [][2]imap.SearchCriteria{{
					{SeqNum: []imap.SeqSet{seq(1, 1)}},
					{Header: []imap.SearchCriteriaHeaderField{{Key: "SUBJECT", Value: "x"}}},
				}},
			},
		},
		"a UID SEARCH RETURN () MODSEQ 5": &command.Search{
			UID: true, Extended: true, ModSeq: true, Options: imap.SearchOptions{ReturnAll: true},
			Criteria: imap.SearchCriteria{ModSeq: &imap.SearchCriteriaModSeq{ModSeq: 5}},
		},
		`a APPEND x (\Seen) " 1-Feb-2026 10:00:00 +0000" {10}`: &command.Append{
			Mailbox: "x", Flags: []string{`\Seen`}, Time: day(1).Add(10 * time.Hour), Literal: wire.Literal{Size: 10},
		},
		"a APPEND x UTF8 (~{10+}": &command.Append{
			Mailbox: "x", Literal: wire.Literal{Size: 10, NonSync: true, Binary: true},
		},
	}
	for input, want := range tests {
		t.Run(input, func(t *testing.T) {
			cmd, err := parse(t, input+"\r\n")
			if err != nil {
				t.Fatal(err)
			}
			opts := []cmp.Option{cmpopts.IgnoreUnexported(command.Append{}), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(want, cmd.Args, opts...); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                         "a",
		"an unknown command":              "a XYZZY",
		"UID of a command without":        "a UID NOOP",
		"arguments that are too many":     "a NOOP x",
		"arguments that are missing":      "a LOGIN alice",
		"two spaces":                      "a LOGIN  alice x",
		"RECURSIVEMATCH alone":            `a LIST (RECURSIVEMATCH) "" *`,
		"a set with a zero":               "a FETCH 0 FLAGS",
		"a set beyond 32 bits":            "a FETCH 1:4294967296 FLAGS",
		"a part number of zero":           "a FETCH 1 BODY[0]",
		"a part number with an end":       "a FETCH 1 BODY[1.]",
		"MIME of the message":             "a FETCH 1 BODY[MIME]",
		"a partial of nothing":            "a FETCH 1 BODY[]<0.0>",
		"a partial that overflows":        "a FETCH 1 BODY[]<0.99999999999999999999>",
		"fields that are none":            "a FETCH 1 BODY[HEADER.FIELDS ()]",
		"a macro in a list":               "a FETCH 1 (FAST)",
		"an unknown item":                 "a FETCH 1 (FLAGS X-OTHER)",
		"a mailbox that is no UTF-7":      "a SELECT &AGE-",
		"NOT that nests too deeply":       "a SEARCH " + strings.Repeat("NOT ", 5000) + "SEEN",
		"OR that nests too deeply":        "a SEARCH " + strings.Repeat("OR SEEN ", 5000) + "SEEN",
		"groups that nest too deeply":     "a SEARCH " + strings.Repeat("(", 5000) + "SEEN" + strings.Repeat(")", 5000),
		"too many search keys":            "a SEARCH" + strings.Repeat(" SEEN", 2000),
		"too many text keys":              "a SEARCH" + strings.Repeat(" TEXT x", 40),
		"a month that is none":            "a SEARCH SINCE 1-Fob-2026",
		"a flag that is none":             "a STORE 1 FLAGS (\\)",
		"APPEND without a message":        "a APPEND x (\\Seen)",
		"a SELECT parameter that is none": "a SELECT x (QRESYNC)",
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, err := parse(t, input+"\r\n")
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("parsed as %+v, error %v", cmd.Args, err)
			}
			if cmd.Tag != "a" {
				t.Errorf("tag is %q: the client would not know what was refused", cmd.Tag)
			}
		})
	}
}

// FuzzParse feeds a whole connection to the parser. It must not panic, must come
// to an end, and must give either arguments or an error for each command.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a LOGIN {5}\r\nalice {3+}\r\nabc\r\nb NOOP\r\n",
		"a SEARCH RETURN (MIN SAVE) CHARSET UTF-8 OR (NOT SEEN) UID 1:*,$\r\n",
		"a FETCH 1:*,2 (BODY.PEEK[1.2.HEADER.FIELDS (To)]<0.5> BINARY[1])\r\n",
		"a APPEND x (\\Seen) \"01-Feb-2026 10:00:00 +0000\" {3+}\r\nabc\r\nb NOOP\r\n",
		"a LIST (SUBSCRIBED) \"\" (\"*\" %) RETURN (STATUS (MESSAGES))\r\n",
		"a STORE 1 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\\Seen)\r\n",
		"a UID COPY $ &U,BTFw-\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		r := newReader(input)
		for range len(input) + 1 {
			if r.Next(time.Second) != nil {
				return
			}
			cmd, err := command.Parse(r, false)
			if err == nil && cmd.Args == nil {
				t.Fatalf("neither arguments nor an error: %+v", cmd)
			}
			if a, ok := cmd.Args.(*command.Append); ok && err == nil {
				if in, err := r.OpenLiteral(); err == nil {
					io.Copy(io.Discard, in)
					a.Rest(r)
				}
			}
			if r.Finish() != nil {
				return
			}
		}
		t.Fatal("more commands than bytes")
	})
}
