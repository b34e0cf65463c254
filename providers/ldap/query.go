package ldap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// secretAttributes hold passwords, or what is as good as one. In lower case.
var secretAttributes = []string{"userpassword", "authpassword", "unicodepwd", "sambantpassword", "sambalmpassword", "krbprincipalkey", "olcrootpw"}

// Query implements providers.Querier for data blocks of type "ldap_users".
func (p *Provider) Query(ctx context.Context, source string, args cty.Value) (cty.Value, error) {
	if source != "ldap_users" {
		return cty.NilVal, fmt.Errorf("a directory answers no %q", source)
	}
	key, attributes, filter := text(args, "key"), texts(args, "attributes"), text(args, "filter")
	for _, name := range append([]string{key}, attributes...) {
		switch {
		case !isName(name):
			return cty.NilVal, fmt.Errorf("%q is no name of an attribute", name)
		case slices.Contains(secretAttributes, strings.ToLower(name)):
			return cty.NilVal, fmt.Errorf("%s holds passwords, which do not belong into values that are shown", name)
		}
	}
	if _, err := goldap.CompileFilter(filter); err != nil {
		return cty.NilVal, fmt.Errorf("filter %q is no filter (RFC 4515): it has to be as (employeeType=staff)", filter)
	}
	base := text(args, "base")
	if _, err := goldap.ParseDN(base); err != nil {
		return cty.NilVal, fmt.Errorf("base %q is no name of an entry", base)
	}
	c, err := p.server.connect(ctx, p.reads, 1)
	if err != nil {
		return cty.NilVal, err
	}
	defer c.close()
	layouts, err := p.layouts(ctx, c)
	if err != nil {
		return cty.NilVal, err
	}
	users := map[string]cty.Value{}
	names := map[string]string{} // of the entries, by key
	look := search{cmp.Or(base, layouts[schema.KindMailbox].base), goldap.ScopeWholeSubtree, filter, append([]string{key}, attributes...)}
	err = c.find(ctx, look, func(e *goldap.Entry) error {
		id := first(e.GetEqualFoldAttributeValues(key))
		if id == "" {
			return nil
		}
		if other, ok := names[id]; ok {
			return fmt.Errorf("%s and %s both have the %s %q: choose another key, or leave one out by filter", other, e.DN, key, id)
		}
		user, err := p.server.userValue(e, attributes)
		if err != nil {
			return err
		}
		names[id], users[id] = e.DN, user
		return nil
	})
	if err != nil {
		return cty.NilVal, err
	}
	if len(users) == 0 {
		return cty.ObjectVal(map[string]cty.Value{"users": cty.MapValEmpty(schema.LDAPUserDataType)}), nil
	}
	return cty.ObjectVal(map[string]cty.Value{"users": cty.MapVal(users)}), nil
}

// userValue is an entry as a configuration sees it.
func (s *server) userValue(e *goldap.Entry, attributes []string) (cty.Value, error) {
	values, all := map[string]cty.Value{}, map[string]cty.Value{}
	for _, name := range attributes {
		list := e.GetEqualFoldAttributeValues(name)
		for _, v := range list {
			if !utf8.ValidString(v) {
				return cty.NilVal, fmt.Errorf("%s: %s is no text", e.DN, name)
			}
		}
		values[name] = cty.NullVal(cty.String)
		if len(list) > 0 {
			values[name] = cty.StringVal(list[0])
		}
		all[name] = schema.StringList(list)
	}
	verifier := schema.LDAPVerifier{Server: s.at, StartTLS: s.startTLS, CAFile: s.caFile, DN: e.DN}
	return cty.ObjectVal(map[string]cty.Value{"dn": cty.StringVal(e.DN), "verifier": cty.StringVal(verifier.String()), "values": cty.MapVal(values), "all": cty.MapVal(all)}), nil
}
