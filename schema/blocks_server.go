package schema

import "github.com/zclconf/go-cty/cty"

var serverBlock = &BlockType{
	Type:  "server",
	Label: "name",
	Doc: "A mail service that runs. It offers the services that have a block below. One that has none, or only blocks with `enabled = false`, offers the others on their standard ports. " +
		"It makes its own certificate unless it is given one.",
	Example: `server "main" {
  hostname  = "mail.example.com"
  addresses = ["127.0.0.1"]

  smtp       { listen = ["127.0.0.1:2525"] }
  submission { listen = ["127.0.0.1:2587"] }
  imap       { listen = ["127.0.0.1:2143"] }
  pop3       { listen = ["127.0.0.1:2110"] }
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "hostname", Type: cty.String, Required: true, Form: FormHost,
			Doc: "Name of the server in the DNS, in its greetings and in its certificate. MX records point at it."},
		addressesAttribute,
		providerAttribute,
		{Name: "directory", Type: RefType, Refs: []string{"directory"},
			Doc: "The directory that the server finds its users and aliases in. They are then kept there, and there alone. Left out: the server keeps them itself. See [directories](../directories.md#mail-servers-that-look-there)."},
		{Name: "retention", Sets: []string{"setting.retention"}, Type: cty.String, Default: cty.StringVal("30d"), Form: FormDuration,
			Doc: "How long the mail of a removed user is kept."},
		{Name: "time_zone", Sets: []string{"timezone.name"}, Type: cty.String, Form: FormTimeZone,
			Doc: "Where the server is, for its clock: dates that it writes into messages, INTERNALDATE in IMAP and the days of SEARCH, days and hours in Sieve scripts without `:zone`, and its log. The moment is the same in each zone. " +
				"Left out: the machine's zone, and UTC in IMAP. Other servers than the embedded one have it [elsewhere](../mail-servers.md#time-zones)."},
		{Name: "message_size_limit", Sets: []string{"setting.message_size_limit"}, Type: cty.String, Default: cty.StringVal("50MiB"), Form: FormSize,
			Doc: "Largest message that is accepted."},
		{Name: "retry", Sets: []string{"setting.retry"}, Type: cty.List(cty.String), Form: FormDuration, NonEmpty: true,
			Default: stringList("5m", "15m", "30m", "1h", "2h", "4h", "8h", "16h", "24h", "24h", "24h"),
			Doc: "Times between attempts to hand a message to another server. After the last one the message is returned to its " +
				"sender. The default gives up after a little more than four days (RFC 5321 §4.5.4.1)."},
		filtersAttribute("Programs that judge the mail which the server takes, in this order: each sees what the one before has made of it. They are for `smtp` and `submission`, unless the block of the service names its own. Left out: there are none."),
	},
	Blocks: []NestedBlock{
		filtered(service("smtp", "Mail from other servers (RFC 5321).", "[\":25\"]", "")),
		filtered(submissionBlock),
		service("imap", "Access to mailboxes (RFC 9051, RFC 3501).", "[\":143\"]", "[\":993\"]"),
		service("pop3", "Access to the inbox (RFC 1939).", "[\":110\"]", "[\":995\"]"),
		service("managesieve", "Where users look after their Sieve scripts (RFC 5804). It is there only with this block. See [Sieve](../sieve.md#scripts-of-their-own).", "[\":4190\"]", ""),
		inner("lmtp", "Where the server that keeps mail takes it from the one that receives it (RFC 2033), where two providers share the work. It has no log-in: only the other server may reach it. Without effect where one provider does both.", "127.0.0.1:24"),
		inner("submitted", "Where the server that takes mail has what users have submitted to the one that keeps it, with `offered_by = \"store\"` in `submission`. It believes whoever gets there who the user is: loopback addresses alone. Without effect otherwise.", "127.0.0.1:10587"),
		inner("auth", "Where the server that keeps mail tells the one that receives it whether a user who submits mail is who he says he is, where the providers are Postfix and Dovecot. Only the other server may reach it. Without effect with other providers.", "127.0.0.1:12345"),
		{Type: "metrics", Doc: "Where the embedded server tells Prometheus how it is (`/metrics`) and others whether all is well (`/health`: 200, or 503 with what is not). It is plain HTTP without a log-in: for loopback, or a network of one's own. See [running it](../operation.md#metrics).",
			Attributes: []Attribute{
				{Name: "listen", Type: cty.List(cty.String), Required: true, NonEmpty: true, Form: FormListen, Doc: "Where to listen: `host:port`."},
			}},
		locationBlock("storage", "Where the server that keeps mail has it. Left out: where it is. Another path moves all mail there; see [locations](../operation.md#locations)."),
		locationBlock("index", "Where the server that keeps mail has its indexes: with Dovecot and Cyrus what they know of each mailbox, with the embedded server the index for searches. Left out: where they are. Another path moves them there; see [locations](../operation.md#locations)."),
		queueBlock,
		tlsBlock("A certificate from files. Left out: the server makes its own, signed by a CA of its own in its data directory."),
		inboundBlock,
		resolverBlock,
		dnsblBlock,
		greylistBlock,
		limitsBlock,
		proxyBlock,
		oauthBlock,
		upkeepBlock,
		{Type: "relay", Doc: "A server that all mail for elsewhere is handed to. Left out: mail goes to the MX of its domain.",
			Attributes: []Attribute{
				{Name: "host", Type: cty.String, Required: true, Form: FormHostPort,
					Doc: "Name or address of the server, with a port: `smtp.example.net:587`."},
			}},
		smarthostBlock,
	},
}

