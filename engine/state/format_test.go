package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/schema"
)

// The samples were written by the version that had their format as its present one.
// They are never written again.
const samples = "testdata/format1"

// samplePassphrase is that of the sealed samples.
const samplePassphrase = "the passphrase of the samples"

// sample puts the files of a state where it can be written to.
func sample(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.mfstate")
	for from, to := range map[string]string{".snapshot": path, ".journal": path + ".journal"} {
		data, err := os.ReadFile(filepath.Join(samples, name+from))
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// known holds a state to what the samples are known to say.
func known(t *testing.T, what string, s *State, quota string) {
	t.Helper()
	var addresses []string
	for _, r := range s.Sorted() {
		addresses = append(addresses, r.Address)
	}
	for _, want := range []string{"user.alice.mailbox", "domain.example.mx", `domain.example.dkim["s1"]`, "provider.embedded.process", "alias.sales.route"} {
		if !slices.Contains(addresses, want) {
			t.Errorf("%s: %s is missing of %v", what, want, addresses)
		}
	}
	alice := s.Resources[schema.ID{Target: "embedded", Kind: schema.KindMailbox, Key: "alice@example.com"}]
	if alice == nil {
		t.Fatalf("%s: no mailbox of alice", what)
	}
	if q := alice.Attrs.GetAttr("quota").AsBigFloat().Text('f', 0); q != quota {
		t.Errorf("%s: the quota of alice is %s, want %s", what, q, quota)
	}
	hash := alice.Attrs.GetAttr("password_hash").AsValueSlice()[0].AsString()
	if !strings.HasPrefix(hash, schema.FingerprintPrefix) {
		t.Errorf("%s: the hash is %s", what, hash)
	}
	if o := s.Outputs["members"]; string(o.Value) != `["alice","bob"]` || !s.Outputs["hidden"].Sensitive {
		t.Errorf("%s: outputs %v", what, s.Outputs)
	}
	if len(s.Lineage) != 36 || s.Serial < 8 || s.Last == nil {
		t.Errorf("%s: lineage %q, serial %d, last apply %v", what, s.Lineage, s.Serial, s.Last)
	}
}

func TestAStateOfAnEarlierFormatIsRead(t *testing.T) {
	const three, four = "3221225472", "4294967296"
	for name, c := range map[string]struct {
		keys  *seal.Keyring
		quota string
	}{
		"plain":  {nil, three},
		"sealed": {&seal.Keyring{Key: seal.Passphrase(samplePassphrase), Enforced: true}, four},
	} {
		path := sample(t, name)
		l := openWith(t, path, c.keys)
		s, err := l.Load(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		known(t, name, s, c.quota)
		unlock := lock(t, l)
		appendTo(t, l, Entry{Put: mailbox(1)})
		unlock()
		again, err := openWith(t, path, c.keys).Load(t.Context())
		if err != nil || again.Serial != s.Serial+1 {
			t.Fatalf("%s, after a write: %v", name, err)
		}
		known(t, name, again, c.quota)
	}
	data, err := os.ReadFile(filepath.Join(samples, "document.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadDocument("document.json", data)
	if err != nil {
		t.Fatal(err)
	}
	known(t, "document", s, three)
}

// With the next format, states of this one are read by its step and written anew;
// and this version refuses those of the next.
func TestAFormatFollowsAnother(t *testing.T) {
	document, err := os.ReadFile(filepath.Join(samples, "document.json"))
	if err != nil {
		t.Fatal(err)
	}
	before := steps
	defer func() { steps = before }()
	// A step that one can see: the address is called otherwise.
	steps = append(slices.Clone(before), func(line []byte) ([]byte, error) {
		if bytes.Contains(line, []byte("cannot be converted")) {
			return nil, errors.New("no")
		}
		return bytes.ReplaceAll(line, []byte(`"address":"user.alice.`), []byte(`"address":"user.alicia.`)), nil
	})
	path := sample(t, "plain")
	l := open(t, path)
	renamed := func(what string, s *State) {
		t.Helper()
		for _, r := range s.Sorted() {
			if r.Address == "user.alicia.mailbox" {
				return
			}
		}
		t.Errorf("%s: the step was not taken", what)
	}
	unlock := lock(t, l)
	renamed("snapshot and journal", must(l.Load(t.Context())))
	appendTo(t, l) // writes it anew
	next := must(l.Load(t.Context()))
	appendTo(t, l, Entry{Put: mailbox(1)})
	unlock()
	renamed("written anew", next)
	for _, file := range []string{path, path + ".journal"} {
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(data, fmt.Appendf(nil, `":%d,"lineage"`, formatVersion())) || bytes.Contains(data, []byte("user.alice.")) {
			t.Errorf("%s is not of the next format: %.200s, %v", filepath.Base(file), data, err)
		}
	}
	s, current, err := DecodeState(nil, "document", document)
	if err != nil || current {
		t.Fatalf("document: current %v, %v", current, err)
	}
	renamed("document", s)
	newer, err := EncodeState(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	write, err := EncodeWrite(nil, "l", 1, []Entry{{Put: mailbox(1)}})
	if err != nil {
		t.Fatal(err)
	}

	steps = before
	_, fromFiles := open(t, path).Load(t.Context())
	_, _, fromDocument := DecodeState(nil, "document", newer)
	_, _, fromWrite := DecodeWrite(nil, "write", "l", 1, write)
	for what, err := range map[string]error{"files": fromFiles, "document": fromDocument, "write": fromWrite} {
		var version *VersionError
		if !errors.As(err, &version) || version.Format != formatVersion()+1 || !strings.Contains(err.Error(), "later than this version of mailform can read") {
			t.Errorf("%s of a later version: %v", what, err)
		}
	}
	lock(t, open(t, path))()
	if data, err := os.ReadFile(path); err != nil || snapshotFormat(data) != formatVersion()+1 {
		t.Errorf("this version has changed it: %v", err)
	}
}

// What stands in the file of a lock is shown and never trusted.
func FuzzLockFile(f *testing.F) {
	f.Add([]byte(`{"ID":"x","Operation":"apply","Who":"a@b","PID":1,"Created":"2026-01-02T03:04:05Z","Job":"https://ci/1"}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "lock")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if (&LockedError{Info: readInfo(file)}).Error() == "" {
			t.Error("it says nothing")
		}
	})
}
