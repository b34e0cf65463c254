package state

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// told is what a rollback would go back to, a line for each thing.
func told(t *testing.T, a *Applied) []string {
	t.Helper()
	if a == nil {
		return []string{"nothing"}
	}
	was, outputs, err := a.Undo()
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{a.Operation + " by " + a.Who}
	for id, r := range was {
		if r == nil {
			lines = append(lines, id.Key+" was not there")
		} else {
			lines = append(lines, fmt.Sprintf("%s had %v", id.Key, r.Attrs.GetAttr("quota").AsBigFloat()))
		}
	}
	for name, o := range outputs {
		lines = append(lines, fmt.Sprintf("output %s was %s", name, o.Value))
	}
	if outputs != nil && len(outputs) == 0 {
		lines = append(lines, "there were no outputs")
	}
	slices.Sort(lines)
	return lines
}

// quota is the mailbox a@example.com with a quota.
func quota(n int64) *Resource {
	r := mailbox(1)
	vals := r.Attrs.AsValueMap()
	vals["quota"] = cty.NumberIntVal(n)
	r.Attrs = cty.ObjectVal(vals)
	return r
}

func TestAnApplyLeavesWhatWasBeforeIt(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	begin := func(operation, who string) Entry { return Entry{Begin: NewApplied(operation, who, at)} }
	apply, rollback, end := begin(OperationApply, "ann"), begin(OperationRollback, "bob"), Entry{End: true}
	put := func(n int64) Entry { return Entry{Put: quota(n)} }
	id := quota(0).ID
	gone := Entry{Delete: &id}
	other := Entry{Put: mailbox(2)}
	out := func(v string) Entry { return Entry{Outputs: map[string]Output{"o": {Value: []byte(v)}}} }
	for name, c := range map[string]struct {
		writes     [][]Entry
		last, open []string
	}{
		"nothing was ever applied": {nil, []string{"nothing"}, []string{"nothing"}},
		"what was made was not there": {[][]Entry{{apply, put(1)}, {end}},
			[]string{"apply by ann", "u1@example.com was not there"}, []string{"nothing"}},
		"what was changed is kept as it was first": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {put(3)}, {end}},
			[]string{"apply by ann", "u1@example.com had 1"}, []string{"nothing"}},
		"what was deleted is kept": {[][]Entry{{apply, put(1)}, {end}, {apply, gone, end}},
			[]string{"apply by ann", "u1@example.com had 1"}, []string{"nothing"}},
		"what was deleted and made again is changed": {[][]Entry{{apply, put(1)}, {end}, {apply, gone}, {put(5)}, {end}},
			[]string{"apply by ann", "u1@example.com had 1"}, []string{"nothing"}},
		"an apply that left all as it was is none": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {put(1)}, {end}},
			[]string{"apply by ann", "u1@example.com was not there"}, []string{"nothing"}},
		"what is written outside of an apply is not part of it": {[][]Entry{{apply, put(1)}, {end}, {other}},
			[]string{"apply by ann", "u1@example.com was not there"}, []string{"nothing"}},
		"one that was killed is open": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}},
			[]string{"apply by ann", "u1@example.com was not there"}, []string{"apply by ann", "u1@example.com had 1"}},
		"the next one goes on with it": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {apply, other}, {end}},
			[]string{"apply by ann", "u1@example.com had 1", "u2@example.com was not there"}, []string{"nothing"}},
		"a rollback is an apply": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {end}, {rollback, put(1)}, {end}},
			[]string{"rollback by bob", "u1@example.com had 2"}, []string{"nothing"}},
		"a rollback that was killed still goes back": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {end}, {rollback, put(1)}},
			[]string{"apply by ann", "u1@example.com had 1"}, []string{"rollback by bob", "u1@example.com had 2"}},
		"an apply that was killed and rolled back never was": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2)}, {rollback, put(1)}, {end}},
			[]string{"apply by ann", "u1@example.com was not there"}, []string{"nothing"}},
		"a rollback of it that was killed is still of it": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2), other}, {rollback, put(1)}},
			[]string{"apply by ann", "u1@example.com was not there"},
			[]string{"apply by bob", "u1@example.com had 1", "u2@example.com was not there"}},
		"an apply after a killed rollback is one": {[][]Entry{{apply, put(1)}, {end}, {apply, put(2), other}, {end}, {rollback, put(1)}, {apply, put(3)}, {end}},
			[]string{"apply by ann", "u1@example.com had 2"}, []string{"nothing"}},
		"outputs are kept": {[][]Entry{{apply, out("1")}, {end}, {apply, out("2")}, {out("3"), end}},
			[]string{"apply by ann", "output o was 1"}, []string{"nothing"}},
		"first outputs were none": {[][]Entry{{apply, out("1"), end}},
			[]string{"apply by ann", "there were no outputs"}, []string{"nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mfstate")
			l := open(t, path)
			unlock := lock(t, l)
			appendTo(t, l)
			for _, w := range c.writes {
				appendTo(t, l, w...)
			}
			defer unlock()
			check := func(how string, s *State) {
				t.Helper()
				if d := cmp.Diff(c.last, told(t, s.Last)); d != "" {
					t.Errorf("%s, the last apply: %s", how, d)
				}
				if d := cmp.Diff(c.open, told(t, s.Open)); d != "" {
					t.Errorf("%s, the open apply: %s", how, d)
				}
			}
			s := load(t, path)
			check("from the journal", s)
			var doc bytes.Buffer
			if err := WriteDocument(&doc, s); err != nil {
				t.Fatal(err)
			}
			again, err := ReadDocument("x", doc.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			check("from a document", again)
			if err := l.Replace(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			check("from a snapshot", load(t, path))
			// What is in a snapshot goes on in the journal.
			s = load(t, path)
			clone := s.Clone()
			clone.Apply([]Entry{{Put: mailbox(9)}, {End: true}})
			check("after a clone of it went on", s)
		})
	}
}

