package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/schema"
)

// stateOf is a state with mailboxes at the given addresses; each depends on the
// one before.
func stateOf(addresses ...string) *State {
	s := &State{Lineage: "11111111-2222-4333-8444-555555555555", Serial: 7, Resources: map[schema.ID]*Resource{}}
	for i, a := range addresses {
		r := mailbox(i)
		r.Address, r.DependsOn = a, nil
		if i > 0 {
			r.DependsOn = []string{addresses[i-1]}
		}
		s.Resources[r.ID] = r
	}
	return s
}

func addressesOf(s *State) string {
	var out []string
	for _, r := range s.Sorted() {
		out = append(out, r.Address+"<"+strings.Join(r.DependsOn, ","))
	}
	return strings.Join(out, " ")
}

func TestMove(t *testing.T) {
	for name, c := range map[string]struct {
		have     []string
		from, to string
		want     string // "": an error
	}{
		"a block takes what is below it along": {[]string{"user.a.mailbox", "user.b.mailbox"}, "user.a", "user.c", "user.b.mailbox<user.c.mailbox user.c.mailbox<"},
		"an instance becomes a block":          {[]string{`user.s["a"].mailbox`, `user.s["b"].mailbox`}, `user.s["a"]`, "user.a", `user.a.mailbox< user.s["b"].mailbox<user.a.mailbox`},
		"a name that begins alike stays":       {[]string{"user.a.mailbox", "user.ab.mailbox"}, "user.a", "user.x", "user.ab.mailbox<user.x.mailbox user.x.mailbox<"},
		"nothing matches":                      {[]string{"user.a.mailbox"}, "user.z", "user.x", "user.a.mailbox<"},
		"the new address is taken":             {[]string{"user.a.mailbox", "user.b.mailbox"}, "user.a", "user.b", ""},
		"both addresses are the same":          {[]string{"user.a.mailbox"}, "user.a", "user.a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := stateOf(c.have...)
			entries, moved, err := Move(s, c.from, c.to)
			if (err != nil) != (c.want == "") {
				t.Fatalf("error is %v", err)
			}
			if err != nil {
				return
			}
			if (len(moved) > 0) != (len(entries) > 0) {
				t.Errorf("%d entries for %d moves", len(entries), len(moved))
			}
			s.Apply(entries)
			if got := addressesOf(s); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCheckPush(t *testing.T) {
	have := stateOf("user.a.mailbox")
	with := func(change func(*State)) *State {
		c := have.Clone()
		change(c)
		return c
	}
	for name, c := range map[string]struct {
		have, next *State
		ok         bool
	}{
		"over nothing":                       {&State{}, have, true},
		"a later serial":                     {have, with(func(s *State) { s.Serial++ }), true},
		"an earlier serial":                  {have, with(func(s *State) { s.Serial-- }), false},
		"another lineage":                    {have, with(func(s *State) { s.Lineage = "x"; s.Serial++ }), false},
		"the same":                           {have, have.Clone(), true},
		"the same serial and something else": {have, with(func(s *State) { clear(s.Resources) }), false},
	} {
		if err := CheckPush(c.have, c.next); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADocumentIsReadAsItWasWritten(t *testing.T) {
	s := stateOf("user.a.mailbox", "user.b.mailbox")
	s.Outputs = map[string]Output{"o": {Value: []byte(`"v"`), Type: []byte(`"string"`)}}
	var buf bytes.Buffer
	if err := WriteDocument(&buf, s); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDocument("x", buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, got, cmpValues); d != "" {
		t.Error(d)
	}
	for n := range buf.Len() - 2 { // but for the last brace and line end
		if _, err := ReadDocument("x", buf.Bytes()[:n]); err == nil {
			t.Fatalf("a document cut off after %d bytes was read", n)
		}
	}
	var later *VersionError
	if _, err := ReadDocument("x", []byte(`{"mailform_state": 99}`)); !errors.As(err, &later) {
		t.Errorf("a later format: %v", err)
	}
}

func FuzzReadDocument(f *testing.F) {
	var buf bytes.Buffer
	if err := WriteDocument(&buf, stateOf("user.a.mailbox")); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Add([]byte(`{"mailform_state":1,"lineage":"x","last_apply":{"operation":"apply","at":"2026-11-25T12:00:00Z","undo":{"was":[null],"made":[{"kind":"mailbox","keys":["a"]}]}},"open_apply":{"open":true},"resources":[]}`))
	f.Add([]byte(`{"mailform_state":1,"lineage":"x","resources":[null,{"attrs":{"quota":[]}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadDocument("x", data)
		if err != nil {
			return
		}
		if err := WriteDocument(&bytes.Buffer{}, s); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
		if a, _ := s.Back(); a != nil {
			_, _, _ = a.Undo()
		}
		s.Apply([]Entry{{Begin: NewApplied(OperationApply, "", time.Time{})}, {Put: mailbox(1)}, {End: true}})
		if err := WriteDocument(&bytes.Buffer{}, s); err != nil && s.Last != nil {
			t.Errorf("after an apply it cannot be written: %v", err)
		}
	})
}

func TestReplacePutsAWholeStateInThePlaceOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	if err := l.Replace(t.Context(), stateOf("user.a.mailbox")); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without a lock: %v", err)
	}
	unlock := lock(t, l)
	appendTo(t, l, Entry{Put: mailbox(1)})
	appendTo(t, l, Entry{Put: mailbox(2)})
	want := stateOf("user.x.mailbox")
	if err := l.Replace(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, load(t, path), cmpValues); d != "" {
		t.Error(d)
	}
	appendTo(t, l, Entry{Put: mailbox(5)})
	unlock()
	if s := load(t, path); s.Serial != 8 || len(s.Resources) != 2 {
		t.Errorf("after a write: serial %d, %d resources", s.Serial, len(s.Resources))
	}
}

func TestTheLockOfAFileIsNotForced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	if err := open(t, path).ForceUnlock(t.Context(), "x"); !errors.Is(err, ErrNotLocked) {
		t.Errorf("never locked: %v", err)
	}
	l := open(t, path)
	unlock, err := l.Lock(t.Context(), LockInfo{ID: "mine", PID: os.Getpid()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if err := open(t, path).ForceUnlock(t.Context(), "other"); !errors.As(err, &locked) || locked.Info.ID != "mine" {
		t.Errorf("another's ID: %v", err)
	}
	if err := open(t, path).ForceUnlock(t.Context(), "mine"); err == nil || errors.Is(err, ErrNotLocked) || errors.As(err, &locked) {
		t.Errorf("the right ID: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).ForceUnlock(t.Context(), "mine"); !errors.Is(err, ErrNotLocked) {
		t.Errorf("after it was released: %v", err)
	}
}
