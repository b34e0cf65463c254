package schema

import "github.com/zclconf/go-cty/cty"

// smarthostBlock is a relay for some of the mail, or one that has to be logged in at.
var smarthostBlock = NestedBlock{Type: "smarthost", Repeatable: true,
	Doc: "A server that mail for elsewhere is handed to in place of the MX of its domain: all of it, that of some senders, or that for some recipients. What names the recipient's domain " +
		"comes before what names the sender's, and both together before either; `relay` comes last. See [mail to other servers](../mail-server.md#mail-to-other-servers).",
	Attributes: []Attribute{
		{Name: "host", Sets: []string{"smarthost.host"}, Type: cty.String, Required: true, Form: FormHostPort,
			Doc: "Name or address of the server, with a port: `smtp.example.net:587`. Each may stand once in a server block."},
		{Name: "senders", Sets: []string{"smarthost.senders"}, Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Domains whose mail takes this way. Left out: all."},
		{Name: "recipients", Sets: []string{"smarthost.recipients"}, Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Domains that mail takes this way to. Left out: all."},
		{Name: "username", Sets: []string{"smarthost.username"}, Type: cty.String,
			Doc: "Name to log in with (SCRAM-SHA-256, PLAIN or LOGIN). Left out: nobody logs in."},
		{Name: "password", Sets: []string{"smarthost.password"}, Type: cty.String, Sensitive: true,
			Doc: "Password of `username`. It only ever goes over TLS to a server whose certificate is good. The daemon keeps it in its data directory."},
		{Name: "tls", Sets: []string{"smarthost.tls"}, Type: cty.String, Form: oneOf("opportunistic", "verified", "implicit"),
			Doc: "`verified`: by STARTTLS, with a certificate for the name. `implicit`: that, from the first byte. `opportunistic`: where it is offered, with any certificate. " +
				"Left out: `implicit` on port 465, `verified` with a `username`, otherwise `opportunistic`."},
	}}

var smarthostAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "host", Type: cty.String, Immutable: true, Doc: "host:port of the server."},
	{Name: "senders", Type: cty.List(cty.String), Doc: "Domains whose mail goes there; empty: all. Sorted."},
	{Name: "recipients", Type: cty.List(cty.String), Doc: "Domains that mail goes to by it; empty: all. Sorted."},
	{Name: "username", Type: cty.String, Doc: "Name to log in with; empty: nobody does."},
	{Name: "password", Type: cty.String, Sensitive: true, Doc: "Its password."},
	{Name: "tls", Type: cty.String, Doc: "\"opportunistic\", \"verified\" or \"implicit\"."},
}
