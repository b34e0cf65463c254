package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMessagesExpireByWhenTheyCame(t *testing.T) {
	s := openStore(t, t.TempDir())
	ctx := context.Background()
	id := newAccount(t, s, "alice")
	trash := named(t, s, id, "Trash")
	before := time.Now()
	// An old message that was thrown away today stays.
	for range purgeStep + 3 {
		d := draft(t, s, []byte("Subject: old\r\n\r\n"))
		if _, _, err := s.Append(ctx, trash.ID, d, nil, before.Add(-1000*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	news := s.Watch(trash.ID)
	defer news.Close()
	if n, err := s.Expire(ctx, `\Trash`, before.Add(-time.Second)); n != 0 || err != nil {
		t.Errorf("%d messages are gone at once, and the error is %v", n, err)
	}
	if n, err := s.Expire(ctx, `\Junk`, time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("%d messages are gone from another mailbox, and the error is %v", n, err)
	}
	if n, err := s.Expire(ctx, `\Trash`, time.Now().Add(time.Hour)); n != purgeStep+3 || err != nil {
		t.Errorf("%d messages are gone, and the error is %v", n, err)
	}
	if u, err := s.Usage(ctx, id); err != nil || u != (Usage{}) {
		t.Errorf("the account still holds %v, %v", u, err)
	}
	c, err := s.Changes(ctx, trash.ID, 1)
	if err != nil || len(c.Vanished) != purgeStep+3 {
		t.Errorf("sessions hear of %d messages, %v", len(c.Vanished), err)
	}
}

func TestUsersAreWarnedOnceForEachThreshold(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, mailDomain("example.com"), mailbox("alice@example.com", `,"quota":100000`))
	s.SetWarnings(Warnings{Percents: []int{50, 80}, Hostname: "mail.example.com"})
	a, err := s.Account(ctx, "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	// warnings are the numbers in the subjects.
	warnings := func() (list []string) {
		ms, _, err := s.Messages(ctx, inboxOf(t, s, a.ID).ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			b, err := s.ReadBody(ctx, m.Body)
			if err != nil {
				t.Fatal(err)
			}
			if _, after, ok := strings.Cut(string(b), "Subject: Your mailbox is "); ok {
				percent, _, _ := strings.Cut(after, " ")
				list = append(list, percent)
			}
		}
		return list
	}
	sent := named(t, s, a.ID, "Sent")
	add := func(size int) uint32 {
		_, uid, err := s.Append(ctx, sent.ID, draft(t, s, []byte(strings.Repeat("a", size))), nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	step := func(what, want string) {
		t.Helper()
		if got := fmt.Sprint(warnings()); got != want {
			t.Errorf("%s: the warnings are %s, want %s", what, got, want)
		}
	}
	add(50000)
	step("at a threshold", "[]")
	first := add(5000)
	step("beyond it", "[55]")
	add(1000)
	step("further", "[55]")
	// Within one change the account holds less for a moment.
	if _, _, _, err := s.Move(ctx, sent.ID, []uint32{first}, named(t, s, a.ID, "Drafts").ID, AllRights); err != nil {
		t.Fatal(err)
	}
	step("moved", "[55]")
	second := add(30000)
	step("beyond the next", "[55 86]")
	if _, err := s.Expunge(ctx, sent.ID, []uint32{second}); err != nil {
		t.Fatal(err)
	}
	add(30000)
	step("below, and beyond again", "[55 86 87]")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	s.SetWarnings(Warnings{Percents: []int{50, 80}, Hostname: "mail.example.com"})
	add(100)
	step("after a restart", "[55 86 87]")
}
