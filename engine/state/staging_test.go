package state

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// moving is a record set in the middle of a move.
func moving() *Resource {
	r := mailbox(1)
	r.Staging = &Staging{
		Cached: []Version{{TTL: 3600, Values: []string{"10 old.example.com."}, Until: time.Date(2026, 11, 25, 13, 5, 0, 0, time.UTC)}},
		Next:   &Stage{Step: StepSwitch, NotBefore: time.Date(2026, 11, 25, 13, 5, 0, 0, time.UTC), TTL: 300, Values: []string{"10 new.example.com."}},
	}
	return r
}

// What is in caches is kept by every form of a state: a journal, a snapshot, a
// document, and the entry of a backend.
func TestStagesAreRemembered(t *testing.T) {
	ctx := context.Background()
	want := moving().Staging
	check := func(what string, s *State) {
		t.Helper()
		r := s.Resources[moving().ID]
		if r == nil || !r.Staging.Equal(want) {
			t.Errorf("%s: %s", what, cmp.Diff(want, r.Staging))
		}
	}
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	unlock, err := l.Lock(ctx, LockInfo{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, Entry{Put: moving()})
	s := load(t, path)
	check("journal", s)
	if err := l.Replace(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	s = load(t, path)
	check("snapshot", s)
	var doc bytes.Buffer
	if err := WriteDocument(&doc, s); err != nil {
		t.Fatal(err)
	}
	if s, err = ReadDocument("x", doc.Bytes()); err != nil {
		t.Fatal(err)
	}
	check("document", s)
	raw, err := EncodeEntry(Entry{Put: moving()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := DecodeEntry(raw)
	if err != nil || !e.Put.Staging.Equal(want) {
		t.Errorf("entry: %+v, %v", e.Put, err)
	}
	const form = `"staging":{"cached":[{"ttl":3600,"values":["10 old.example.com."],"until":"2026-11-25T13:05:00Z"}],` +
		`"next":{"step":"switch","not_before":"2026-11-25T13:05:00Z","ttl":300,"values":["10 new.example.com."]}}`
	if !strings.Contains(string(raw), form) {
		t.Errorf("the form is another: %s", raw)
	}
	still := mailbox(1)
	if raw, err = EncodeEntry(Entry{Put: still}); err != nil || bytes.Contains(raw, []byte("staging")) {
		t.Errorf("what does not move says so: %s, %v", raw, err)
	}
}

func TestStagingsAreCompared(t *testing.T) {
	var none *Staging
	a := moving().Staging
	other := moving().Staging
	other.Next = nil
	later := moving().Staging
	later.Cached[0].Until = later.Cached[0].Until.Add(time.Second)
	elsewhere := moving().Staging // the same instant by another clock
	elsewhere.Next.NotBefore = elsewhere.Next.NotBefore.In(time.FixedZone("CET", 3600))
	for name, c := range map[string]struct {
		a, b *Staging
		want bool
	}{
		"nothing and nothing": {none, nil, true}, "nothing and something": {none, a, false}, "something and nothing": {a, nil, false},
		"the same": {a, moving().Staging, true}, "no next stage": {a, other, false}, "later": {a, later, false}, "another zone of time": {a, elsewhere, true},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
