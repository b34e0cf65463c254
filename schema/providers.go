package schema

import "github.com/zclconf/go-cty/cty"

var providers = []*BlockType{embeddedProvider, rfc2136Provider, bindProvider, knotProvider, zonefileProvider, powerdnsProvider,
	postfixProvider, sendmailProvider, dovecotProvider, cyrusProvider, ldapProvider}

var embeddedProvider = &BlockType{
	Type:  "provider",
	Label: "embedded",
	Doc: "The mail and name server that mailform brings along. One instance is one `mailform serve` process with one data " +
		"directory, started by `mailform apply`.",
	Example: `provider "embedded" {
  data_dir = "./mail"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "data_dir", Type: cty.String, Default: cty.StringVal("./mail"), Form: FormPath,
			Doc: "Directory of the store, the queue and the keys. A relative path starts from the directory of the configuration; on another machine, from `/var/lib/mailform`."},
		{Name: "program", Type: cty.String, Default: cty.StringVal("/usr/local/bin/mailform"), Form: FormPath,
			Doc: "Where `mailform apply` puts the mailform binary on another machine."},
		{Name: "binary_file", Type: cty.String, Form: FormPath,
			Doc: "The mailform binary for that machine, where its processor is another one than this machine's. It has to be of the same version. Left out: the one that runs. A relative path starts from the directory of the configuration."},
	},
	Blocks: []NestedBlock{
		ConnectionBlock,
		readConnectionBlock,
	},
}

// updateArguments are those of every name server that is changed by dynamic
// updates.
var updateArguments = []Attribute{
	aliasAttribute,
	{Name: "server", Type: cty.String, Required: true, Form: FormServer,
		Doc: "The primary name server of the zones, which takes zone transfers and updates."},
	{Name: "transport", Type: cty.String, Default: cty.StringVal("tcp"), Form: oneOf("tcp", "tls"),
		Doc: "`\"tcp\"`, or `\"tls\"` for DNS over TLS (RFC 7858, RFC 9103). Where `server` has no port it is 53 for the one and 853 for the other."},
	{Name: "timeout", Type: cty.String, Default: cty.StringVal("10s"), Form: FormDuration,
		Doc: "How long the server may say nothing before it is given up."},
	{Name: "zones", Type: cty.List(cty.String), Form: FormDomain,
		Doc: "Zones of the server that `mailform import` looks at although no block speaks of them. Left out: only those that are declared."},
}

// updateBlocks are the same for the blocks.
var updateBlocks = []NestedBlock{
	tsigBlock("tsig", "The key that signs updates, and everything else where there is no `read_tsig` (RFC 8945). Left out: nothing is signed, and the server goes by addresses."),
	tsigBlock("read_tsig", "A key that can do no more than read: it signs zone transfers and queries. With it a plan can be made without the key that writes. Left out: `tsig` signs them."),
	{Type: "tls", Doc: "How the certificate of the server is judged, with `transport = \"tls\"`. Left out: by the machine's certificate authorities and the host in `server`.",
		Attributes: []Attribute{
			{Name: "server_name", Type: cty.String, Form: FormHost,
				Doc: "Name that the certificate has to be for. Left out: the host in `server`."},
			{Name: "ca_file", Type: cty.String, Form: FormPath,
				Doc: "PEM file with the authorities that are believed. A relative path starts from the directory of the configuration. Left out: those of the machine."},
		}},
}

func tsigBlock(name, doc string) NestedBlock {
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "name", Type: cty.String, Required: true, Form: FormKeyName,
			Doc: "Name of the key, as the server knows it."},
		{Name: "algorithm", Type: cty.String, Default: cty.StringVal("hmac-sha256"),
			Form: oneOf("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1"),
			Doc:  "Algorithm of the key, as the server knows it."},
		{Name: "secret", Type: cty.String, Required: true, Sensitive: true, Form: FormBase64,
			Doc: "The secret, in base64, as `tsig-keygen` and `keymgr -t` print it. It is stored nowhere."},
	}}
}

var rfc2136Provider = &BlockType{
	Type:  "provider",
	Label: "rfc2136",
	Doc: "Any name server that takes zone transfers and dynamic updates (RFC 5936, RFC 2136). It is read by one transfer a zone. What a plan changes in a zone is " +
		"one update, which the server carries out only if everything in it still is as the plan saw it. Zones have to be there: " +
		"mailform takes them over, and leaves them where they are. See [name servers](../dns-servers.md).",
	Example: `provider "rfc2136" {
  server = "192.0.2.53"

  tsig {
    name   = "mailform"
    secret = var.tsig_secret
  }
}`,
	Attributes: updateArguments,
	Blocks:     updateBlocks,
	Keeps:      []string{KindZone},
}

