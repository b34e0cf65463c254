package state

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// byTheLongWay is the line of a resource as encoding/json writes it.
func byTheLongWay(t testing.TB, serial uint64, r *Resource) string {
	t.Helper()
	rec, err := r.record()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(record{Serial: serial, Put: rec})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheShortWayWritesWhatTheLongWayWrites(t *testing.T) {
	odd := []string{"", "plain", `quote " and \`, "ümläut", "tab\tline\n", "\u2028", "a\x00b\x7f", "<&>", "\xff"}
	for _, text := range odd {
		for name, change := range map[string]func(r *Resource){
			"as it is":                func(*Resource) {},
			"target":                  func(r *Resource) { r.ID.Target = text },
			"kind":                    func(r *Resource) { r.ID.Kind = "x" + text },
			"key":                     func(r *Resource) { r.ID.Key = text },
			"address":                 func(r *Resource) { r.Address = text },
			"without dependencies":    func(r *Resource) { r.DependsOn = nil },
			"address, and none":       func(r *Resource) { r.Address, r.DependsOn = text, nil },
			"key, and none":           func(r *Resource) { r.ID.Key, r.DependsOn = text, nil },
			"dependency":              func(r *Resource) { r.DependsOn = []string{text} },
			"protected":               func(r *Resource) { r.PreventDestroy, r.Declared, r.DependsOn = true, text, nil },
			"adopted":                 func(r *Resource) { r.Adopted, r.DependsOn = true, nil },
			"staging":                 func(r *Resource) { r.Staging, r.DependsOn = &Staging{}, nil },
			"an attribute, and none":  func(r *Resource) { r.Attrs, r.DependsOn = withMail(r.Attrs, text), nil },
			"attributes of an object": func(r *Resource) { r.Attrs = cty.ObjectVal(map[string]cty.Value{"<": cty.StringVal(text)}) },
		} {
			r := mailbox(3)
			change(r)
			for _, serial := range []uint64{0, 17} {
				got, err := appendPut([]byte("-"), serial, r)
				if want := "-" + byTheLongWay(t, serial, r); err != nil || string(got) != want {
					t.Errorf("%s %q: %s, %v; want %s", name, text, got, err, want)
				}
			}
		}
	}
	r := mailbox(3)
	r.Attrs = withMail(r.Attrs, "")
	vals := r.Attrs.AsValueMap()
	vals["mail"] = cty.UnknownVal(cty.String)
	r.Attrs, r.DependsOn = cty.ObjectVal(vals), nil
	if line, err := appendPut([]byte("-"), 1, r); err == nil || string(line) != "-" {
		t.Errorf("a value that is not known: %q, %v", line, err)
	}
}

func withMail(attrs cty.Value, text string) cty.Value {
	vals := attrs.AsValueMap()
	vals["mail"] = cty.StringVal(text)
	return cty.ObjectVal(vals)
}

// A snapshot is made of what is in memory. It has to be what would be read.
func TestASnapshotFromMemoryIsThatOfTheDisk(t *testing.T) {
	for name, keep := range map[string]bool{"after the first write": false, "on a state that was there": true} {
		path := filepath.Join(t.TempDir(), "x.mfstate")
		l := open(t, path)
		unlock := lock(t, l)
		if keep {
			appendTo(t, l, Entry{Put: mailbox(1)}, Entry{Put: mailbox(2)}, Entry{Outputs: map[string]Output{"a": {Value: []byte(`1`), Type: []byte(`"number"`)}}})
			unlock()
			l = open(t, path)
			unlock = lock(t, l)
			if _, err := l.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		first := mailbox(2)
		id := schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: "u1@example.com"}
		plain := mailbox(4)
		plain.DependsOn = nil
		appendTo(t, l, Entry{Begin: NewApplied(OperationApply, "me@here", time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))}, Entry{Put: first}, Entry{Put: mailbox(3)})
		appendTo(t, l, Entry{Delete: &id}, Entry{Put: plain}, Entry{Put: quota(7)}, Entry{Outputs: map[string]Output{}})
		appendTo(t, l, Entry{End: true})
		fromDisk, _, err := l.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l.loaded == nil || len(l.since) != 8 {
			t.Fatalf("%s: %d entries are remembered", name, len(l.since))
		}
		fromMemory, err := l.current(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fromMemory.encode(t), fromDisk.encode(t); !bytes.Equal(got, want) {
			t.Errorf("%s: the snapshot is\n%s\nwant\n%s", name, got, want)
		}
		unlock()
	}
}
