package schema

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// functionTable lists all functions.
var functionTable = slices.Concat(mailFunctions, textFunctions, numberFunctions, collectionFunctions, encodingFunctions,
	fileFunctions, dateFunctions, hashFunctions, networkFunctions, typeFunctions)

// fieldsOf are attributes of a nested block of domain blocks, which a function
// of the same name takes too.
func fieldsOf(block string) []Attribute { return slices.Clone(domainBlock.Block(block).Attributes) }

// texts makes a list of texts of an attribute that takes references in a block.
func texts(attrs []Attribute, names ...string) []Attribute {
	for i := range attrs {
		if slices.Contains(names, attrs[i].Name) {
			attrs[i].Type, attrs[i].Target, attrs[i].Refs, attrs[i].OrOne = cty.List(cty.String), NoTarget, nil, true
		}
	}
	return attrs
}

// withFields says what the object holds that a function takes.
func withFields(f *Function, fields ...Attribute) *Function {
	f.Fields = fields
	return f
}

var policyWords = oneOf("none", "quarantine", "reject")

var mailFunctions = []*Function{
	withFields(fn(GroupMail, "spf(settings any) string",
		"Text of an SPF record (RFC 7208), for a domain that has no `domain` block of its own. There is no way to write `+all`; policies that take more "+
			"than 10 look-ups are refused, as far as that can be told without looking up what is included.",
		`spf({ mx = true, ip4 = ["192.0.2.0/24"], include = ["_spf.example.net"] })`,
		`"v=spf1 mx ip4:192.0.2.0/24 include:_spf.example.net -all"`),
		slices.Concat([]Attribute{
			{Name: "mx", Type: cty.Bool, Default: cty.False, Doc: "Whether the domain's MX may send."},
			{Name: "a", Type: cty.List(cty.String), Form: FormHost, OrOne: true, Doc: "Servers that may send, by name."},
		}, orOne(without(fieldsOf("spf"), "policy")), []Attribute{
			{Name: "policy", Type: cty.String, Form: domainBlock.Block("spf").Attribute("policy").Form,
				Doc: "What is said of all others: `-all`, `~all`, `?all`, or nothing. Left out: `fail`, or with `redirect` `none`."},
			{Name: "exists", Type: cty.List(cty.String), OrOne: true, Doc: "Names with macros that exist for who may send (RFC 7208 §5.7): `\"%%{i}._spf.example.com\"`, with the percent sign twice, since one begins a template."},
			{Name: "redirect", Type: cty.String, Form: FormPolicyDomain, Doc: "The domain whose policy decides on all others. The policy is then `none`."},
		})...),
	withFields(fn(GroupMail, "dkim(settings any) string",
		"Text of the record of a DKIM key (RFC 6376 §3.6.1, RFC 8463), for a key that is kept elsewhere: the `dkim` block of a domain makes its own. RSA keys have 2048 to 4096 bits.",
		`dkim({ public_key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", hashes = ["sha256"], services = ["email"] })`,
		`"v=DKIM1; h=sha256; k=ed25519; s=email; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`),
		Attribute{Name: "public_key", Type: cty.String, Doc: "The public key in PEM, as `openssl pkey -pubout` writes it, or in base64."},
		Attribute{Name: "revoked", Type: cty.Bool, Default: cty.False, Doc: "Whether the record says that the key is no longer good. It then has no `public_key`."},
		Attribute{Name: "hashes", Type: cty.List(cty.String), OrOne: true, Form: oneOf("sha256"), Doc: "Hash algorithms that signatures may use (tag h). Left out: all that DKIM has."},
		Attribute{Name: "services", Type: cty.List(cty.String), OrOne: true, Form: oneOf("email", "*"), Doc: "Services that the key is for (tag s). Left out: all."},
		Attribute{Name: "testing", Type: cty.Bool, Default: cty.False, Doc: "Whether the domain only tries DKIM out (t=y)."},
		Attribute{Name: "strict", Type: cty.Bool, Default: cty.False, Doc: "Whether signatures are for this very domain and none below it (t=s)."}),
	withFields(fn(GroupMail, "dmarc(settings any) string",
		"Text of a DMARC record (RFC 7489, RFC 9091).",
		`dmarc({ policy = "reject", rua = "reports@example.com" })`,
		`"v=DMARC1; p=reject; rua=mailto:reports@example.com"`),
		append(texts(fieldsOf("dmarc"), "rua", "ruf"),
			Attribute{Name: "absent_policy", Type: cty.String, Form: policyWords, Doc: "For subdomains that do not exist (tag np, RFC 9091). Left out: that of subdomains."},
			Attribute{Name: "fo", Type: cty.List(cty.String), OrOne: true, Form: oneOf("0", "1", "d", "s"),
				Doc: "Which failures are reported: `0` where all checks failed, `1` where any did, `d` where DKIM did, `s` where SPF did. Left out: `0`."})...),
	withFields(fn(GroupMail, "mta_sts(settings any) string",
		"Text of the record at `_mta-sts` that says which version a domain's MTA-STS policy is (RFC 8461 §3.1). Made of the policy itself, the version is another one exactly when the policy is.",
		`mta_sts({ id = "20260131" })`, `"v=STSv1; id=20260131"`),
		Attribute{Name: "policy", Type: cty.String, Doc: "The policy, as `mta_sts_policy` makes it."},
		Attribute{Name: "id", Type: cty.String, Doc: "The version, 1 to 32 letters and digits, in place of `policy`."}),
	withFields(fn(GroupMail, "mta_sts_policy(settings any) string",
		"Text of an MTA-STS policy (RFC 8461 §3.2), which is served as `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.",
		`mta_sts_policy({ mode = "enforce", mx = ["mail.example.com"] })`,
		`"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n"`),
		Attribute{Name: "mode", Type: cty.String, Required: true, Form: oneOf("enforce", "testing", "none"), Doc: "What senders do with an MX that does not keep the policy: not send, send and report, or forget the policy."},
		Attribute{Name: "mx", Type: cty.List(cty.String), OrOne: true, Doc: "The domain's MX, or patterns such as `*.example.com`. Only the mode `none` does without."},
		Attribute{Name: "max_age", Type: cty.String, Default: cty.StringVal("1w"), Form: FormTTL, Doc: "How long senders remember the policy, up to a year."}),
	withFields(fn(GroupMail, "tls_rpt(settings any) string",
		"Text of the record at `_smtp._tls` that says where reports on TLS go (RFC 8460 §3).",
		`tls_rpt({ rua = ["tls@example.com", "https://reports.example.net/tls"] })`,
		`"v=TLSRPTv1; rua=mailto:tls@example.com,https://reports.example.net/tls"`),
		Attribute{Name: "rua", Type: cty.List(cty.String), Required: true, OrOne: true, Doc: "Mail addresses, with or without `mailto:`, and https URIs."}),
	fn(GroupMail, "tlsa(usage number, selector number, matching number, certificate string) string",
		"Value of a TLSA record (RFC 6698) for a certificate in PEM: `tlsa(3, 1, 1, file(\"mail.pem\"))` is what mail takes (RFC 7672 §3.1). Of a chain the first certificate is meant. With the selector 1 a public key in PEM will do.",
		`tlsa(3, 1, 1, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n")`,
		`"3 1 1 06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9"`),
	fn(GroupMail, "ptr(address string, network string...) string",
		"Name of the PTR record of an address, complete with a dot at the end. Of a network it is the name of the reverse zone. Where a network is smaller than a /24, its zone is called as in RFC 2317 §4; `ptr(address, network)` is the name of an address in such a zone.",
		`[ptr("192.0.2.25"), ptr("2001:db8::/32"), ptr("192.0.2.25", "192.0.2.16/28")]`,
		`["25.2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "25.16/28.2.0.192.in-addr.arpa."]`),
	fn(GroupMail, "punycode(domain string) string",
		"A domain name as DNS has it: in lower case, what is written in other scripts as A-labels (RFC 5890), without a dot at the end.",
		`punycode("Bücher.example")`, `"xn--bcher-kva.example"`),
	fn(GroupMail, "unicode_domain(domain string) string",
		"A domain name as people read it: the reverse of `punycode`.",
		`unicode_domain("xn--bcher-kva.example")`, `"bücher.example"`),
	fn(GroupMail, "mail_address(local_part string, domain string) string",
		"A mail address of its two parts, in the form that mailform compares: lower case, the domain of A-labels. What is no address is refused.",
		`mail_address("Alice", "bücher.example")`, `"alice@xn--bcher-kva.example"`),
	fn(GroupMail, "txt_chunks(text string) list(string)",
		"A text cut into the strings of at most 255 octets that a TXT record has it in, for tools that want them apart. The values of a `record` block are whole texts.",
		`[for s in txt_chunks(join("", [for i in range(300) : "x"])) : length(s)]`, `[255, 45]`),
}

func without(attrs []Attribute, name string) []Attribute {
	return slices.DeleteFunc(attrs, func(a Attribute) bool { return a.Name == name })
}

// orOne lets a single value stand for a list of one.
func orOne(attrs []Attribute) []Attribute {
	for i := range attrs {
		attrs[i].OrOne = attrs[i].Type.IsListType()
	}
	return attrs
}
