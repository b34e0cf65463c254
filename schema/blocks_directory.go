package schema

import "github.com/zclconf/go-cty/cty"

var directoryBlock = &BlockType{
	Type:  "directory",
	Label: "name",
	Doc:   "A directory that holds users and aliases for mail servers that look there. See [directories](../directories.md).",
	Example: `directory "staff" {
  provider = ldap
}`,
	Instances: true,
	Attributes: []Attribute{
		ldapProviderAttribute,
	},
}

var ldapProviderAttribute = Attribute{Name: "provider", Type: cty.List(cty.String), Providers: true, Static: true, OrOne: true, NonEmpty: true, Default: stringList("ldap"),
	Doc: "The provider that reaches the directory, named by a bare word: `ldap`, `ldap.second`."}

var ldapUsersData = &BlockType{
	Type:  DataType + "ldap_users",
	Label: "ldap_users",
	Doc: "Entries of a directory, for users to be made of. They are read with the credentials of the block `read` of the provider, where it has one. " +
		"Attributes that hold passwords cannot be asked for. `verifier` is a `password_hash` by which the directory judges the password of the entry.",
	Example: `data "ldap_users" "staff" {
  base   = "ou=people,dc=example,dc=com"
  filter = "(&(objectClass=inetOrgPerson)(employeeType=staff))"
}

user "staff" {
  for_each = data.ldap_users.staff.users
  domain   = domain.example
  name     = each.key
  quota    = each.value.values.employeeType == "boss" ? "10GiB" : "2GiB"

  password_hash = each.value.verifier
}`,
	Instances: true,
	Attributes: []Attribute{
		ldapProviderAttribute,
		{Name: "base", Type: cty.String, Doc: "Name of the entry below which they are looked for, at whatever depth. Left out: where the provider has its users."},
		{Name: "filter", Type: cty.String, Default: cty.StringVal("(objectClass=inetOrgPerson)"), Doc: "Which entries are meant (RFC 4515)."},
		{Name: "key", Type: cty.String, Default: cty.StringVal("uid"), Doc: "The attribute that tells them apart: its first value is the key of an entry in `users`. Entries without it are left out."},
		{Name: "attributes", Type: cty.List(cty.String), NonEmpty: true, Default: stringList("uid", "cn", "sn", "givenName", "displayName", "mail", "employeeType"),
			Doc: "Attributes that are read."},
	},
	Computed: []ComputedAttribute{
		{Name: "users", Type: cty.Map(LDAPUserDataType), Derived: true,
			Doc: "By key: the entry's name as `dn`; what judges its password as `verifier`; the first value of each attribute in `values`, null where there is none; all of them in `all`."},
	},
}
