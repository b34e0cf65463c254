package ldap_test

import (
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/ldap/ldaptest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// The members of a group are entries; whoever is none stands beside them.
func TestGroupsOfNames(t *testing.T) {
	t.Parallel()
	s := ldaptest.Start(t, ldaptest.Options{})
	groups := attrs{"aliases": cty.ObjectVal(attrs{"base": str(ldaptest.Aliases), "object_classes": list("groupOfNames"), "attributes": cty.MapVal(attrs{"members": str("member")})})}
	p := provider(t, s, lineage, groups)
	s.Modify(t, strings.Replace(person, "Alice@Example.com", "alice@example.com", 1))
	bob := mailbox("bob@example.com", nil)
	sales := route("sales@example.com", "alias", false, "alice@example.com", "bob@example.com", "partner@elsewhere.net")
	if problems, err := p.Validate(t.Context(), []schema.Resource{bob, sales}); err != nil || len(problems) > 0 {
		t.Errorf("before a plan: %+v, %v", problems, err)
	}
	do(t, p, create(bob))
	do(t, p, create(sales))
	got := s.Search(t, "(cn=sales@example.com)")
	for _, want := range []string{"objectClass: groupOfNames", "objectClass: mailformGroup", "mail: sales@example.com", "member: uid=alice,ou=people,dc=example,dc=com",
		"member: uid=bob@example.com,ou=people,dc=example,dc=com", "mailformMember: partner@elsewhere.net", "mailformOwner: mailform: " + lineage} {
		if !strings.Contains(got, want+"\n") && !strings.Contains(got, want+" ") {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	now := find(t, p, schema.KindRoute, "sales@example.com")
	if now == nil || !now.Attrs.RawEquals(sales.Attrs) {
		t.Fatalf("the group is read as %+v", now)
	}
	do(t, p, create(sales)) // once more

	// Another way to write a name is no change; a name of nobody is one.
	s.Modify(t, "dn: cn=sales@example.com,ou=aliases,dc=example,dc=com\nchangetype: modify\nadd: member\nmember: UID=carol, OU=people,dc=example,dc=com\n")
	now = find(t, p, schema.KindRoute, "sales@example.com")
	if !now.Attrs.GetAttr("members").RawEquals(list("alice@example.com", "bob@example.com", "partner@elsewhere.net", "uid=carol,ou=people,dc=example,dc=com")) {
		t.Errorf("with a name of nobody: %#v", now.Attrs.GetAttr("members"))
	}
	fewer := route("sales@example.com", "alias", false, "bob@example.com")
	do(t, p, providers.Change{Action: providers.Update, Resource: fewer, Prior: now})
	if got := s.Search(t, "(cn=sales@example.com)", "member", "mailformMember"); got != "dn: cn=sales@example.com,ou=aliases,dc=example,dc=com\nmember: uid=bob@example.com,ou=people,dc=example,dc=com\n\n" {
		t.Errorf("fewer members:\n%s", got)
	}
	part, err := p.Read(t.Context(), providers.Scope{Part: true, Wanted: []schema.Resource{fewer}})
	if err != nil || len(part) != 1 || !part[0].Attrs.RawEquals(fewer.Attrs) {
		t.Errorf("a part: %+v, %v", part, err)
	}
	do(t, p, providers.Change{Action: providers.Delete, Resource: fewer, Prior: &part[0]})

	// A group has to have a member that is an entry.
	if err := apply(t, p, create(route("out@example.com", "alias", false, "partner@elsewhere.net")))[0]; err == nil || !strings.Contains(err.Error(), "'groupOfNames' requires attribute 'member'") {
		t.Errorf("a group of nobody: %v", err)
	}
	plain := ldaptest.Start(t, ldaptest.Options{Plain: true})
	groups["aliases"] = cty.ObjectVal(attrs{"base": str(ldaptest.Aliases), "object_classes": list("groupOfNames"), "attributes": cty.MapVal(attrs{"address": str("description"), "members": str("member")})})
	p = provider(t, plain, lineage, groups)
	problems, err := p.Validate(t.Context(), []schema.Resource{mailbox("a@example.com", attrs{"quota": num(0)}), route("s@example.com", "alias", false, "a@example.com"), route("o@example.com", "alias", false, "a@example.com", "partner@elsewhere.net")})
	if err != nil || len(problems) != 1 || problems[0].Attribute != "members" || !strings.Contains(problems[0].Detail, "partner@elsewhere.net is no user of the directory") {
		t.Errorf("an address in a group of entries: %+v, %v", problems, err)
	}
}
