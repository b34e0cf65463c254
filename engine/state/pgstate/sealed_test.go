package pgstate

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
)

func TestASealedStateIsReadWithItsKeyAlone(t *testing.T) {
	conn := database(t)
	plain := open(t, conn)
	release := lock(t, plain)
	add(t, plain, entry(1))
	release()
	keys := &seal.Keyring{Key: seal.Passphrase("correct horse battery")}
	sealed := func(o *Options) { o.Keys = keys }
	b := open(t, conn, sealed)
	defer lock(t, b)()
	add(t, b) // begins by sealing what is there
	add(t, b, entry(2), entry(3))
	id := entry(2).Put.ID
	add(t, b, state.Entry{Delete: &id})
	var snapshot, first, second []byte
	if err := b.held.db.QueryRow(b.tables.Replace(`SELECT snapshot FROM @.state`)).Scan(&snapshot); err != nil {
		t.Fatal(err)
	}
	get := func(serial int, into *[]byte) {
		if err := b.held.db.QueryRow(b.tables.Replace(`SELECT entry FROM @.journal WHERE serial = $1`), serial).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	get(2, &first)
	get(3, &second)
	for _, data := range [][]byte{snapshot, first, second} {
		if bytes.Contains(data, []byte("thing")) {
			t.Errorf("plain: %s", data)
		}
	}
	if st := load(t, open(t, conn, sealed)); len(st.Resources) != 2 || st.Serial != 3 {
		t.Errorf("%+v", st)
	}
	if _, err := open(t, conn).Load(t.Context()); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	put := func(serial int, entry []byte) {
		if _, err := b.held.db.Exec(b.tables.Replace(`UPDATE @.journal SET entry = $2 WHERE serial = $1`), serial, entry); err != nil {
			t.Fatal(err)
		}
	}
	put(2, second)
	put(3, first)
	var damage *state.DamageError
	if _, err := open(t, conn, sealed).Load(t.Context()); !errors.As(err, &damage) {
		t.Errorf("two writes that were swapped: %v", err)
	}
	put(2, first)
	put(3, second)
	if st := load(t, b); len(st.Resources) != 2 {
		t.Errorf("%+v", st)
	}
}
