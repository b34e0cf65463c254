package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill appends n messages of 10 bytes and returns their mailbox.
func fill(tb testing.TB, s *Store, mailbox int64, n int, flags ...string) {
	tb.Helper()
	for range n {
		if _, _, err := s.Append(tb.Context(), mailbox, draft(tb, s, []byte("12345678\r\n")), flags, time.Time{}); err != nil {
			tb.Fatal(err)
		}
	}
}

func named(tb testing.TB, s *Store, account int64, name string) *Mailbox {
	tb.Helper()
	m, err := s.Mailbox(tb.Context(), account, name)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func uidsOf(ms []Message) (uids []uint32) {
	for _, m := range ms {
		uids = append(uids, m.UID)
	}
	return uids
}

func TestAcceptDeliversToAll(t *testing.T) {
	s := openStore(t, t.TempDir())
	alice, bob := newAccount(t, s, "alice"), newAccount(t, s, "bob")
	junk := named(t, s, bob, "Junk")
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	e := &Envelope{Draft: draft(t, s, []byte("local\r\n")), From: "x@example.org", Accounts: []int64{bob, alice, bob},
		Mailbox: "Junk", Remote: []string{"r1@example.net", "r2@example.net"}, RemoteDraft: draft(t, s, []byte("remote\r\n")),
		ID: "tx7", Received: at}
	if err := s.Accept(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.QueueWake():
	default:
		t.Error("the queue was not woken")
	}
	ms, _, err := s.Messages(t.Context(), junk.ID)
	if err != nil || len(ms) != 1 || !ms[0].Internal.Equal(at) || ms[0].Size != 7 || len(ms[0].Flags) != 0 {
		t.Fatalf("bob has %+v, %v", ms, err)
	}
	mine, _, err := s.Messages(t.Context(), named(t, s, alice, "Junk").ID)
	if err != nil || len(mine) != 1 || mine[0].Body != ms[0].Body {
		t.Errorf("alice has %+v, %v; want the same body", mine, err)
	}
	q, err := s.QueueList(t.Context())
	if err != nil || len(q) != 2 {
		t.Fatalf("queue %v, %v", q, err)
	}
	want := QueueEntry{ID: q[0].ID, Envelope: "tx7", From: "x@example.org", To: "r1@example.net", Body: q[0].Body, Size: 8, Created: at, Next: at}
	if d := cmp.Diff(want, q[0]); d != "" {
		t.Error(d)
	}
	if text, err := s.ReadBody(t.Context(), q[1].Body); err != nil || string(text) != "remote\r\n" {
		t.Errorf("queued body %q, %v", text, err)
	}
	e.Mailbox = "No such"
	if err := s.Accept(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if m := inboxOf(t, s, bob); m.Messages != 1 || m.Unseen != 1 {
		t.Errorf("without the mailbox it goes to INBOX, which has %d messages", m.Messages)
	}
	checkStore(t, s)
}

func TestQuota(t *testing.T) {
	s := openStore(t, t.TempDir())
	bob := newAccount(t, s, "bob")
	apply(t, s, mailbox("alice@example.com", `,"quota":25`))
	a, err := s.Account(t.Context(), "Alice@EXAMPLE.com")
	if err != nil {
		t.Fatal(err)
	}
	in := inboxOf(t, s, a.ID)
	fill(t, s, in.ID, 2)
	ten := []byte("12345678\r\n")
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"CheckQuota", func() error { return s.CheckQuota(t.Context(), a.ID, 6) }},
		{"Accept for two", func() error { return accept(t.Context(), s, ten, bob, a.ID) }},
		{"Append", func() error {
			_, _, err := s.Append(t.Context(), in.ID, draft(t, s, ten), nil, time.Time{})
			return err
		}},
		{"Copy", func() error {
			_, _, _, err := s.Copy(t.Context(), in.ID, []uint32{1}, named(t, s, a.ID, "Trash").ID, AllRights)
			return err
		}},
	} {
		t.Run(c.name+" has no room", func(t *testing.T) {
			if err := c.do(); !errors.Is(err, ErrOverQuota) {
				t.Errorf("error %v, want ErrOverQuota", err)
			}
		})
	}
	if err := s.CheckQuota(t.Context(), a.ID, 5); err != nil {
		t.Errorf("what just fits: %v", err)
	}
	if u, _ := s.Usage(t.Context(), bob); u != (Usage{}) {
		t.Errorf("bob got his copy although the message was refused: %v", u)
	}
	if _, _, _, err := s.Move(t.Context(), in.ID, []uint32{1, 2}, named(t, s, a.ID, "Trash").ID, AllRights); err != nil {
		t.Errorf("a move needs no room: %v", err)
	}
	checkStore(t, s)
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string
		op     FlagOp
		flags  []string
		want   []string
	}{
		{"set replaces all", []string{`\Seen`, "$Old"}, FlagsSet, []string{`\deleted`, "new"}, []string{`\Deleted`, "new"}},
		{"set of nothing clears", []string{`\Seen`, "k"}, FlagsSet, nil, nil},
		{"add keeps the others", []string{`\Seen`}, FlagsAdd, []string{`\ANSWERED`, "$Forwarded"}, []string{`\Seen`, `\Answered`, "$Forwarded"}},
		{"a keyword has no case", []string{"Work"}, FlagsAdd, []string{"WORK", "b", "a"}, []string{"Work", "a", "b"}},
		{"remove takes them in any case", []string{`\Draft`, "Work", "$x"}, FlagsRemove, []string{`\DRAFT`, "work"}, []string{"$x"}},
		{"what is no flag is left out", nil, FlagsSet, []string{`\Recent`, `\Unknown`, "", "two words", `\Flagged`, `\Flagged`}, []string{`\Flagged`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			m := inboxOf(t, s, newAccount(t, s, "alice"))
			fill(t, s, m.ID, 1, c.before...)
			changed, modified, err := s.StoreFlags(t.Context(), m.ID, []uint32{1, 99}, c.op, c.flags, 0)
			if err != nil || len(changed) != 1 || len(modified) != 0 {
				t.Fatalf("StoreFlags: %v, %v, %v", changed, modified, err)
			}
			if d := cmp.Diff(c.want, changed[0].Flags); d != "" {
				t.Error(d)
			}
			ms, _, err := s.Messages(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(changed, ms); d != "" {
				t.Errorf("what was returned is not what is there: %s", d)
			}
			checkStore(t, s)
		})
	}
}

