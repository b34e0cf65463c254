package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
)

var place = Place{What: State, Lineage: "l", Serial: 7}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ageKeyOf(t testing.TB, recipients, identities []string) Key {
	t.Helper()
	k, err := Age(recipients, identities)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *Keyring, plain string) []byte {
	t.Helper()
	data, err := k.Seal(place, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatOneKeySealsAnotherDoesNotOpen(t *testing.T) {
	alice, bob := identity(t), identity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"# two\n" + alice.Recipient().String() + "\n" + bob.Recipient().String() + "\n"}
	keys := map[string]Key{
		"a passphrase":          Passphrase("correct horse battery staple"),
		"another passphrase":    Passphrase("correct horse battery stapler"),
		"an identity":           ageKeyOf(t, nil, []string{"# created: today\n" + alice.String() + "\n"}),
		"a hybrid identity":     ageKeyOf(t, nil, []string{hybrid.String()}),
		"of two recipients one": ageKeyOf(t, both, []string{bob.String()}),
	}
	opens := func(by, sealed string) bool {
		return by == sealed || by == "an identity" && sealed == "of two recipients one"
	}
	next := Passphrase("something new and long")
	const secret = "alice@example.com alice@example.com alice@example.com"
	for sealed, k := range keys {
		data := seal(t, &Keyring{Key: k}, secret)
		if !Sealed(data) || bytes.Contains(data, []byte("alice")) || bytes.IndexByte(data, '\n') >= 0 {
			t.Errorf("%s made %s", sealed, data)
		}
		for by, k := range keys {
			plain, at, current, err := (&Keyring{Key: k}).Open(data)
			switch {
			case !opens(by, sealed):
				if !errors.Is(err, ErrWrongKey) {
					t.Errorf("%s opens what %s has sealed: %v", by, sealed, err)
				}
			case err != nil || string(plain) != secret || at != place:
				t.Errorf("%s, sealed by %s: %q, %v, %v", by, sealed, plain, at, err)
			case current != (by == sealed):
				t.Errorf("%s, sealed by %s: current is %v", by, sealed, current)
			}
			// As a fallback it opens the same, and it is not current.
			_, _, current, err = (&Keyring{Key: next, Fallback: []Key{k}}).Open(data)
			if (err == nil) != opens(by, sealed) || current {
				t.Errorf("%s as a fallback, sealed by %s: current %v, %v", by, sealed, current, err)
			}
		}
		if _, _, _, err := (*Keyring)(nil).Open(data); !errors.Is(err, ErrNoKey) {
			t.Errorf("without keys: %v", err)
		}
	}
}

func TestPlainIsReadUnlessThatIsForbidden(t *testing.T) {
	key := Passphrase("correct horse battery staple")
	for name, c := range map[string]struct {
		k       *Keyring
		current bool
		err     error
	}{
		"no keyring":                {nil, true, nil},
		"no key but fallbacks":      {&Keyring{Fallback: []Key{key}}, true, nil},
		"a key":                     {&Keyring{Key: key}, false, nil},
		"a key, and it is enforced": {&Keyring{Key: key, Enforced: true}, false, ErrPlain},
	} {
		plain, at, current, err := c.k.Open([]byte("{}\n"))
		if !errors.Is(err, c.err) || current != c.current || err == nil && (string(plain) != "{}\n" || at != Place{}) {
			t.Errorf("%s: %q, %v, %v, %v", name, plain, at, current, err)
		}
	}
	data, err := (&Keyring{Fallback: []Key{key}}).Seal(place, []byte("x"))
	if err != nil || string(data) != "x" {
		t.Errorf("without a key it is sealed: %s, %v", data, err)
	}
}

func TestAPieceIsBoundToItsPlace(t *testing.T) {
	k := &Keyring{Key: Passphrase("correct horse battery staple")}
	data := seal(t, k, "content")
	for _, change := range [][2]string{
		{`"serial":7`, `"serial":8`},
		{`"lineage":"l"`, `"lineage":"m"`},
		{`"what":"state"`, `"what":"write"`},
	} {
		forged := bytes.Replace(data, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(forged, data) {
			t.Fatalf("nothing to change: %s", change[0])
		}
		if _, _, _, err := k.Open(forged); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", change[1], err)
		}
	}
	later := bytes.Replace(data, []byte(`"mailform_sealed":1`), []byte(`"mailform_sealed":2`), 1)
	if _, _, _, err := k.Open(later); !errors.Is(err, ErrVersion) {
		t.Errorf("of a later version: %v", err)
	}
	if _, _, _, err := k.Open(data[:len(data)-10]); !errors.Is(err, ErrDamaged) {
		t.Errorf("cut off: %v", err)
	}
}

func TestErrorsOfAgeKeysHoldNoSecret(t *testing.T) {
	id := identity(t).String()
	for _, c := range []struct{ recipients, identities []string }{
		{nil, []string{id[:len(id)-1]}},
		{[]string{id}, nil},
		{[]string{"age1nonsense"}, nil},
	} {
		if _, err := Age(c.recipients, c.identities); err == nil || strings.Contains(err.Error(), id[:30]) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	id := identity(f)
	old := Passphrase("an old passphrase")
	k := &Keyring{Key: ageKeyOf(f, nil, []string{id.String()}), Fallback: []Key{old}}
	f.Add(seal(f, k, "sealed for age"))
	f.Add(seal(f, &Keyring{Key: old}, "sealed with a passphrase"))
	f.Add([]byte(`{"mailform_sealed":1,"key":{"passphrase":{"salt":"AAAAAAAAAAA=","time":4294967295,"memory":4294967295,"threads":255}}}`))
	f.Add([]byte(`{"mailform_state":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, at, _, err := k.Open(data)
		if err != nil || !Sealed(data) {
			return
		}
		again, err := k.Seal(at, plain)
		if err != nil {
			t.Fatal(err)
		}
		if back, to, current, err := k.Open(again); err != nil || !current || to != at || !bytes.Equal(back, plain) {
			t.Fatalf("%v %v %v", to, current, err)
		}
	})
}
