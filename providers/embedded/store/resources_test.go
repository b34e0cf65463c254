package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/admin"
)

// Find lists what Resources lists, of the resources that are asked for.
func TestFindEachKind(t *testing.T) {
	s := openStore(t, t.TempDir())
	apply(t, s, oneOfEach()...)
	all := list(t, s)
	for _, want := range all {
		got, err := s.Find(t.Context(), []admin.ID{{Kind: want.Kind, Key: want.Key}, {Kind: want.Kind, Key: "nobody"}})
		if err != nil || cmp.Diff([]admin.Resource{want}, got) != "" {
			t.Errorf("%s: %v, %v", want.Kind, err, cmp.Diff([]admin.Resource{want}, got))
		}
	}
	var ids []admin.ID
	for _, r := range all {
		ids = append(ids, admin.ID{Kind: r.Kind, Key: r.Key})
	}
	if got, err := s.Find(t.Context(), ids); err != nil || cmp.Diff(all, got) != "" {
		t.Errorf("all of them: %v, %v", err, cmp.Diff(all, got))
	}
	if got, err := s.Find(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("none of them: %v, %v", got, err)
	}
}

func TestFindMoreThanAStatementTakes(t *testing.T) {
	s := openStore(t, t.TempDir())
	const n = 2*findAtOnce + 1
	changes := []admin.Change{mailDomain("example.com")}
	var ids []admin.ID
	for i := range n {
		address := fmt.Sprintf("u%d@example.com", i)
		changes = append(changes, mailbox(address, ""))
		ids = append(ids, admin.ID{Kind: "mailbox", Key: address})
	}
	apply(t, s, changes...)
	if got, err := s.Find(t.Context(), ids); err != nil || len(got) != n {
		t.Errorf("found %d of %d, %v", len(got), n, err)
	}
}
