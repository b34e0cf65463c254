package schema

import "github.com/zclconf/go-cty/cty"

var zoneBlock = &BlockType{
	Type:  "zone",
	Label: "name",
	Doc:   "A DNS zone without mail. The zone of a `domain` needs no block: it is `domain.NAME.zone`.",
	Example: `zone "internal" {
  name       = "internal.example.com"
  nameserver = nameserver.ns1
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "name", Type: cty.String, Required: true, Form: FormDomain, Doc: "Name of the zone."},
		{Name: "nameserver", Type: RefType, Required: true, Refs: []string{"nameserver"}, Doc: "The name server that holds the zone."},
		{Name: "ttl", Sets: []string{"rrset.ttl"}, Type: cty.String, Default: cty.StringVal("1h"), Form: FormTTL, Doc: "Time to live of records that have none of their own."},
		{Name: "contact", Sets: []string{"zone.contact"}, Type: cty.String, Form: FormAddress, Doc: "Address of the one who is responsible. Left out: `hostmaster` in the zone."},
		{Name: "primary", Sets: []string{"zone.primary"}, Type: cty.String, Form: FormHost, Doc: "Name of the primary server in the SOA record. Left out: the hostname of the name server."},
		{Name: "refresh", Sets: []string{"zone.refresh"}, Type: cty.String, Default: cty.StringVal("4h"), Form: FormTTL, Doc: "How often secondaries look for changes (SOA REFRESH)."},
		{Name: "retry", Sets: []string{"zone.retry"}, Type: cty.String, Default: cty.StringVal("1h"), Form: FormTTL, Doc: "How soon they try again after a failure (SOA RETRY)."},
		{Name: "expire", Sets: []string{"zone.expire"}, Type: cty.String, Default: cty.StringVal("2w"), Form: FormTTL, Doc: "When they give up (SOA EXPIRE)."},
		{Name: "negative_ttl", Sets: []string{"zone.negative_ttl"}, Type: cty.String, Default: cty.StringVal("1h"), Form: FormTTL, Doc: "How long the answer that there is no such name may be kept (RFC 2308)."},
		exclusiveAttribute,
		checksAttribute("the records of the zone"),
	},
	Blocks:   []NestedBlock{ignoreBlock, dnssecBlock, stagingBlock},
	Computed: []ComputedAttribute{dsAttribute},
}

// checksAttribute switches checks off for some records.
func checksAttribute(what string) Attribute {
	return Attribute{Name: "disable_checks", Type: cty.List(cty.String), OrOne: true, Form: FormCheck,
		Doc: "Names of [checks](checks.md) that are not made for " + what + "."}
}

// exclusiveAttribute and ignoreBlock say what becomes of records in a zone that
// nothing declares.
var (
	exclusiveAttribute = Attribute{Name: "exclusive", Type: cty.Bool, Default: cty.False,
		Doc: "Whether records of the zone go that are neither declared nor ignored, also those that others have made. Otherwise these are left alone."}
	ignoreBlock = NestedBlock{Type: "ignore", Repeatable: true,
		Doc: "Records of the zone that are somebody else's: they stay as they are, also beside declared ones of the same name and type. " +
			"What a block names has to fit all at once. In names `*` is one label or a part of one, `**` any number of them; in values `*` is anything; " +
			"`?` is one character, and a backslash stands before a character that is meant as it is.",
		Attributes: []Attribute{
			{Name: "name", Type: cty.List(cty.String), OrOne: true, NonEmpty: true, Doc: "Names below the zone: `www`, `*.dev`; `@` is the zone itself, `**` any name. With a dot at the end a complete name. Left out: any."},
			{Name: "type", Type: cty.List(cty.String), OrOne: true, NonEmpty: true, Form: FormRecordType, Doc: "Types of records. Left out: any."},
			{Name: "value", Type: cty.List(cty.String), OrOne: true, NonEmpty: true, Doc: "Values as plans show them, or the name that they point to: `google-site-verification=*`, `*.example.net`. Left out: any."},
			{Name: "allow_declared", Type: cty.Bool, Default: cty.False, Doc: "Whether records that are declared may fit the block, and are then declared and not ignored. Otherwise that is an error."},
		}}
)

// dnssecBlock is the same for a zone and for the zone of a domain.
var dnssecBlock = NestedBlock{Type: "dnssec",
	Doc: "That the zone is signed (DNSSEC), by keys of ECDSA P-256 that are made where they sign and never leave it. Left out: it is not signed. See [DNSSEC](../dnssec.md).",
	Attributes: []Attribute{
		{Name: "denial", Sets: []string{"dnssec.denial"}, Type: cty.String, Default: cty.StringVal("nsec3"), Form: oneOf("nsec3", "nsec"),
			Doc: "How it is proved that something is not there: by hashed names (RFC 5155, without iterations and salt as RFC 9276 wants it), or by the names themselves, which then can be listed."},
		{Name: "signature_lifetime", Sets: []string{"dnssec.signature_lifetime"}, Type: cty.String, Default: cty.StringVal("14d"), Form: FormSignatureLifetime,
			Doc: "How long a signature is good for. It is made anew a quarter of that before it ends."},
		{Name: "zsk_lifetime", Sets: []string{"dnssec.zsk_lifetime"}, Type: cty.String, Default: cty.StringVal("90d"), Form: FormKeyLifetime,
			Doc: "After how long the key that signs the records is followed by another. That happens by itself."},
		{Name: "ksk_lifetime", Sets: []string{"dnssec.ksk_lifetime"}, Type: cty.String, Default: cty.StringVal("0"), Form: FormKeyLifetime,
			Doc: "After how long the key that the parent's DS stands for is followed by another. It then waits until the parent has the new DS. `\"0\"`: only by `mailform dnssec roll`."},
		{Name: "propagation", Sets: []string{"dnssec.propagation"}, Type: cty.String, Default: cty.StringVal("1h"), Form: FormPropagation,
			Doc: "How long a change may take to reach all servers of the zone, of the parent too. Rollovers wait for it at each stage."},
		{Name: "parental_agents", Sets: []string{"dnssec.parental_agents"}, Type: cty.List(cty.String), Form: FormAddressPort,
			Doc: "Servers of the parent zone that are asked for the DS records; all have to have them. Left out: those that the machine's resolver finds."},
		{Name: "withdraw", Sets: []string{"dnssec.withdraw"}, Type: cty.Bool, Default: cty.False,
			Doc: "Asks the parent to remove the DS records (RFC 8078 §4), so that the zone can become unsigned. The block is taken out when they are gone, and their time to live is over."},
	}}