func TestStoreFlagsUnlessChanged(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := inboxOf(t, s, newAccount(t, s, "alice"))
	fill(t, s, m.ID, 40)
	all := make([]uint32, 40)
	for i := range all {
		all[i] = uint32(40 - i)
	}
	_, seen, err := s.Messages(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.StoreFlags(t.Context(), m.ID, []uint32{7, 30}, FlagsAdd, []string{`\Seen`}, 0); err != nil {
		t.Fatal(err)
	}
	changed, modified, err := s.StoreFlags(t.Context(), m.ID, all, FlagsAdd, []string{`\Deleted`}, seen)
	if err != nil || len(changed) != 38 || !slices.Equal(modified, []uint32{7, 30}) {
		t.Errorf("changed %d, refused %v, %v; want 38 and [7 30]", len(changed), modified, err)
	}
	m = inboxOf(t, s, m.Account)
	if m.Unseen != 38 || m.Deleted != 38 {
		t.Errorf("%d unseen, %d deleted; want 38 of each", m.Unseen, m.Deleted)
	}
	before := m.HighestModSeq
	again, _, err := s.StoreFlags(t.Context(), m.ID, []uint32{1}, FlagsAdd, []string{`\Deleted`}, 0)
	if err != nil || len(again) != 1 {
		t.Fatalf("StoreFlags: %v, %v", again, err)
	}
	if m = inboxOf(t, s, m.Account); m.HighestModSeq != before {
		t.Error("MODSEQ rose although nothing changed")
	}
	checkStore(t, s)
}

func TestChanges(t *testing.T) {
	s := openStore(t, t.TempDir())
	m := inboxOf(t, s, newAccount(t, s, "alice"))
	fill(t, s, m.ID, 10)
	_, since, err := s.Messages(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.Changes(t.Context(), m.ID, since); err != nil || len(c.Changed)+len(c.Vanished) > 0 || c.ModSeq != since || c.UIDNext != 11 {
		t.Errorf("nothing happened, and yet %+v, %v", c, err)
	}
	if gone, err := s.Expunge(t.Context(), m.ID, []uint32{9, 2, 3, 2, 77}); err != nil || !slices.Equal(gone, []uint32{2, 3, 9}) {
		t.Errorf("expunged %v, %v; want [2 3 9]", gone, err)
	}
	if _, _, err := s.StoreFlags(t.Context(), m.ID, []uint32{5, 9}, FlagsAdd, []string{`\Seen`}, 0); err != nil {
		t.Fatal(err)
	}
	middle := inboxOf(t, s, m.Account).HighestModSeq
	fill(t, s, m.ID, 1)
	c, err := s.Changes(t.Context(), m.ID, since)
	if err != nil || !slices.Equal(uidsOf(c.Changed), []uint32{5, 11}) || !slices.Equal(c.Vanished, []uint32{2, 3, 9}) || c.UIDNext != 12 {
		t.Errorf("changes %+v, %v", c, err)
	}
	if c, err = s.Changes(t.Context(), m.ID, middle); err != nil || !slices.Equal(uidsOf(c.Changed), []uint32{11}) || c.Vanished != nil {
		t.Errorf("later changes %+v, %v", c, err)
	}
	box, err := s.CreateMailbox(t.Context(), m.Account, "x", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMailbox(t.Context(), box.ID); err != nil {
		t.Fatal(err)
	}
	if c, err = s.Changes(t.Context(), box.ID, 0); err != nil || !c.Gone {
		t.Errorf("of a deleted mailbox: %+v, %v; want Gone", c, err)
	}
	checkStore(t, s)
}

func TestCopyAndMove(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	in, trash := inboxOf(t, s, id), named(t, s, id, "Trash")
	fill(t, s, in.ID, 5, `\Seen`, "k")
	fill(t, s, trash.ID, 3)
	validity, src, dst, err := s.Copy(t.Context(), in.ID, []uint32{4, 2, 99}, trash.ID, AllRights)
	if err != nil || validity != trash.UIDValidity || !slices.Equal(src, []uint32{2, 4}) || !slices.Equal(dst, []uint32{4, 5}) {
		t.Errorf("Copy: %d, %v, %v, %v", validity, src, dst, err)
	}
	if u, _ := s.Usage(t.Context(), id); u != (Usage{10, 100}) {
		t.Errorf("usage %v: copies count", u)
	}
	validity, src, dst, err = s.Move(t.Context(), in.ID, []uint32{1, 2}, trash.ID, AllRights)
	if err != nil || validity != trash.UIDValidity || !slices.Equal(src, []uint32{1, 2}) || !slices.Equal(dst, []uint32{6, 7}) {
		t.Errorf("Move: %d, %v, %v, %v", validity, src, dst, err)
	}
	c, err := s.Changes(t.Context(), in.ID, 0)
	if err != nil || !slices.Equal(uidsOf(c.Changed), []uint32{3, 4, 5}) || !slices.Equal(c.Vanished, []uint32{1, 2}) {
		t.Errorf("source: %+v, %v", c, err)
	}
	ms, _, err := s.Messages(t.Context(), trash.ID)
	if err != nil || !slices.Equal(uidsOf(ms), []uint32{1, 2, 3, 4, 5, 6, 7}) || !slices.Equal(ms[6].Flags, []string{`\Seen`, "k"}) {
		t.Errorf("target: %+v, %v", ms, err)
	}
	checkStore(t, s)
	// The body of UID 2 is shared by its copy and its moved self.
	body := ms[3].Body
	if _, err := s.Expunge(t.Context(), trash.ID, []uint32{4}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBody(t.Context(), body); err != nil {
		t.Errorf("the body went with the first of its copies: %v", err)
	}
	if _, err := s.Expunge(t.Context(), trash.ID, []uint32{7}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenBody(t.Context(), body); !errors.Is(err, ErrNotFound) {
		t.Errorf("the body outlived its copies: %v", err)
	}
	if _, src, dst, err = s.Move(t.Context(), in.ID, nil, trash.ID, AllRights); err != nil || src != nil || dst != nil {
		t.Errorf("a move of nothing: %v, %v, %v", src, dst, err)
	}
	if _, _, _, err = s.Copy(t.Context(), in.ID, []uint32{3}, 4711, AllRights); !errors.Is(err, ErrNotFound) {
		t.Errorf("to no mailbox: %v, want ErrNotFound", err)
	}
	checkStore(t, s)
}

func TestBodiesOfAllSizes(t *testing.T) {
	s := openStore(t, t.TempDir())
	id := newAccount(t, s, "alice")
	in := inboxOf(t, s, id)
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 1<<20 + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i * i >> 3)
			}
			_, uid, err := s.Append(t.Context(), in.ID, draft(t, s, want), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			ms, _, err := s.Messages(t.Context(), in.ID)
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.OpenBody(t.Context(), ms[len(ms)-1].Body)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size())); err != nil || !bytes.Equal(got, want) {
				t.Errorf("read %d bytes, %v; want %d", len(got), err, size)
			}
			part := make([]byte, min(size, 100))
			for _, off := range []int{size - len(part), size / 2 / 100 * 100, 0} {
				n, err := b.ReadAt(part, int64(off))
				if rest := size - off; n != min(len(part), rest) || n < len(part) && err != io.EOF || !bytes.Equal(part[:n], want[off:off+n]) {
					t.Errorf("at %d: %d bytes, %v", off, n, err)
				}
			}
			if n, err := b.ReadAt(make([]byte, 1), int64(size)); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v; want EOF", n, err)
			}
			if _, err := s.Expunge(t.Context(), in.ID, []uint32{uid}); err != nil {
				t.Fatal(err)
			}
			checkStore(t, s)
		})
	}
}