// service describes the block of one protocol. The default ports are words
// here and not default values, because naming one sort of port switches off the
// default of the other.
func service(name, doc, listen, listenTLS string) NestedBlock {
	plain := "Where to listen, with STARTTLS: `host:port`, or `:port` for all addresses. Left out together with `listen_tls`: `" + listen + "`; otherwise nothing."
	tls := "Where to listen with TLS from the first byte. Left out together with `listen`: `" + listenTLS + "`; otherwise nothing."
	if listenTLS == "" {
		tls = "Where to listen with TLS from the first byte. Left out: nowhere."
	}
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "listen", Type: cty.List(cty.String), Form: FormListen, Doc: plain},
		{Name: "listen_tls", Type: cty.List(cty.String), Form: FormListen, Doc: tls},
		{Name: "enabled", Type: cty.Bool, Default: cty.True, Doc: "Whether the service runs. `false` stops it and keeps the block."},
	}}
}

// submissionBlock is the block of submission, which either of two servers can offer.
var submissionBlock = func() NestedBlock {
	b := service("submission", "Mail from users, who have to log in (RFC 6409).", "[\":587\"]", "[\":465\"]")
	b.Attributes = append(b.Attributes, Attribute{Name: "offered_by", Type: cty.String, Default: cty.StringVal("mta"), Form: oneOf("mta", "store"),
		Doc: "Which of two providers that share the work users submit mail to: `\"mta\"`, the one that takes mail, or `\"store\"`, the one that keeps it and hands on what they submit, as Dovecot does to Postfix. " +
			"See [mail servers](../mail-servers.md#submission-at-dovecot). Without effect where one provider does both."})
	return b
}()

// filtered is the block of a service that takes mail.
func filtered(b NestedBlock) NestedBlock {
	b.Attributes = append(b.Attributes, filtersAttribute("Programs that judge the mail which the service takes, in place of those of the server. An empty list: none."))
	return b
}

// tlsBlock is where a server has its certificate from.
func tlsBlock(doc string) NestedBlock {
	return NestedBlock{Type: "tls", Doc: doc, Attributes: []Attribute{
		{Name: "certificate", Type: cty.String, Required: true, Form: FormPath,
			Doc: "PEM file with the certificate and its chain. A relative path starts from the directory of the configuration."},
		{Name: "key", Type: cty.String, Required: true, Form: FormPath,
			Doc: "PEM file with the private key."},
	}}
}

// locationBlock says where something of a server lies.
func locationBlock(name, doc string) NestedBlock {
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "path", Type: cty.String, Required: true, Form: FormPath, Sets: []string{"location.path"},
			Doc: "Directory on the machine of the server, which is made where it is missing. Nothing else may lie in it. A relative path starts from the directory of the configuration."},
	}}
}