var dsAttribute = ComputedAttribute{Name: "ds", Type: cty.List(cty.String),
	Doc: "Data of the DS records that the parent zone is to have, each as in a zone file. Known after the keys have been made; without `dnssec` there are none."}

// stagingBlock says how records move that resolvers keep.
var stagingBlock = NestedBlock{Type: "staging",
	Doc: "How MX records, the NS records of the zone itself, and the addresses of the hosts that they name, move to others: see [staged changes](../staged-changes.md). " +
		"Left out: as with the defaults.",
	Attributes: []Attribute{
		{Name: "mode", Type: cty.String, Default: cty.StringVal("auto"), Form: oneOf("auto", "always", "off"),
			Doc: "`auto`: in stages where they lead away from a host whose listener or address mailform looks after, unless the name server of the zone is only reached on loopback addresses; " +
				"`always`: every move in stages; `off`: at once."},
		{Name: "ttl", Type: cty.String, Default: cty.StringVal("5m"), Form: FormTTL,
			Doc: "What the time to live is lowered to before a move."},
		{Name: "margin", Type: cty.String, Default: cty.StringVal("5m"), Form: FormDuration,
			Doc: "What is waited beyond each time to live: for secondary servers that are late, and for clocks that differ."},
	}}

var recordBlock = &BlockType{
	Type:  "record",
	Label: "name",
	Doc:   "Records in a zone, beyond those that mailform makes: all those of one name and type.",
	Example: `record "www" {
  zone   = domain.example.zone
  name   = "www"
  type   = "A"
  ttl    = "1h"
  values = ["192.0.2.80"]
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "zone", Type: RefType, Required: true, Refs: []string{"zone", "domain.zone"}, Doc: "A zone: `zone.internal`, or that of a domain: `domain.example.zone`."},
		{Name: "name", Type: cty.String, Required: true, Form: FormOwner, Doc: "Name below the zone: `www`; `@` is the zone itself, `*` all names that are not there."},
		{Name: "type", Type: cty.String, Required: true, Form: FormRecordType, Doc: "Type of the records: `A`, `AAAA`, `CNAME`, `MX`, `TXT`, `SRV`, `CAA`, `TLSA` and others. SOA belongs to the zone itself."},
		{Name: "ttl", Sets: []string{"rrset.ttl"}, Type: cty.String, Form: FormTTL, Doc: "Time to live. Left out: that of the zone."},
		{Name: "staged", Type: cty.Bool, Doc: "Whether a change of the values is made in [stages](../staged-changes.md), whatever their type; `false`: at once, whatever the zone says. Left out: as the `staging` block of the zone says."},
		{Name: "values", Sets: []string{"rrset.values"}, Type: cty.List(cty.String), Required: true, NonEmpty: true, OrOne: true, Doc: "The data of each record as in a zone file; of a TXT record the plain text. Names without a dot at the end are below the zone."},
		checksAttribute("these records"),
	},
}
