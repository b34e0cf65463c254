package schema

import "github.com/zclconf/go-cty/cty"

var sendmailProvider = &BlockType{
	Type:  "provider",
	Label: "sendmail",
	Doc: "Sendmail takes mail in and hands it on. It keeps no mail: a server has a provider that does beside it, " +
		"`provider = [sendmail, cyrus]`. See [mail servers](../mail-servers.md#sendmail).",
	Example: `provider "sendmail" {
  config_dir = "/etc/mail"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/mail"), Form: FormPath,
			Doc: "Directory of `sendmail.cf` and the maps. A relative path starts from the directory of the configuration."},
		unitAttribute("sendmail"),
	},
	Blocks: []NestedBlock{ConnectionBlock},
}
