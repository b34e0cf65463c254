package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/mailform/mailform/engine/seal"
)

// The keys of these tests: making one of a passphrase is slow on purpose, so
// each is made once.
var (
	oldKey = seal.Passphrase("the passphrase of last year")
	newKey = seal.Passphrase("the passphrase of this year")
)

func openWith(t testing.TB, path string, keys *seal.Keyring) *Local {
	t.Helper()
	l, err := OpenLocal(path, keys)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// holdsNone fails where a file of the state names a user.
func holdsNone(t *testing.T, path string) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"example.com", "u1@", "staff", "mailbox"} {
			if bytes.Contains(data, []byte(word)) {
				t.Errorf("%s holds %q:\n%s", filepath.Base(f), word, data)
			}
		}
	}
}

func TestASealedStateIsSealedInAllItsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := openWith(t, path, &seal.Keyring{Key: oldKey})
	unlock := lock(t, l)
	appendTo(t, l)
	appendTo(t, l, Entry{Put: mailbox(1)}, Entry{Put: mailbox(2)})
	appendTo(t, l, Entry{Put: mailbox(3)})
	holdsNone(t, path)
	if s, err := openWith(t, path, &seal.Keyring{Key: oldKey}).Load(t.Context()); err != nil || len(s.Resources) != 3 || s.Serial != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := open(t, path).Load(t.Context()); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	_, err := openWith(t, path, &seal.Keyring{Key: newKey}).Load(t.Context())
	if !errors.Is(err, seal.ErrWrongKey) || !strings.Contains(err.Error(), path) {
		t.Errorf("with another key: %v", err)
	}
	if err := l.Replace(t.Context(), must(l.Load(t.Context()))); err != nil {
		t.Fatal(err)
	}
	holdsNone(t, path)
	unlock()
}

func TestTheNextWriteSealsAnew(t *testing.T) {
	for name, c := range map[string]struct {
		was, is *seal.Keyring
		plain   bool
	}{
		"what was plain":                  {nil, &seal.Keyring{Key: newKey}, false},
		"what another key has sealed":     {&seal.Keyring{Key: oldKey}, &seal.Keyring{Key: newKey, Fallback: []seal.Key{oldKey}, Enforced: true}, false},
		"what is not to be sealed longer": {&seal.Keyring{Key: oldKey}, &seal.Keyring{Fallback: []seal.Key{oldKey}}, true},
	} {
		path := filepath.Join(t.TempDir(), "x.mfstate")
		l := openWith(t, path, c.was)
		unlock := lock(t, l)
		appendTo(t, l, Entry{Put: mailbox(1)})
		unlock()
		l = openWith(t, path, c.is)
		unlock = lock(t, l)
		if len(must(l.Load(t.Context())).Resources) != 1 {
			t.Errorf("%s: it is not read", name)
		}
		appendTo(t, l)
		last := &seal.Keyring{Key: newKey, Enforced: true}
		if c.plain {
			last = nil
		} else {
			holdsNone(t, path)
		}
		appendTo(t, l, Entry{Put: mailbox(2)})
		unlock()
		if s, err := openWith(t, path, last).Load(t.Context()); err != nil || len(s.Resources) != 2 || s.Serial != 2 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestAPlainStateIsRefusedWhereThatIsEnforced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	l := open(t, path)
	unlock := lock(t, l)
	appendTo(t, l, Entry{Put: mailbox(1)})
	unlock()
	if _, err := openWith(t, path, &seal.Keyring{Key: newKey, Enforced: true}).Load(t.Context()); !errors.Is(err, seal.ErrPlain) {
		t.Errorf("%v", err)
	}
}

func TestSealedWritesCannotBeSwappedOrLeftOutUnseen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mfstate")
	keys := &seal.Keyring{Key: oldKey}
	l := openWith(t, path, keys)
	unlock := lock(t, l)
	for i := range 4 {
		appendTo(t, l, Entry{Put: mailbox(i)}, Entry{Put: mailbox(i + 10)})
	}
	unlock()
	other := openWith(t, filepath.Join(t.TempDir(), "y.mfstate"), keys)
	unlock = lock(t, other)
	for i := range 4 {
		appendTo(t, other, Entry{Put: mailbox(i)})
	}
	unlock()
	lines := func(l *Local) [][]byte {
		data, err := os.ReadFile(l.journalPath())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.SplitAfter(data, []byte{'\n'})
	}
	whole, foreign := lines(l), lines(other)
	plain := &bytes.Buffer{}
	if err := frames(plain, nil, "", 3, []Entry{{Put: mailbox(66)}}); err != nil {
		t.Fatal(err)
	}
	for name, journal := range map[string][][]byte{
		"the first is left out":  {whole[0], whole[2], whole[3], whole[4]},
		"one is left out":        {whole[0], whole[1], whole[3], whole[4]},
		"two are swapped":        {whole[0], whole[1], whole[3], whole[2], whole[4]},
		"one stands there twice": {whole[0], whole[1], whole[2], whole[2]},
		"one is of another":      {whole[0], whole[1], foreign[2], whole[3]},
	} {
		if err := os.WriteFile(l.journalPath(), bytes.Join(journal, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openWith(t, path, keys).Load(t.Context())
		var damage *DamageError
		if !errors.As(err, &damage) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	// A plain one among them is what enforced is for.
	if err := os.WriteFile(l.journalPath(), bytes.Join([][]byte{whole[0], whole[1], whole[2], plain.Bytes()}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openWith(t, path, &seal.Keyring{Key: oldKey, Enforced: true}).Load(t.Context()); !errors.Is(err, seal.ErrPlain) {
		t.Errorf("a plain write: %v", err)
	}
}

func FuzzSealedJournal(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.mfstate")
	keys := &seal.Keyring{Key: ageKey(f)}
	l := openWith(f, path, keys)
	unlock := lock(f, l)
	appendTo(f, l, Entry{Put: mailbox(1)})
	appendTo(f, l, Entry{Delete: &mailbox(1).ID})
	j, err := os.ReadFile(path + ".journal")
	if err != nil {
		f.Fatal(err)
	}
	s, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	unlock()
	f.Add(s, j)
	f.Fuzz(func(t *testing.T, snapshot, journal []byte) {
		if _, _, err := decodeSealed(keys, "s", snapshot); err == nil && !seal.Sealed(snapshot) && len(snapshot) > 0 {
			if _, err := decodeSnapshot("s", snapshot); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := decodeJournal(keys, "j", journal); err != nil {
			return
		}
		if entries, _, err := DecodeWrite(keys, "w", "l", 1, journal); err == nil && len(entries) > 0 {
			if _, err := EncodeWrite(keys, "l", 1, entries); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func ageKey(t testing.TB) seal.Key {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Age(nil, []string{id.String()})
	if err != nil {
		t.Fatal(err)
	}
	return k
}
