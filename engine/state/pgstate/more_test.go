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

func TestWorkspacesAreKeptApart(t *testing.T) {
	conn := database(t)
	in := func(name string) *Backend { return open(t, conn, func(o *Options) { o.Workspace = name }) }
	if names, err := in("").Workspaces(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("before the first: %v, %v", names, err)
	}
	for i, name := range []string{"default", "staging", "dev"} {
		b := in(name)
		release := lock(t, b)
		add(t, b, entry(i))
		release()
	}
	names, err := in("dev").Workspaces(t.Context())
	if err != nil || len(names) != 2 || names[0] != "dev" || names[1] != "staging" {
		t.Errorf("%v, %v", names, err)
	}
	b := in("dev")
	if err := b.Delete(t.Context()); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
	release := lock(t, b)
	if err := b.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	release()
	if st := load(t, in("dev")); st.Lineage != "" || len(st.Resources) != 0 {
		t.Errorf("after it was deleted: %+v", st)
	}
	if st := load(t, in("staging")); st.Resources[entry(1).Put.ID] == nil {
		t.Errorf("the other: %+v", st)
	}
	if _, err := Open(Options{ConnStr: conn, Name: "a/b"}); err == nil {
		t.Error("a name with a slash is taken")
	}
}

func TestTablesOfAnEarlierVersionAreTakenOver(t *testing.T) {
	conn := database(t)
	b := open(t, conn)
	release := lock(t, b)
	add(t, b, entry(1))
	if _, err := b.held.db.Exec(b.tables.Replace(`ALTER TABLE @.state DROP COLUMN job`)); err != nil {
		t.Fatal(err)
	}
	release()
	unlock, err := b.Lock(t.Context(), state.LockInfo{Who: "later", Job: "https://ci/1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := open(t, conn).Holder(t.Context()); err != nil || held == nil || held.Info.Job != "https://ci/1" || held.Info.Who != "later" {
		t.Errorf("%+v, %v", held, err)
	}
	add(t, b, entry(2))
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if held, err := open(t, conn).Holder(t.Context()); err != nil || held != nil {
		t.Errorf("released: %+v, %v", held, err)
	}
}