var bindProvider = &BlockType{
	Type:  "provider",
	Label: "bind",
	Doc: "BIND 9, read and changed as [rfc2136](#rfc2136) does. Beyond that, zones are made and removed by `rndc addzone` and `rndc delzone`, where the block `new_zones` says how. " +
		"BIND needs `allow-new-zones yes;` for that. See [name servers](../dns-servers.md#bind).",
	Example: `provider "bind" {
  server = "127.0.0.1:53"

  tsig {
    name   = "mailform"
    secret = var.tsig_secret
  }

  rndc {
    key_file = "/etc/bind/rndc.key"
  }

  new_zones {
    directory     = "/var/lib/bind"
    options       = "update-policy { grant mailform zonesub ANY; };"
    dnssec_policy = "default"
  }
}`,
	Attributes: updateArguments,
	Blocks: append(updateBlocks[:len(updateBlocks):len(updateBlocks)],
		NestedBlock{Type: "rndc", Doc: "How BIND is controlled. Left out: by `rndc` as the machine's own configuration of it says.",
			Attributes: []Attribute{
				{Name: "program", Type: cty.String, Default: cty.StringVal("rndc"), Form: FormPath,
					Doc: "The program. A name without a slash is looked for in the `PATH`, and then in `/usr/sbin`."},
				{Name: "address", Type: cty.String, Form: FormHostPort,
					Doc: "Where BIND's control channel listens. Left out: as rndc's configuration says, or else port 953 of this machine."},
				{Name: "key_file", Type: cty.String, Form: FormPath,
					Doc: "File with the key of the control channel (`rndc -k`). A relative path starts from the directory of the configuration."},
				{Name: "config_file", Type: cty.String, Form: FormPath,
					Doc: "Configuration file of rndc (`rndc -c`). A relative path starts from the directory of the configuration."},
			}},
		NestedBlock{Type: "new_zones", Doc: "How zones are made that BIND does not have. Left out: they have to be there.",
			Attributes: []Attribute{
				{Name: "directory", Type: cty.String, Required: true, Form: FormPath,
					Doc: "Directory on this machine where the first file of a zone is written, `NAME.zone`. BIND has to be able to write there too. A relative path starts from the directory of the configuration."},
				{Name: "options", Type: cty.String, Default: cty.StringVal(""),
					Doc: "Statements of BIND's configuration for the zone, each with its semicolon, beside `type`, `file` and `dnssec-policy`: who may update it and who may transfer it."},
				{Name: "dnssec_policy", Type: cty.String, Form: FormIdentifier,
					Doc: "Name of the `dnssec-policy` by which BIND signs the zone: `\"default\"`, or one of its configuration. Left out: the zone is not signed."},
			}}),
}

var knotProvider = &BlockType{
	Type:  "provider",
	Label: "knot",
	Doc: "Knot DNS, read and changed as [rfc2136](#rfc2136) does. Beyond that, zones are made and removed by `knotc`, where the block `new_zones` says how. " +
		"Knot needs its configuration in a database for that (`knotc conf-import`). See [name servers](../dns-servers.md#knot-dns).",
	Example: `provider "knot" {
  server = "127.0.0.1:53"

  tsig {
    name   = "mailform"
    secret = var.tsig_secret
  }

  knotc {
    socket = "/run/knot/knot.sock"
  }

  new_zones {
    template      = "mailform"
    dnssec_policy = "default"
  }
}`,
	Attributes: updateArguments,
	Blocks: append(updateBlocks[:len(updateBlocks):len(updateBlocks)],
		NestedBlock{Type: "knotc", Doc: "How Knot is controlled. Left out: by `knotc` with its own defaults.",
			Attributes: []Attribute{
				{Name: "program", Type: cty.String, Default: cty.StringVal("knotc"), Form: FormPath,
					Doc: "The program. A name without a slash is looked for in the `PATH`, and then in `/usr/sbin`."},
				{Name: "socket", Type: cty.String, Form: FormPath,
					Doc: "Control socket (`knotc -s`). A relative path starts from the directory of the configuration."},
			}},
		NestedBlock{Type: "new_zones", Doc: "How zones are made that Knot does not have. Left out: they have to be there.",
			Attributes: []Attribute{
				{Name: "template", Type: cty.String, Form: FormIdentifier,
					Doc: "Template of Knot's configuration that the zone is made by: where it is stored, and who may update and transfer it. Left out: Knot's template `default`."},
				{Name: "dnssec_policy", Type: cty.String, Form: FormIdentifier,
					Doc: "Name of the policy by which Knot signs the zone: `\"default\"`, or one of its configuration. Left out: the zone is signed where the template says so."},
			}}),
}
