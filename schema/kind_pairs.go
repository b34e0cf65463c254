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
			{Name: "content", Type: cty.String, Immutable: true, Doc: "What lies there: \"storage\" or \"queue\"."},
			{Name: "path", Type: cty.String, Doc: "Absolute path of the directory."},
			{Name: "messages", Type: cty.Number, Computed: true, Info: true, Doc: "Messages there."},
			{Name: "bytes", Type: cty.Number, Computed: true, Info: true, Doc: "Bytes that are moved."},
			{Name: "free", Type: cty.Number, Computed: true, Info: true, Doc: "Bytes free where it is to lie."},
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
