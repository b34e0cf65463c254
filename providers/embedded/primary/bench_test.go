package primary

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers/embedded/admin"
	nameserver "github.com/mailform/mailform/providers/embedded/dns"
	"github.com/mailform/mailform/providers/embedded/store"
)

// BenchmarkChangeInALargeSignedZone changes one record of a zone of 10,000 names.
func BenchmarkChangeInALargeSignedZone(b *testing.B) {
	st, err := store.Open(b.Context(), b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	p := New(Options{Store: st, Server: nameserver.New(nameserver.Options{})})
	changes := exampleCom()
	for i := range 10000 {
		changes = append(changes, rrset("example.com", fmt.Sprintf("h%d.example.com.", i), "A", "192.0.2.1"))
	}
	rs, err := st.ApplyChanges(b.Context(), changes)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Load(b.Context(), "example.com"); err != nil { // signs it as a whole
		b.Fatal(err)
	}
	last := rs[len(rs)-1]
	n := 0
	b.Run("a change", func(b *testing.B) {
		for b.Loop() {
			n++
			c := rrset("example.com", "h9999.example.com.", "A", fmt.Sprintf("192.0.%d.%d", n/200, n%200))
			c.Action, c.Revision = "update", last.Revision
			out, err := st.ApplyChanges(b.Context(), []admin.Change{c})
			if err != nil {
				b.Fatal(err)
			}
			last = out[0]
			if err := p.Load(b.Context(), "example.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("a start", func(b *testing.B) {
		for b.Loop() {
			again := New(Options{Store: st, Server: nameserver.New(nameserver.Options{})})
			if err := again.LoadAll(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