// What is kept grows with the last apply, not with the state.
func TestWhatIsKeptForARollbackIsSmall(t *testing.T) {
	const many = 2000
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	unlock := lock(t, l)
	entries := []Entry{{Begin: NewApplied(OperationApply, "ann", time.Unix(0, 0))}}
	for i := range many {
		entries = append(entries, Entry{Put: mailbox(i)})
	}
	appendTo(t, l, append(entries, Entry{End: true})...)
	size := func() int {
		var doc bytes.Buffer
		if err := WriteDocument(&doc, load(t, path)); err != nil {
			t.Fatal(err)
		}
		at := strings.Index(doc.String(), `"resources"`)
		return at
	}
	if first, bound := size(), many*30; first > bound {
		t.Errorf("after the first apply of %d mailboxes %d bytes are kept", many, first)
	}
	appendTo(t, l, Entry{Begin: NewApplied(OperationApply, "ann", time.Unix(0, 0))}, Entry{Put: quota(77)}, Entry{End: true})
	if second := size(); second > 1000 {
		t.Errorf("after one change of %d mailboxes %d bytes are kept", many, second)
	}
	unlock()
	if s := load(t, path); len(s.Resources) != many || len(told(t, s.Last)) != 2 {
		t.Errorf("after compacting: %d resources, %v", len(s.Resources), told(t, s.Last))
	}
}

func TestADamagedHistoryIsToldWhenItIsAskedFor(t *testing.T) {
	for name, undo := range map[string]string{
		"no object":           `[]`,
		"a value out of type": `{"was":[{"kind":"mailbox","key":"a","address":"user.a","attrs":{"quota":true}}]}`,
	} {
		s, err := ReadDocument("x", fmt.Appendf(nil, `{"mailform_state":1,"lineage":"l","serial":3,"last_apply":{"operation":"apply","at":"2026-11-25T12:00:00Z","undo":%s},"resources":[]}`, undo))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, _, err := s.Last.Undo(); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", name, err)
		}
		s.Open = s.Last.clone()
		s.Apply([]Entry{{Put: mailbox(1)}, {End: true}})
		if s.Open != nil || s.Last != nil {
			t.Errorf("%s: it is still there after an apply", name)
		}
	}
}

// FuzzEntry: whatever a backend hands back as an entry is an error or one that
// can be written again, and brought into a state.
func FuzzEntry(f *testing.F) {
	id := quota(0).ID
	for _, e := range []Entry{
		{Put: quota(1)}, {Delete: &id}, {Outputs: map[string]Output{}}, {Outputs: map[string]Output{"o": {Value: []byte("1")}}},
		{Begin: NewApplied(OperationRollback, "ann@host", time.Unix(1, 0))}, {End: true},
	} {
		raw, err := EncodeEntry(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"applied":{"operation":"apply","open":true,"undo":{"made":[{"target":"t","kind":"k","keys":["a"]}]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := DecodeEntry(raw)
		if err != nil {
			return
		}
		again, err := EncodeEntry(e)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := DecodeEntry(again); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		s := &State{Resources: map[schema.ID]*Resource{}}
		s.Apply([]Entry{{Begin: NewApplied(OperationApply, "", time.Time{})}, e, {Put: quota(2)}, e, {End: true}})
		if s.Open != nil && e.Begin == nil {
			t.Fatal("an apply that has ended is open")
		}
	})
}
