package schema

import "github.com/zclconf/go-cty/cty"

var dovecotProvider = &BlockType{
	Type:  "provider",
	Label: "dovecot",
	Doc: "Dovecot keeps mail and hands it out by IMAP and POP3. It takes mail from a server beside it, by LMTP: " +
		"`provider = [postfix, dovecot]`. See [mail servers](../mail-servers.md#dovecot).",
	Example: `provider "dovecot" {
  config_dir = "/etc/dovecot"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/dovecot"), Form: FormPath,
			Doc: "Directory of `dovecot.conf`. A relative path starts from the directory of the configuration."},
		unitAttribute("dovecot"),
		parametersAttribute("Settings of Dovecot"),
	},
	Blocks: []NestedBlock{ConnectionBlock},
}
