package ldap

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A wish is what a directory is to hold of a resource: values by role. A role
// without values is an attribute that is not there.
type wish map[string][]string

// wish checks the attributes of a resource, and says how an entry holds them. have
// is the entry that is there, or nil: what it has already may stay although no
// configuration could say it. The errors name the attribute and show nothing of
// what is secret.
func (l *layout) wish(r schema.Resource, have *entry) (wish, error) {
	if l.missing != nil {
		return nil, l.missing
	}
	k := schema.KindByName(r.Kind)
	if r.Attrs == cty.NilVal || r.Attrs.IsNull() || !r.Attrs.IsKnown() || !r.Attrs.Type().Equals(k.Type()) {
		return nil, fmt.Errorf("it has no attributes of a %s", r.Kind)
	}
	for _, a := range k.Attributes {
		switch v := r.Attrs.GetAttr(a.Name); {
		case a.Computed:
		case !v.IsWhollyKnown() || v.IsNull() && !a.Optional:
			return nil, fmt.Errorf("%s has no value yet", a.Name)
		case a.Optional && !v.IsNull():
			return nil, fmt.Errorf("%s: the directory has no place for it", a.Name)
		}
	}
	address := r.Attrs.GetAttr("address").AsString()
	if err := l.checkAddress(address); err != nil {
		return nil, fmt.Errorf("address is %q: %w", address, err)
	}
	if address != r.Key {
		return nil, fmt.Errorf("address is %q, and the resource is %q", address, r.Key)
	}
	wish := l.mailboxWish
	if r.Kind == schema.KindRoute {
		wish = l.routeWish
	}
	out, err := wish(r.Attrs, have)
	if err != nil {
		return nil, err
	}
	out[roleAddress] = []string{address}
	for _, role := range []string{rolePassword, roleQuota, roleProtocols, roleMail, roleType, roleKeepCopy, roleExternal} {
		switch {
		case len(out[role]) == 0 || l.names[role] != "":
		case role == roleExternal:
			return nil, &lacking{attributeOf[role], fmt.Sprintf("%s is no user of the directory, and its groups have a place for entries alone. Load mailform's schema into it (docs/ldap/mailform.ldif), or name an attribute for addresses as external in attributes, in the block %s of the provider",
				out[role][0], l.block)}
		default:
			return nil, &lacking{attributeOf[role], fmt.Sprintf("the directory has no attribute for it. Load mailform's schema into it (docs/ldap/mailform.ldif), or name one as %s in attributes, in the block %s of the provider",
				role, l.block)}
		}
	}
	return out, nil
}

// A lacking is what a directory has no room for.
type lacking struct{ attribute, why string }

func (e *lacking) Error() string { return e.attribute + ": " + e.why }

// attributeOf is the attribute of a kind that a role speaks of.
var attributeOf = map[string]string{
	rolePassword: "password_hash", roleQuota: "quota", roleProtocols: "protocols", roleMail: "mail", roleType: "type", roleKeepCopy: "keep_copy", roleExternal: "members",
}

func (l *layout) checkAddress(s string) error {
	if domain, all := strings.CutPrefix(s, "@"); all && l.kind == schema.KindRoute {
		if d, err := schema.ParseDomainName(domain); err != nil {
			return err
		} else if d != domain {
			return fmt.Errorf("it is written as %q", "@"+d)
		}
		return nil
	}
	return checkAddress(s)
}

func checkAddress(s string) error {
	a, err := schema.ParseAddress(s)
	if err != nil {
		return err
	}
	if a.String() != s {
		return fmt.Errorf("it is written as %q", a)
	}
	return nil
}

