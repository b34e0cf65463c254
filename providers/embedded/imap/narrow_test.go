package imap_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/embedded/fulltext"
	"github.com/mailform/mailform/providers/embedded/imap"
	"github.com/mailform/mailform/providers/embedded/store"
)

// source is a store as its index sees it.
type source struct{ *store.Store }

func (s source) Text(ctx context.Context, body int64) (string, bool, error) {
	return imap.Text(ctx, s.Store, body)
}

// A search finds the same with and without the index, whatever it asks for and
// however mail is encoded.
func TestSearchWithTheIndex(t *testing.T) {
	var index *fulltext.Index
	plain := newWorld(t)
	w := newWorld(t, func(o *imap.Options) {
		var err error
		if index, err = fulltext.Open(t.Context(), t.TempDir(), source{o.Store}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = index.Close() })
		o.Index = index
	})
	var all []string
	for i := range 60 { // as many as make the index worth asking
		all = append(all, mail(fmt.Sprintf("number %d of many", i)))
	}
	typed := func(contentType, body string) string {
		return "From: carl@example.com\r\nSubject: typed\r\nMIME-Version: 1.0\r\nContent-Type: " + contentType + "\r\n" + body
	}
	all = append(all,
		"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nSubject: =?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte("Grüße"))+"?=\r\n\r\nnothing\r\n",
		typed("text/plain; charset=utf-8", "Content-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte("Hidden TREASURE in the garden"))+"\r\n"),
		typed("text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable\r\n\r\nder treas=\r\nure von K=F6ln\r\n"),
		typed("multipart/mixed; boundary=b", "\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>treasure</p>\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner treasure\r\n\r\ninner body\r\n--b\r\nContent-Type: application/pdf\r\n\r\ntreasure in no text\r\n--b--\r\n"),
		typed("text/plain", "\r\n"+strings.Repeat("filler ", 200_000)+"treasure at the end\r\n"),
		"Subject: "+strings.Repeat("x", 70)+"\r\n treasure\r\n\r\n\xff\xfe broken \xc3( treasure\r\n",
	)
	for _, world := range []*world{plain, w} {
		world.deliver("INBOX", all...)
	}
	for {
		n, err := index.CatchUp(t.Context(), source{w.store}, 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	for _, world := range []*world{plain, w} { // and some that the index does not know
		world.deliver("INBOX", mail("late treasure"), mail("late"))
	}
	a, b := plain.login("alice"), w.login("alice")
	a.ok("SELECT INBOX")
	b.ok("SELECT INBOX")
	found := 0
	for _, keys := range []string{
		"TEXT treasure", "BODY treasure", "SUBJECT treasure", "TEXT TREASURE", "TEXT tre", "TEXT tr", `TEXT ""`, "BODY filler", "TEXT nowhere",
		"TEXT gr\u00fc\u00dfe", "FROM j\u00fcrgen", "BODY k\u00f6ln", `TEXT "subject: number 7 "`, `BODY "number 7 "`, "HEADER Subject treasure",
		"OR SUBJECT treasure FROM carl", "OR TEXT treasure SEEN", "NOT TEXT treasure", "TEXT treasure TEXT garden", "TEXT treasure NOT FROM carl",
		`TEXT "filler treasure"`, `TEXT "broken"`, "OR OR TEXT garden TEXT inner SUBJECT late", "1:20 TEXT many",
	} {
		command := "SEARCH CHARSET UTF-8 " + keys
		if strings.ContainsFunc(keys, func(r rune) bool { return r > 127 }) { // as a literal
			word, text, _ := strings.Cut(keys, " ")
			command = fmt.Sprintf("SEARCH CHARSET UTF-8 %s {%d+}\r\n%s", word, len(text), text)
		}
		want, got := a.ok(command), b.ok(command)
		if !slices.Equal(want, got) {
			t.Errorf("%s: %q, and without the index %q", keys, got, want)
		}
		if want[0] != "* SEARCH" {
			found++
		}
	}
	if found < 18 {
		t.Errorf("only %d searches find anything", found)
	}
}

// Follow keeps up with what comes in.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	index, err := fulltext.Open(t.Context(), t.TempDir(), source{w.store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		index.Follow(ctx, source{w.store}, slog.New(slog.DiscardHandler))
	}()
	w.deliver("INBOX", mail("lunch"), mail("dinner"))
	last, err := w.store.LastBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are in the index", func() bool {
		f, err := index.Find(t.Context(), "lunch", 1, last)
		if err != nil {
			t.Fatal(err)
		}
		ids, _, err := w.store.BodiesAfter(t.Context(), 0, 10)
		return err == nil && len(ids) == 2 && f.May(ids[0]) && !f.May(ids[1])
	})
	cancel()
	<-ended
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
}
