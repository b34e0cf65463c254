package schema

import "github.com/zclconf/go-cty/cty"

var cyrusProvider = &BlockType{
	Type:  "provider",
	Label: "cyrus",
	Doc: "Cyrus IMAP keeps mail and hands it out by IMAP and POP3. It takes mail from a server beside it, by LMTP: " +
		"`provider = [postfix, cyrus]`. See [mail servers](../mail-servers.md#cyrus).",
	Example: `provider "cyrus" {
  config_dir = "/etc"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc"), Form: FormPath,
			Doc: "Directory of `imapd.conf` and `cyrus.conf`. A relative path starts from the directory of the configuration."},
		unitAttribute("master"),
		parametersAttribute("Options of `imapd.conf`"),
	},
	Blocks: []NestedBlock{ConnectionBlock},
}
