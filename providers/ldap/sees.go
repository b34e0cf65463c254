package ldap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

// seesTimeout is how long a directory may take to answer whether a server would
// find its users there.
const seesTimeout = 10 * time.Second

// Sees asks a directory, as a mail server will, for the entries that it looks below
// and for the attributes that its filters name. An attribute that a directory does
// not know would have every search find nobody, and all mail be refused.
func Sees(ctx context.Context, l schema.Lookup) error {
	s := &server{url: l.URL, at: l.Server, startTLS: l.StartTLS, caFile: l.CAFile, timeout: seesTimeout, pageSize: 1}
	c, err := s.connect(ctx, credentials{l.BindDN, l.BindPassword}, 1)
	if err != nil {
		return err
	}
	defer c.close()
	has, err := c.facts(ctx)
	if err != nil {
		return err
	}
	for _, named := range []struct{ block, role, attribute string }{
		{"users", "address", l.UserAddress}, {"users", "quota", l.UserQuota}, {"users", "protocols", l.UserProtocols}, {"users", "mail", l.UserMail},
	} {
		if named.attribute != "" && !has.attribute(named.attribute) {
			return fmt.Errorf("the schema of the directory has no attribute %s: load mailform's schema into it (docs/ldap/mailform.ldif), or say by attributes = { %s = … } in the block %s of its provider which it has for that; an empty name if none",
				named.attribute, named.role, named.block)
		}
	}
	bases := []string{l.UsersBase, l.AliasesBase}
	slices.Sort(bases)
	for _, base := range slices.Compact(bases) {
		e, err := c.entry(ctx, base, []string{"objectClass"})
		if err != nil {
			return err
		}
		if e == nil {
			return fmt.Errorf("%s is not there, or %s must not read it", base, cmp.Or(l.BindDN, "who asks"))
		}
	}
	return nil
}
