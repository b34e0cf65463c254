package schema

import "github.com/zclconf/go-cty/cty"

// inboundBlock says how mail from other servers is treated.
var inboundBlock = NestedBlock{Type: "inbound",
	Doc: "How mail from other servers is looked at (the service `smtp`). Left out: as with an empty block. See [who mail is from](../mail-server.md#who-mail-is-from).",
	Attributes: []Attribute{
		{Name: "spf", Sets: []string{"inbound.spf"}, Type: cty.String, Default: cty.StringVal("report"), Form: oneOf("enforce", "report", "off"),
			Doc: "Whether the client may send for the domain of the envelope (RFC 7208). `report` writes the result into the message, `enforce` also refuses what fails: mail that somebody forwards without SRS, too. Left out: `report`; DMARC judges."},
		{Name: "dkim", Sets: []string{"inbound.dkim"}, Type: cty.String, Default: cty.StringVal("report"), Form: oneOf("report", "off"),
			Doc: "Who has signed the message (RFC 6376)."},
		{Name: "arc", Sets: []string{"inbound.arc"}, Type: cty.String, Default: cty.StringVal("report"), Form: oneOf("report", "off"),
			Doc: "What those say they saw who handed the message on (RFC 8617)."},
		{Name: "dmarc", Sets: []string{"inbound.dmarc"}, Type: cty.String, Default: cty.StringVal("enforce"), Form: oneOf("enforce", "report", "off"),
			Doc: "What the domain in From wants done with mail that neither SPF nor DKIM speaks for (RFC 7489). `enforce` does it: `quarantine` goes to the mailbox Junk, `reject` is refused. `report` only writes the result into the message."},
		{Name: "trusted_sealers", Sets: []string{"inbound.trusted_sealers"}, Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Domains whose ARC seals are believed: mailing lists and forwards that change messages. What they saw pass DMARC is not refused because it no longer does."},
		{Name: "exempt", Sets: []string{"inbound.exempt"}, Type: cty.List(cty.String), Form: FormNetwork, Default: stringList("127.0.0.0/8", "::1/128"),
			Doc: "Networks whose clients are taken at their word: one's own machines, a server in front of this one. None of the checks is made for them."},
	}}

// resolverBlock names the resolvers of a mail server.
var resolverBlock = NestedBlock{Type: "resolver",
	Doc: "Whom the server asks for what the DNS says of those who send mail. Left out: the resolvers of its machine.",
	Attributes: []Attribute{
		{Name: "servers", Sets: []string{"resolver.servers"}, Type: cty.List(cty.String), Required: true, NonEmpty: true, Form: FormAddressPort,
			Doc: "Recursive resolvers, asked in this order."},
	}}

var inboundAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "spf", Type: cty.String, Doc: "\"enforce\", \"report\" or \"off\"."},
	{Name: "dkim", Type: cty.String, Doc: "\"report\" or \"off\"."},
	{Name: "arc", Type: cty.String, Doc: "\"report\" or \"off\"."},
	{Name: "dmarc", Type: cty.String, Doc: "\"enforce\", \"report\" or \"off\"."},
	{Name: "trusted_sealers", Type: cty.List(cty.String), Doc: "Domains whose ARC seals are believed. Sorted."},
	{Name: "exempt", Type: cty.List(cty.String), Doc: "Networks whose clients are not checked, as 192.0.2.0/24. Sorted."},
}
