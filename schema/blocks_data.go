package schema

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// DataType begins the type of a data block as a [BlockType]: the block
// data "dns" "x" has the type "data.dns", so that its address is data.dns.x.
const DataType = "data."

// DataSources returns the types of data blocks, in the order in which they are
// documented.
func DataSources() []*BlockType { return dataSources }

// DataSourceByName describes data blocks with a first label. It returns nil for
// a name that is none.
func DataSourceByName(name string) *BlockType {
	i := slices.IndexFunc(dataSources, func(b *BlockType) bool { return b.Label == name })
	if i < 0 {
		return nil
	}
	return dataSources[i]
}

var dataBlock = &BlockType{
	Type:  "data",
	Label: "type",
	Doc: "Something that is looked up when a plan is made, for other blocks to be made of. Data blocks are read side by side, change " +
		"nothing, and are not remembered. `validate` does not read them.",
	Example: `data "dns" "mx" {
  name = "example.com"
  type = "MX"
}

output "mx" {
  value = data.dns.mx.values
}`,
}

var dataSources = []*BlockType{
	{
		Type:  DataType + "dns",
		Label: "dns",
		Doc:   "Records of one name and type as the world sees them, through a resolver or as a name server has them.",
		Example: `data "dns" "mx" {
  name   = "example.com"
  type   = "MX"
  server = "192.0.2.53"
}`,
		Instances: true,
		Attributes: []Attribute{
			{Name: "name", Type: cty.String, Required: true, Form: FormOwner, Doc: "The name that is asked for."},
			{Name: "type", Type: cty.String, Default: cty.StringVal("A"), Form: FormRecordType, Doc: "Type of the records: `MX`, `TXT`, `DNSKEY`, …"},
			{Name: "server", Type: cty.String, Form: FormServer, Doc: "The resolver or name server that is asked. Left out: those of the system."},
		},
		Computed: []ComputedAttribute{
			{Name: "exists", Type: cty.Bool, Derived: true, Doc: "Whether the name exists, with records of whatever type."},
			{Name: "values", Type: cty.List(cty.String), Derived: true, Doc: "The data of each record as `record` takes it, sorted; of a TXT record the plain text. Empty where there are none."},
			{Name: "authenticated", Type: cty.Bool, Derived: true, Doc: "Whether the resolver vouches for the answer by DNSSEC (RFC 4035 §3.2.3). It is worth as much as the way to the resolver."},
		},
	},
	{
		Type:  DataType + "certificate",
		Label: "certificate",
		Doc:   "A certificate out of a file, or as a server shows it. It is looked at, not trusted: no chain is verified.",
		Example: `data "certificate" "mx" {
  address  = "mx.example.net:25"
  starttls = "smtp"
}`,
		Instances: true,
		Attributes: []Attribute{
			{Name: "file", Type: cty.String, Form: FormPath, Doc: "A PEM file; the first certificate in it counts. Either this or `address`."},
			{Name: "address", Type: cty.String, Form: FormHostPort, Doc: "A server that speaks TLS."},
			{Name: "starttls", Type: cty.String, Form: oneOf("smtp", "imap", "pop3"), Doc: "The protocol that TLS begins in. Left out: TLS begins with the connection."},
			{Name: "server_name", Type: cty.String, Form: FormHost, Doc: "The name that the server is asked for (SNI). Left out: that of `address`."},
		},
		Computed: []ComputedAttribute{
			{Name: "subject", Type: cty.String, Derived: true, Doc: "Whom it is for, as RFC 2253 writes it."},
			{Name: "issuer", Type: cty.String, Derived: true, Doc: "Who issued it."},
			{Name: "names", Type: cty.List(cty.String), Derived: true, Doc: "The DNS names and IP addresses that it is good for, sorted."},
			{Name: "not_before", Type: cty.String, Derived: true, Doc: "When it begins to be valid (RFC 3339, UTC)."},
			{Name: "not_after", Type: cty.String, Derived: true, Doc: "When it ends."},
			{Name: "sha256", Type: cty.String, Derived: true, Doc: "SHA-256 of the certificate in hexadecimal: the data of a TLSA record 3 0 1 (RFC 6698)."},
			{Name: "spki_sha256", Type: cty.String, Derived: true, Doc: "SHA-256 of its public key: the data of a TLSA record 3 1 1."},
			{Name: "pem", Type: cty.String, Derived: true, Doc: "The certificate as PEM, without its chain."},
		},
	},
	ldapUsersData,
	{
		Type:  DataType + "mailboxes",
		Label: "mailboxes",
		Doc:   "The mailboxes that a target has, whoever made them.",
		Example: `data "mailboxes" "all" {
  domain = "example.com"
}`,
		Instances: true,
		Attributes: []Attribute{
			providerAttribute,
			{Name: "domain", Type: cty.String, Form: FormDomain, Doc: "Only those of this domain. Left out: all."},
		},
		Computed: []ComputedAttribute{
			{Name: "addresses", Type: cty.List(cty.String), Derived: true, Doc: "Their addresses, sorted."},
			{Name: "mailboxes", Type: cty.Map(MailboxDataType), Derived: true, Doc: "By address: `quota` in bytes (0: no limit), `protocols`, and `mail` (`enabled`, `disabled` or `forward`)."},
		},
	},
	{
		Type:  DataType + "records",
		Label: "records",
		Doc:   "The records of a zone that a target has, whoever made them.",
		Example: `data "records" "example" {
  zone = "example.com"
}`,
		Instances: true,
		Attributes: []Attribute{
			providerAttribute,
			{Name: "zone", Type: cty.String, Required: true, Form: FormDomain, Doc: "Name of the zone."},
		},
		Computed: []ComputedAttribute{
			{Name: "exists", Type: cty.Bool, Derived: true, Doc: "Whether the target has that zone."},
			{Name: "records", Type: cty.List(RecordDataType), Derived: true, Doc: "Each record set with its complete `name`, `type`, `ttl` in seconds and `values`; sorted by name and type."},
		},
	},
}

// The types of what data blocks list.
var (
	LDAPUserDataType = cty.Object(map[string]cty.Type{
		"dn": cty.String, "verifier": cty.String, "values": cty.Map(cty.String), "all": cty.Map(cty.List(cty.String)),
	})
	MailboxDataType = cty.Object(map[string]cty.Type{
		"address": cty.String, "quota": cty.Number, "protocols": cty.List(cty.String), "mail": cty.String,
	})
	RecordDataType = cty.Object(map[string]cty.Type{
		"name": cty.String, "type": cty.String, "ttl": cty.Number, "values": cty.List(cty.String),
	})
)
