package s3state

import (
	"errors"
	"os"
	"testing"

	"github.com/mailform/mailform/engine/state"
)

func TestWorkspacesAreKeptApart(t *testing.T) {
	s := shared.Get(t)
	in := func(name string) *Backend {
		return open(t, s.Endpoint(), func(o *Options) { o.Workspace, o.WorkspacePrefix = name, "spaces" })
	}
	if names, err := in("").Workspaces(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("before the first: %v, %v", names, err)
	}
	for i, name := range []string{"default", "staging", "dev"} {
		b := in(name)
		release := lock(t, b)
		add(t, b, entry(i))
		if held, err := in(name).Holder(t.Context()); err != nil || held == nil || held.Info.Who != "ci@runner" {
			t.Errorf("%+v, %v", held, err)
		}
		release()
		if held, err := in(name).Holder(t.Context()); err != nil || held != nil {
			t.Errorf("released: %+v, %v", held, err)
		}
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
	if _, err := os.Stat(s.Object(b.o.Key)); !errors.Is(err, os.ErrNotExist) || len(parts(t, s, b)) != 0 {
		t.Errorf("it has left something: %v, %v", err, parts(t, s, b))
	}
	if st := load(t, in("dev")); st.Lineage != "" || len(st.Resources) != 0 {
		t.Errorf("after it was deleted: %+v", st)
	}
	if st := load(t, in("staging")); st.Resources[entry(1).Put.ID] == nil {
		t.Errorf("the other: %+v", st)
	}
	release = lock(t, in("dev"))
	release()
}
