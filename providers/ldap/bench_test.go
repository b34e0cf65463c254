package ldap_test

import (
	"fmt"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
)

// BenchmarkRead reads 10,000 users of an OpenLDAP.
func BenchmarkRead(b *testing.B) {
	s := ldaptest.Start(b, ldaptest.Options{Database: "dbnosync"})
	p := &ldap.Provider{}
	if diags := p.Configure(b.Context(), providers.Config{Value: block(s, nil), Dir: "/", Lineage: lineage}); diags.HasErrors() {
		b.Fatal(diags)
	}
	var batch []providers.Change
	var wanted []schema.Resource
	for i := range 10000 {
		r := mailbox(fmt.Sprintf("u%d@example.com", i), nil)
		wanted = append(wanted, r)
		batch = append(batch, create(r))
	}
	if err := p.Apply(b.Context(), batch, func(_ providers.Change, _ providers.Observed, err error) error { return err }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if have, err := p.Read(b.Context(), providers.Scope{Wanted: wanted}); err != nil || len(have) != len(wanted) {
			b.Fatal(len(have), err)
		}
	}
}
