package sorting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/store"
)

// openStore makes a store with users of d.test and their scripts, and the alias
// both, which leads to alice and bob.
func openStore(t *testing.T, scripts map[string]string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var changes []admin.Change
	create := func(kind, key string, attrs map[string]any) {
		b, err := json.Marshal(attrs)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, admin.Change{Action: "create", Kind: kind, Key: key, Attrs: b})
	}
	create("maildomain", "d.test", map[string]any{"name": "d.test"})
	for _, name := range []string{"alice", "bob", "carol"} {
		attrs := map[string]any{"address": name + "@d.test", "password_hash": []string{}, "protocols": []string{"imap"}}
		if text := scripts[name]; text != "" {
			attrs["sieve"] = text
		}
		create("mailbox", name+"@d.test", attrs)
	}
	create("route", "both@d.test", map[string]any{"address": "both@d.test", "type": "alias", "members": []string{"alice@d.test", "bob@d.test"}})
	if _, err := s.ApplyChanges(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
	s.SetSorter(New(Options{Store: s, Hostname: func() string { return "mx.d.test" }}).Sort)
	return s
}

// send brings a message in as SMTP does.
func send(t *testing.T, s *store.Store, from, text string, to ...string) error {
	t.Helper()
	d := s.NewDraft(0)
	defer d.Close()
	e := &store.Envelope{Draft: d, From: from, ID: "ID", Scripted: map[int64]string{}}
	for _, a := range to {
		r, err := s.Resolve(context.Background(), a)
		if errors.Is(err, store.ErrUnknownDomain) {
			r = store.Resolution{Forwards: []string{a}}
		} else if err != nil {
			t.Fatal(err)
		}
		e.Accounts, e.Remote = append(e.Accounts, r.Accounts...), append(e.Remote, r.Forwards...)
		for _, id := range r.Scripted {
			e.Scripted[id] = a
		}
	}
	if _, err := io.WriteString(d, "Return-Path: <"+from+">\r\n"+text); err != nil {
		t.Fatal(err)
	}
	return s.Accept(context.Background(), e)
}

// rewritten is what of a sender differs with the key and the day.
var rewritten = regexp.MustCompile(`^SRS0=[^=]+=[^=]+=`)