// inner describes a service between two servers that share the work of one.
func inner(name, doc, listen string) NestedBlock {
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "listen", Type: cty.List(cty.String), Form: FormListen, NonEmpty: true, Default: stringList(listen), Doc: "Where it listens. The first is where the other server reaches it."},
	}}
}

var nameserverBlock = &BlockType{
	Type:  "nameserver",
	Label: "name",
	Doc:   "An authoritative name server.",
	Example: `nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}`,
	Instances: true,
	Attributes: []Attribute{
		{Name: "hostname", Type: cty.String, Required: true, Form: FormHost,
			Doc: "Name of the server. NS records point at it."},
		addressesAttribute,
		providerAttribute,
		{Name: "listen", Type: cty.List(cty.String), Form: FormListen, NonEmpty: true, Default: stringList(":53"),
			Doc: "Where to listen, UDP and TCP: `host:port`, or `:port` for all addresses."},
		checksAttribute("the zones that it holds"),
	},
	Blocks: []NestedBlock{secondaryBlock, rateLimitBlock},
}

var rateLimitBlock = NestedBlock{Type: "rate_limit",
	Doc: "How many answers one network (an IPv4 /24, an IPv6 /56) gets over UDP, where anybody can ask in the name of a victim. " +
		"Every other answer beyond that says to ask over TCP, the others are not given. Over TCP, and for clients that send back a cookie (RFC 7873), there is no limit, nor for this machine itself. " +
		"Left out: 200 answers of a kind a second.",
	Attributes: []Attribute{
		{Name: "responses_per_second", Sets: []string{"ratelimit.responses_per_second"}, Type: cty.Number, Form: FormRate, Default: cty.NumberIntVal(200),
			Doc: "How many answers about one name, how many that there is nothing in a zone, and how many errors a network gets in a second; all together ten times as many. 0: any number."},
		{Name: "exempt", Sets: []string{"ratelimit.exempt"}, Type: cty.List(cty.String), Form: FormNetwork,
			Doc: "Networks without a limit: those of one's own resolvers."},
	}}

var secondaryBlock = NestedBlock{Type: "secondary", Repeatable: true,
	Doc: "Another name server that copies the zones of this one (AXFR and IXFR), and is told of changes (NOTIFY). Nobody else can copy a zone. See [secondaries](../dnssec.md#secondaries).",
	Attributes: []Attribute{
		{Name: "address", Sets: []string{"secondary.address"}, Type: cty.String, Form: FormAddressPort,
			Doc: "Where it is told of changes. Left out: it is not told, and looks by itself (SOA REFRESH)."},
		{Name: "key", Type: cty.String, Form: FormKeyName,
			Doc: "Name of the TSIG key (RFC 8945) that it asks with, and that signs what it is told. Left out: it has none."},
		{Name: "algorithm", Sets: []string{"secondary.key_algorithm"}, Type: cty.String, Default: cty.StringVal("hmac-sha256"),
			Form: oneOf("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224"), Doc: "Algorithm of the key."},
		{Name: "secret", Sets: []string{"secondary.key_secret"}, Type: cty.String, Sensitive: true, Form: FormBase64,
			Doc: "Secret of the key, in base64, as `tsig-keygen` and `keymgr -t` print it."},
		{Name: "unsigned", Sets: []string{"secondary.unsigned"}, Type: cty.Bool, Default: cty.False,
			Doc: "Whether its address may copy zones without a key. Addresses can be forged and networks be shared: a key is better."},
	}}

var addressesAttribute = Attribute{Name: "addresses", Type: cty.List(cty.String), Form: FormIP,
	Doc: "IP addresses under which others reach the server. Where its name lies in a zone of this configuration, A and AAAA " +
		"records are made of them. Left out: none are made."}

var providerAttribute = Attribute{Name: "provider", Type: cty.List(cty.String), Providers: true, Static: true, OrOne: true, NonEmpty: true,
	Default: stringList(DefaultProvider),
	Doc:     "The provider that runs it, named by a bare word: `embedded`, `embedded.second`; or a list of several that do it together. A condition can choose: `var.far ? embedded.second : embedded`."}
