package schema

import "github.com/zclconf/go-cty/cty"

var postfixProvider = &BlockType{
	Type:  "provider",
	Label: "postfix",
	Doc: "Postfix takes mail in and hands it on. It keeps no mail: a server has a provider that does beside it, " +
		"`provider = [postfix, dovecot]`. What mailform does not own of its configuration stays as it is, byte for byte. " +
		"See [mail servers](../mail-servers.md#postfix).",
	Example: `provider "postfix" {
  config_dir = "/etc/postfix"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/postfix"), Form: FormPath,
			Doc: "Directory of `main.cf` and `master.cf` (`postfix -c`). Each instance has one of its own. A relative path starts from the directory of the configuration."},
		unitAttribute("postfix"),
		parametersAttribute("Parameters of `main.cf`"),
	},
	Blocks: []NestedBlock{ConnectionBlock},
}
