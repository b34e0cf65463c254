package schema

import "github.com/zclconf/go-cty/cty"

// pairKinds are the kinds of servers that organisations run already, where one
// program takes mail and another keeps it, and each has settings of its own
// beside those that the language has words for.
var pairKinds = []*Kind{
	{
		Name: KindParameter, Rank: 19, // what follows from blocks is judged in their light
		Doc: "A native setting of a server, beyond those that follow from blocks.",
		Attributes: []KindAttribute{
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Name, as the server calls it."},
			{Name: "value", Type: cty.String, Doc: "Value, as the server writes it."},
		},
	},
	{
		Name: KindMailStore, Rank: 20,
		Doc: "The settings of a server that keeps mail for another that takes it.",
		Attributes: []KindAttribute{
			{Name: "hostname", Type: cty.String, Doc: "Name in greetings and in the certificate."},
			{Name: "retention", Type: cty.Number, Doc: "How long the mail of a closed account is kept, in seconds."},
			{Name: "tls_certificate", Type: cty.String, Doc: "Absolute path of a PEM file with the certificate chain; empty: the server makes its own."},
			{Name: "tls_key", Type: cty.String, Doc: "Absolute path of a PEM file with the key; empty: the server makes its own."},
		},
	},
	{
		Name: KindDelivery, Rank: 22,
		Doc: "How a server that takes mail works with the one that keeps it.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "lmtp", Type: cty.String, Doc: "host:port that mail for mailboxes is handed to, by LMTP (RFC 2033)."},
			{Name: "auth", Type: cty.String, Doc: "Who says whether users that submit mail are who they say they are: \"dovecot:\" and host:port of Dovecot's authentication service; " +
				"\"authd\": mailform's own, with the passwords of the recipients; empty: nobody submits mail here."},
		},
	},
	{
		Name: KindLocation, Rank: 24, // what is begun afterwards finds it there
		Doc: "Where a server has what it keeps. Another path moves all of it; without a block it stays where it is.",
		Attributes: []KindAttribute{
			{Name: "content", Type: cty.String, Immutable: true, Doc: "What lies there: \"storage\", \"index\" or \"queue\"."},
			{Name: "path", Type: cty.String, Doc: "Absolute path of the directory."},
			{Name: "messages", Type: cty.Number, Computed: true, Info: true, Doc: "Messages there."},
			{Name: "bytes", Type: cty.Number, Computed: true, Info: true, Doc: "Bytes that are moved."},
			{Name: "free", Type: cty.Number, Computed: true, Info: true, Doc: "Bytes free where it is to lie."},
		},
	},
	{
		Name: KindLookup, Rank: 23, // with the settings: whoever is let in is to be found
		Doc: "Where a mail server finds its users and aliases: a directory that it asks, by LDAP.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "url", Type: cty.String, Doc: "URL of the directory: ldap, ldaps or ldapi."},
			{Name: "start_tls", Type: cty.Bool, Doc: "Whether TLS is begun before anything else is said."},
			{Name: "ca_file", Type: cty.String, Doc: "Absolute path, on the machine of the server, of a PEM file with the authorities that are believed; empty: those of the machine."},
			{Name: "bind_dn", Type: cty.String, Doc: "Name of the entry that the server asks as; empty: nobody."},
			{Name: "bind_password", Type: cty.String, Sensitive: true, Doc: "Password of that entry."},
			{Name: "users_base", Type: cty.String, Doc: "Name of the entry that users are below."},
			{Name: "users_filter", Type: cty.String, Doc: "Which entries are users, as a filter (RFC 4515)."},
			{Name: "user_address", Type: cty.String, Doc: "Attribute with the address of a user."},
			{Name: "user_quota", Type: cty.String, Doc: "Attribute with the quota, in bytes; empty: nobody has one."},
			{Name: "user_protocols", Type: cty.String, Doc: "Attribute with the protocols; empty: all have all."},
			{Name: "user_mail", Type: cty.String, Doc: "Attribute that says who is disabled; empty: nobody is."},
			{Name: "aliases_base", Type: cty.String, Doc: "Name of the entry that aliases, forwards and catch-all addresses are below."},
			{Name: "aliases_filter", Type: cty.String, Doc: "Which entries are such, as a filter."},
			{Name: "alias_address", Type: cty.String, Doc: "Attribute with the address of an alias."},
			{Name: "alias_members", Type: cty.String, Doc: "Attribute with its members: addresses, or names of entries of users."},
			{Name: "alias_external", Type: cty.String, Doc: "Attribute with the members that are addresses, where the others are names of entries; else empty."},
			{Name: "alias_keep_copy", Type: cty.String, Doc: "Attribute that is TRUE for a forward that keeps a copy; empty: none does."},
		},
	},
	{
		Name: KindSubmission, Rank: 23, // before it listens for users
		Doc: "Where a server that keeps mail hands on what users submit to it.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "relay", Type: cty.String, Doc: "host:port at which the server that takes mail believes it who the user is."},
		},
	},
	{
		Name: KindService, Rank: 25, // with its settings, and before what is made through it
		Doc: "A server that the machine has, running.",
		Attributes: []KindAttribute{
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Name of the provider."},
			{Name: "running", Type: cty.Bool, Doc: "Whether it runs. Always true as declared."},
		},
	},
	{
		Name: KindRecipient, Rank: 45, // whoever is let in finds the mailbox there
		Doc: "An address with a mailbox elsewhere, as the server that takes mail for it knows it.",
		Attributes: []KindAttribute{
			{Name: "address", Type: cty.String, Immutable: true, Doc: "Address, also the login name for submission."},
			{Name: "password_hash", Type: cty.List(cty.String), Sensitive: true, Doc: "Verifiers of the password, where the server judges it by itself; else empty."},
		},
	},
}