// world says where all messages are: "alice/Lists: subject [flags]", "queue to …".
func world(t *testing.T, s *store.Store) (all []string) {
	t.Helper()
	ctx := context.Background()
	subject := func(body int64) string {
		b, err := s.ReadBody(ctx, body)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(b), "Subject: ")
		line, _, _ := strings.Cut(after, "\r\n")
		return line
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		a, err := s.Account(ctx, name+"@d.test")
		if err != nil {
			t.Fatal(err)
		}
		boxes, err := s.Mailboxes(ctx, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, box := range boxes {
			ms, _, err := s.Messages(ctx, box.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms {
				line := fmt.Sprintf("%s/%s: %s", name, box.Name, subject(m.Body))
				if len(m.Flags) > 0 {
					line += fmt.Sprint(" ", m.Flags)
				}
				all = append(all, line)
			}
		}
	}
	queue, err := s.QueueList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queue {
		from := rewritten.ReplaceAllString(q.From, "SRS0=…=")
		all = append(all, fmt.Sprintf("queue <%s> to %s: %s", from, q.To, subject(q.Body)))
	}
	slices.Sort(all)
	return all
}

const letter = "From: Bob <x@far.test>\r\nTo: alice@d.test\r\nSubject: hi\r\nMessage-ID: <1@far.test>\r\n\r\nHello\r\n"

func TestWhereMailGoes(t *testing.T) {
	for sentence, c := range map[string]struct {
		scripts map[string]string
		to      []string
		want    []string
	}{
		"without a script to the inbox": {nil, []string{"alice@d.test"}, []string{"alice/INBOX: hi"}},
		"filed, with flags": {
			map[string]string{"alice": `require ["fileinto","mailbox","imap4flags"]; fileinto :create :flags "\\Seen $a" "Lists/Go";`},
			[]string{"alice@d.test"}, []string{`alice/Lists/Go: hi [\Seen $a]`}},
		"what is not there and not made is the inbox": {
			map[string]string{"alice": `require "fileinto"; fileinto "Nowhere";`},
			[]string{"alice@d.test"}, []string{"alice/INBOX: hi"}},
		"by special use": {
			map[string]string{"alice": `require ["fileinto","special-use"]; fileinto :specialuse "\\Junk" "Spam";`},
			[]string{"alice@d.test"}, []string{"alice/Junk: hi"}},
		"each member of an alias by its own script": {
			map[string]string{"alice": `require ["fileinto","envelope"]; if envelope "to" "both@d.test" { fileinto "Trash"; }`, "bob": "discard;"},
			[]string{"both@d.test"}, []string{"alice/Trash: hi"}},
		"discarded": {map[string]string{"alice": "discard;"}, []string{"alice@d.test", "bob@d.test"}, []string{"bob/INBOX: hi"}},
		"redirected away, and kept": {
			map[string]string{"alice": `require "copy"; redirect :copy "y@far.test";`},
			[]string{"alice@d.test"}, []string{"alice/INBOX: hi", "queue <SRS0=…=far.test=x@d.test> to y@far.test: hi"}},
		"redirected within the server, through the script there": {
			map[string]string{"alice": `redirect "bob@d.test";`, "bob": `require "fileinto"; fileinto "Trash";`},
			[]string{"alice@d.test"}, []string{"bob/Trash: hi"}},
		"redirected in a circle": {
			map[string]string{"alice": `redirect "bob@d.test";`, "bob": `redirect "alice@d.test";`},
			[]string{"alice@d.test"}, []string{"bob/INBOX: hi"}},
		"redirected to oneself": {
			map[string]string{"alice": `redirect "alice@d.test";`}, []string{"alice@d.test"}, []string{"alice/INBOX: hi"}},
		"redirected to somebody who has it": {
			map[string]string{"alice": `redirect "bob@d.test";`}, []string{"alice@d.test", "bob@d.test"}, []string{"bob/INBOX: hi"}},
		"redirected to nobody": {
			map[string]string{"alice": `redirect "nobody@d.test";`}, []string{"alice@d.test"}, []string{"alice/INBOX: hi"}},
		"answered": {
			map[string]string{"alice": `require "vacation"; vacation :subject "away" "gone";`},
			[]string{"alice@d.test"}, []string{"alice/INBOX: hi", "queue <> to x@far.test: away"}},
		"a script that fails keeps": {
			map[string]string{"alice": `require "vacation"; discard; vacation "a"; vacation "b";`},
			[]string{"alice@d.test"}, []string{"alice/INBOX: hi"}},
		"rejected by one of two": {
			map[string]string{"alice": `require "reject"; reject "no";`},
			[]string{"alice@d.test", "bob@d.test"}, []string{"bob/INBOX: hi", "queue <> to x@far.test: Rejected: hi"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, c.scripts)
			if err := send(t, s, "x@far.test", letter, c.to...); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, world(t, s)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWhatNobodyWantsIsRefused(t *testing.T) {
	t.Parallel()
	const no = `require "reject"; reject "go away";`
	s := openStore(t, map[string]string{"alice": no, "bob": no})
	err := send(t, s, "x@far.test", letter, "both@d.test")
	var rejected *store.RejectedError
	if !errors.Is(err, store.ErrRejected) || !errors.As(err, &rejected) || rejected.Reason != "go away" {
		t.Errorf("the error is %v", err)
	}
	if all := world(t, s); len(all) > 0 {
		t.Errorf("there is %q", all)
	}
}

func TestAnAbsenceIsToldOnceInAWhile(t *testing.T) {
	t.Parallel()
	s := openStore(t, map[string]string{"alice": `require "vacation"; vacation :subject "away" "gone";`})
	for range 2 {
		for _, from := range []string{"x@far.test", "y@far.test", "bob@d.test"} {
			if err := send(t, s, from, letter, "alice@d.test"); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Bob, who is here, gets his in his inbox.
	want := []string{"alice/INBOX: hi", "alice/INBOX: hi", "alice/INBOX: hi", "alice/INBOX: hi", "alice/INBOX: hi", "alice/INBOX: hi",
		"bob/INBOX: away", "queue <> to x@far.test: away", "queue <> to y@far.test: away"}
	if d := cmp.Diff(want, world(t, s)); d != "" {
		t.Error(d)
	}
	if err := s.ForgetTold(context.Background(), time.Now().Add(8*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := send(t, s, "x@far.test", letter, "alice@d.test"); err != nil {
		t.Fatal(err)
	}
	if all := world(t, s); len(all) != len(want)+2 {
		t.Errorf("after a week there is %q", all)
	}
}

func TestWhatHasBeenRedirectedIsNotAgain(t *testing.T) {
	t.Parallel()
	s := openStore(t, map[string]string{"alice": `redirect "y@far.test";`})
	if err := send(t, s, "x@far.test", "X-Mailform-Redirected: alice@d.test\r\n"+letter, "alice@d.test"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"alice/INBOX: hi"}, world(t, s)); d != "" {
		t.Error(d)
	}
}

func TestHowAnAnswerReads(t *testing.T) {
	t.Parallel()
	s := openStore(t, map[string]string{"alice": `require "vacation"; vacation "Ich bin fort.
Grüße";`})
	if err := send(t, s, "bob@d.test", letter, "alice@d.test"); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	a, err := s.Account(ctx, "bob@d.test")
	if err != nil {
		t.Fatal(err)
	}
	box, err := s.Mailbox(ctx, a.ID, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	ms, _, err := s.Messages(ctx, box.ID)
	if err != nil || len(ms) != 1 {
		t.Fatal(len(ms), err)
	}
	b, err := s.ReadBody(ctx, ms[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{"Return-Path: <>\r\nFrom: <alice@d.test>\r\nTo: <bob@d.test>\r\nSubject: Auto: hi\r\n",
		"Auto-Submitted: auto-replied (vacation)\r\n", "In-Reply-To: <1@far.test>\r\nReferences: <1@far.test>\r\n",
		"\r\n\r\nIch bin fort.\r\nGr=C3=BC=C3=9Fe"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
