package schema

import "github.com/zclconf/go-cty/cty"

var webBlock = &BlockType{
	Type:  "web",
	Label: "name",
	Doc: "A web server for what mail needs of the web: it tells mail programs how they are set up (Thunderbird's autoconfig, Outlook's Autodiscover, profiles for Apple's systems), " +
		"and other servers the MTA-STS policies of the domains that name it. See [the web server](../web.md).",
	Example: `web "main" {
  hostname  = "web.example.com"
  addresses = ["192.0.2.80"]
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "hostname", Type: cty.String, Required: true, Form: FormHost,
			Doc: "Name of the server in the DNS and in its certificate. The names that domains have for it (`mta-sts`, `autoconfig` and `autodiscover` below the domain) lead there."},
		addressesAttribute,
		providerAttribute,
		{Name: "listen", Type: cty.List(cty.String), Form: FormListen,
			Doc: "Where to listen without TLS, only to send everybody on to the address with TLS. Left out together with `listen_tls`: `[\":80\"]`; otherwise nowhere."},
		{Name: "listen_tls", Type: cty.List(cty.String), Form: FormListen,
			Doc: "Where to listen with TLS. Left out together with `listen`: `[\":443\"]`; otherwise nowhere."},
	},
	Blocks: []NestedBlock{
		tlsBlock("A certificate from files. Other servers ask for a policy only under a name that the certificate has, of an authority that everybody knows. Left out: the server makes one for each name, signed by a CA of its own in its data directory."),
	},
}

// A website is what a web server is.
var websiteAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the web block."},
	{Name: "hostname", Type: cty.String, Doc: "Name of the server, and in its certificate."},
	{Name: "addresses", Type: cty.List(cty.String), Doc: "Addresses under which it is reached. Sorted."},
	{Name: "tls_certificate", Type: cty.String, Doc: "Absolute path of a PEM file with the certificate chain; empty: the server makes its own."},
	{Name: "tls_key", Type: cty.String, Doc: "Absolute path of a PEM file with the key; empty: the server makes its own."},
}

// A webdomain is what a web server tells about a domain.
var webDomainAttributes = []KindAttribute{
	{Name: "domain", Type: cty.String, Immutable: true, Doc: "Domain name, an A-label name without trailing dot."},
	{Name: "owner", Type: cty.String, Doc: "Label of the web block."},
	{Name: "doors", Type: cty.List(cty.String), Doc: "Where mail programs get in, the best first: service (imap, pop3, submission, managesieve), \"tls\" or \"starttls\", host and port, with spaces between."},
	{Name: "authority", Type: cty.Bool, Doc: "Whether the certificates of the mail servers are signed by the authority of this provider, which mail programs then have to be told of."},
	{Name: "policy", Type: cty.String, Doc: "MTA-STS policy (RFC 8461 §3.2), as it is served; empty: there is none."},
}
