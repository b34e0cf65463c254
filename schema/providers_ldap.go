package schema

import "github.com/zclconf/go-cty/cty"

var ldapProvider = &BlockType{
	Type:  "provider",
	Label: "ldap",
	Doc: "A directory that is reached by LDAP, as OpenLDAP: it holds users, aliases and groups for mail servers. " +
		"See [directories](../directories.md).",
	Example: `provider "ldap" {
  url = "ldap://127.0.0.1"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "url", Type: cty.String, Required: true,
			Doc: "Where the directory is: `ldap://`, `ldaps://` or `ldapi://`."},
	},
}
