package schema

import "github.com/zclconf/go-cty/cty"

var domainBlock = &BlockType{
	Type:  "domain",
	Label: "name",
	Doc: "A domain that receives mail, with the records that this takes. Without a `nameserver` no records are made; the " +
		"plan and the attributes `records` and `zone_file` then say what the one who runs the zone has to enter.",
	Example: `domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  postmaster = user.alice

  mx {
    server     = server.main
    preference = 10
  }

  spf   { policy = "fail" }
  dkim  { selector = "s1" }
  dmarc { policy = "reject" }
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "name", Type: cty.String, Required: true, Form: FormDomain,
			Doc: "The domain. International names may be written as they are read."},
		{Name: "mode", Type: cty.String, Default: cty.StringVal("mail"), Form: oneOf("mail", "none"),
			Doc: "`\"none\"` for a domain that neither receives nor sends mail: its records say so (null MX, RFC 7505; an SPF policy that lets nobody send; a DMARC policy that rejects; no DKIM key), so that nobody can pretend to be from there. It then has no mx and no users."},
		{Name: "alias_of", Type: RefType, Refs: []string{"domain"},
			Doc: "The domain whose users and aliases have an address of the same name here: mail for `alice@` this domain is mail for `alice@` that one, and she may send under both. The block then has no users of its own. `nameserver`, `server`, `directory`, `mx`, `spf`, `dkim`, `dmarc`, `tls_rpt`, `mta_sts`, `bimi`, `autoconfig` and `web` are those of that domain where the block has none. See [alias domains](../mail-server.md#alias-domains)."},
		{Name: "nameserver", Type: RefType, Refs: []string{"nameserver"},
			Doc: "The name server that holds the zone of the domain. Left out: no records are made."},
		{Name: "server", Type: RefType, Refs: []string{"server"},
			Doc: "The server that holds the mailboxes. Left out: the server of the `mx` block with the lowest preference that names one."},
		{Name: "directory", Type: RefType, Refs: []string{"directory"},
			Doc: "The directory that holds the users and aliases of a domain that no server of this configuration takes mail for: those that do look there. Left out: that of its server, if it has one."},
		{Name: "postmaster", Type: cty.DynamicPseudoType, Refs: []string{"user", "alias"}, Target: OneTarget, Form: FormAddress,
			Doc: "Who receives mail for `postmaster`, which every domain has to accept (RFC 5321 §4.5.1)."},
		{Name: "catch_all", Type: cty.DynamicPseudoType, Refs: []string{"user", "alias"}, Target: OneTarget, Form: FormAddress,
			Doc: "Who receives mail for addresses that nobody has. Left out: such mail is refused."},
		{Name: "web", Type: RefType, Refs: []string{"web"},
			Doc: "The web server that tells mail programs of the domain how they are set up, and has its MTA-STS policy. Left out: there is none of this configuration."},
		{Name: "ttl", Sets: []string{"rrset.ttl"}, Type: cty.String, Default: cty.StringVal("1h"), Form: FormTTL,
			Doc: "Time to live of the records that are made for the domain."},
		exclusiveAttribute,
		checksAttribute("the records of the domain and of its zone"),
	},
	Blocks: []NestedBlock{
		{Type: "mx", Repeatable: true, Doc: "A server that receives mail for the domain: either `server` or `host`.",
			Attributes: []Attribute{
				{Name: "server", Type: RefType, Refs: []string{"server"}, Doc: "A server of this configuration."},
				{Name: "host", Type: cty.String, Form: FormHost, Doc: "Name of a server that mailform does not run."},
				{Name: "preference", Type: cty.Number, Default: cty.NumberIntVal(10), Form: FormUint16, Doc: "The lowest is tried first."},
				{Name: "ttl", Type: cty.String, Form: FormTTL, Doc: "Time to live of the MX records. Left out: that of the domain."},
			}},
		{Type: "spf", Doc: "Who may send mail from the domain (RFC 7208): its MX, and what is listed here.",
			Attributes: []Attribute{
				{Name: "policy", Type: cty.String, Default: cty.StringVal("fail"), Form: formSPFPolicy,
					Doc: "What is said of all others: `-all`, `~all`, `?all`, or nothing."},
				{Name: "include", Type: cty.List(cty.String), Form: FormPolicyDomain, Doc: "Domains whose senders may send for this one too."},
				{Name: "ip4", Type: cty.List(cty.String), Form: FormIPv4, Doc: "Further IPv4 addresses and networks."},
				{Name: "ip6", Type: cty.List(cty.String), Form: FormIPv6, Doc: "Further IPv6 addresses and networks."},
			}},
		{Type: "dkim", Repeatable: true, Doc: "A key that signs mail from the domain (RFC 6376). It is made where it is used and never leaves it.",
			Attributes: []Attribute{
				{Name: "selector", Type: cty.String, Required: true, Form: FormSelector, Doc: "Name of the key, unique in the domain."},
				{Name: "algorithm", Type: cty.String, Default: cty.StringVal("rsa"), Form: oneOf("rsa", "ed25519"), Doc: "Sort of the key. Not every receiver knows ed25519 (RFC 8463)."},
				{Name: "bits", Type: cty.Number, Default: cty.NumberIntVal(2048), Form: FormRSABits, Doc: "Length of an RSA key. Ignored for ed25519."},
			}},
		{Type: "dmarc", Doc: "What receivers shall do with mail that only pretends to be from the domain (RFC 7489).",
			Attributes: []Attribute{
				{Name: "policy", Type: cty.String, Required: true, Form: oneOf("none", "quarantine", "reject"), Doc: "For the domain itself."},
				{Name: "subdomain_policy", Type: cty.String, Form: oneOf("none", "quarantine", "reject"), Doc: "For its subdomains. Left out: the same."},
				{Name: "rua", Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user", "alias"}, Form: FormReportAddress, Doc: "Who receives aggregate reports. Where that is in another domain of this configuration, that domain's zone says that it takes them (RFC 7489 §7.1)."},
				{Name: "ruf", Type: cty.DynamicPseudoType, Target: TargetList, OrOne: true, Refs: []string{"user", "alias"}, Form: FormReportAddress, Doc: "Who receives failure reports."},
				{Name: "pct", Type: cty.Number, Form: FormPercent, Doc: "Share of messages that the policy applies to. Left out: all."},
				{Name: "adkim", Type: cty.String, Form: oneOf("relaxed", "strict"), Doc: "How closely the DKIM domain has to match. Left out: relaxed."},
				{Name: "aspf", Type: cty.String, Form: oneOf("relaxed", "strict"), Doc: "How closely the SPF domain has to match. Left out: relaxed."},
			}},
		{Type: "tls_rpt", Doc: "Whom other servers tell how the TLS of their mail to the domain went (RFC 8460).",
			Attributes: []Attribute{
				{Name: "rua", Type: cty.DynamicPseudoType, Required: true, Target: TargetList, OrOne: true, Refs: []string{"user", "alias"}, Form: FormReportTarget, Doc: "Who receives the reports: mail addresses, or `https:` URLs that take them."},
			}},
		{Type: "mta_sts", Doc: "That other servers hand in mail for the domain over TLS alone, and to its MX alone (RFC 8461). They fetch the policy from `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`, where the web server of the domain has it. See [domains](../domains.md#mta-sts).",
			Attributes: []Attribute{
				{Name: "mode", Type: cty.String, Required: true, Form: oneOf("enforce", "testing", "none"),
					Doc: "`\"enforce\"`: mail is not delivered otherwise; `\"testing\"`: it is, and reported (`tls_rpt`); `\"none\"`: the policy is taken back, for as long as senders remember another one."},
				{Name: "max_age", Type: cty.String, Default: cty.StringVal("14d"), Form: FormSTSAge, Doc: "How long senders remember the policy, at most 365 days."},
				{Name: "host", Type: cty.String, Form: FormHost, Doc: "A web server that mailform does not run: it has to serve `mta_sts_policy` of the domain. Left out: that of `web`."},
			}},
		{Type: "bimi", Doc: "The picture that mail programs show beside mail from the domain. They ask for a DMARC policy of quarantine or reject for all mail.",
			Attributes: []Attribute{
				{Name: "selector", Type: cty.String, Default: cty.StringVal("default"), Form: FormSelector, Doc: "Name of the record, below `_bimi`."},
				{Name: "logo", Type: cty.String, Required: true, Form: FormHTTPS, Doc: "Where the picture is: SVG (Tiny PS)."},
				{Name: "evidence", Type: cty.String, Form: FormHTTPS, Doc: "Where the mark certificate for it is. Left out: there is none."},
			}},
		{Type: "autoconfig", Doc: "Records by which mail programs set themselves up, where they are told an address and a password: SRV records for reading and sending mail (RFC 6186, RFC 8314), which follow from what the servers of the domain listen on. What they do not offer is said to be not there. Left out: there are none. See [mail programs](../clients.md#in-the-dns).",
			Attributes: []Attribute{
				{Name: "host", Type: cty.String, Form: FormHost, Doc: "A web server that tells more to those who ask it: `autoconfig` and `autodiscover` of the domain become other names of it. Left out: that of `web`, if the domain has one."},
			}},
		ignoreBlock,
		dnssecBlock,
		stagingBlock,
	},
	Parts: []Part{{Name: "zone", Doc: "The zone that the domain makes at its name server, for `record` blocks."}},
	Computed: []ComputedAttribute{
		{Name: "dkim_txt", Type: cty.Map(cty.String), Doc: "Text of the DKIM record by selector. Known after the key has been made."},
		dsAttribute,
		{Name: "mta_sts_policy", Type: cty.String, OutputOnly: true, Doc: "The MTA-STS policy, for a web server that mailform does not run; null: there is none. For outputs only."},
		{Name: "records", Type: cty.List(cty.String), OutputOnly: true, Doc: "The records of the domain, each a line of a zone file. For outputs only."},
		{Name: "zone_file", Type: cty.String, OutputOnly: true, Doc: "The same as one text. For outputs only."},
	},
}