func (l *layout) mailboxWish(attrs cty.Value, have *entry) (wish, error) {
	w := wish{}
	var kept []string
	if have != nil {
		kept = stringsOf(have.attrs.GetAttr("password_hash"))
	}
	for i, hash := range stringsOf(attrs.GetAttr("password_hash")) {
		if _, err := schema.ParsePasswordHash(hash); err != nil && !slices.Contains(kept, hash) {
			return nil, fmt.Errorf("password_hash[%d]: %w", i, err)
		}
		if strings.HasPrefix(hash, schema.LDAPVerifierPrefix) {
			return nil, fmt.Errorf("password_hash[%d] says that a directory judges the password, and this is to be one: it has to be a hash", i)
		}
		if strings.HasPrefix(hash, schema.DjangoPrefix) {
			// slapd takes what has no scheme in braces for the password itself.
			return nil, fmt.Errorf("password_hash[%d] is one of Django's, which a directory cannot hold", i)
		}
		w[rolePassword] = append(w[rolePassword], stored(hash))
	}
	if err := unique(w[rolePassword]); err != nil {
		return nil, fmt.Errorf("password_hash: %w", err)
	}
	quota := attrs.GetAttr("quota").AsBigFloat()
	n, exact := quota.Int64()
	switch {
	case quota.Sign() < 0 || exact != big.Exact:
		return nil, errors.New("quota has to be a whole number of bytes, from 0 to 2^63-1")
	case n > 0:
		w[roleQuota] = []string{fmt.Sprint(n)}
	}
	protocols := stringsOf(attrs.GetAttr("protocols"))
	for _, p := range protocols {
		if !slices.Contains(allProtocols, p) {
			return nil, fmt.Errorf("protocols has %q: expected imap or pop3", p)
		}
	}
	if err := unique(protocols); err != nil {
		return nil, fmt.Errorf("protocols: %w", err)
	}
	switch {
	case len(protocols) == 0:
		w[roleProtocols] = []string{noProtocols}
	case !slices.Equal(protocols, allProtocols):
		w[roleProtocols] = protocols
	}
	switch mail := attrs.GetAttr("mail").AsString(); mail {
	case mailEnabled:
	case "disabled", "forward":
		w[roleMail] = []string{mail}
	default:
		return nil, fmt.Errorf("mail is %q: expected enabled, disabled or forward", mail)
	}
	return w, nil
}

// unique: an attribute is a set.
func unique(values []string) error {
	sorted := slices.Sorted(slices.Values(values))
	if len(slices.Compact(sorted)) != len(values) {
		return errors.New("it has a value twice, which a directory cannot hold")
	}
	return nil
}

func (l *layout) routeWish(attrs cty.Value, _ *entry) (wish, error) {
	w := wish{}
	all := strings.HasPrefix(attrs.GetAttr("address").AsString(), "@")
	switch typ := attrs.GetAttr("type").AsString(); {
	case typ != typeAlias && typ != "forward" && typ != typeCatchAll:
		return nil, fmt.Errorf("type is %q: expected alias, forward or catch_all", typ)
	case (typ == typeCatchAll) != all:
		return nil, fmt.Errorf("address is %q and type is %q: the address of a catch_all is @ and the domain, and no other is", attrs.GetAttr("address").AsString(), typ)
	case typ == "forward":
		w[roleType] = []string{typ}
	}
	w[roleMembers] = stringsOf(attrs.GetAttr("members"))
	for _, m := range w[roleMembers] {
		if err := checkAddress(m); err != nil {
			return nil, fmt.Errorf("members has %q: %w", m, err)
		}
	}
	if err := unique(w[roleMembers]); err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	if l.groups {
		w[roleMembers], w[roleExternal] = l.members.split(w[roleMembers])
	}
	if attrs.GetAttr("keep_copy").True() {
		w[roleKeepCopy] = []string{"TRUE"}
	}
	return w, nil
}

// stringsOf are the elements of a list of strings.
func stringsOf(v cty.Value) []string {
	var out []string
	for _, e := range v.AsValueSlice() {
		out = append(out, e.AsString())
	}
	return out
}

// same reports whether an entry is what is wanted. Passwords have no order in a
// directory.
func same(want, have cty.Value) bool {
	for name := range want.Type().AttributeTypes() {
		w, h := want.GetAttr(name), have.GetAttr(name)
		switch {
		case name == "messages" || name == "bytes" || w.RawEquals(h):
		case name == "password_hash" && sameSet(stringsOf(w), stringsOf(h)):
		default:
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
