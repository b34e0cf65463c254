package schema

import (
	"slices"
	"sort"

	"github.com/zclconf/go-cty/cty"
)

// A Kind is one sort of resource, the same for every provider.
type Kind struct {
	Name string
	// Rank orders the work: a plan creates and updates by rising rank and
	// deletes by falling rank. See Rank constants for the reasons.
	Rank int
	Doc  string
	// Attributes in the order in which they are documented and shown.
	Attributes []KindAttribute
}

// A KindAttribute is one attribute of a kind.
type KindAttribute struct {
	Name string
	Type cty.Type
	Doc  string
	// Sensitive values never leave the process but as a [Fingerprint].
	Sensitive bool
	// Optional values are null where there is none. A state that was written before
	// there was the attribute, and a system that has nothing of the sort, say so by
	// themselves.
	Optional bool
	// Computed values are decided at the target and only read from there.
	Computed bool
	// Info marks a computed value that changes by itself (a message count): it
	// is shown where it helps, never compared and never kept in the state.
	Info bool
	// Immutable attributes are part of what the thing is: another value means
	// another thing, so the resource is replaced.
	Immutable bool
}

// Names of the kinds.
const (
	KindProcess     = "process"
	KindDKIMKey     = "dkimkey"
	KindSetting     = "setting"
	KindParameter   = "parameter"
	KindMailStore   = "mailstore"
	KindDelivery    = "delivery"
	KindLookup      = "lookup"
	KindSubmission  = "submission"
	KindService     = "service"
	KindMailDomain  = "maildomain"
	KindMailbox     = "mailbox"
	KindRecipient   = "recipient"
	KindRoute       = "route"
	KindFilter      = "filter"
	KindLocation    = "location"
	KindListener    = "listener"
	KindInbound     = "inbound"
	KindUpkeep      = "upkeep"
	KindSharing     = "sharing"
	KindAppPassword = "apppassword"
	KindResolver    = "resolver"
	KindDNSBL       = "dnsbl"
	KindGreylist    = "greylist"
	KindSmarthost   = "smarthost"
	KindSending     = "sending"
	KindSecondary   = "secondary"
	KindRateLimit   = "ratelimit"
	KindLimit       = "limit"
	KindProxy       = "proxy"
	KindOAuth       = "oauth"
	KindDNSSEC      = "dnssec"
	KindZone        = "zone"
	KindRRset       = "rrset"
	KindWebDomain   = "webdomain"
	KindWebsite     = "website"
	KindTimeZone    = "timezone"
)

// Kinds returns all kinds, ordered by rank.
func Kinds() []*Kind { return kinds }

// KindByName finds a kind. It returns nil for a name that is none.
func KindByName(name string) *Kind { return kindsByName[name] }

// Type is the object type of the kind's attributes.
func (k *Kind) Type() cty.Type { return kindTypes[k.Name] }

// Object is cty.ObjectVal, but that all objects of a kind share one type, where
// each of cty's own has a description of its attributes to itself: of a hundred
// thousand mailboxes these would be an eighth of all memory. Attributes that are
// not those of the kind make an object of their own type.
func (k *Kind) Object(attrs map[string]cty.Value) cty.Value {
	v := cty.ObjectVal(attrs)
	if !v.Type().Equals(k.Type()) {
		return v
	}
	// A list has the type of its elements once, that of the first.
	return cty.ListVal([]cty.Value{cty.NullVal(k.Type()), v}).Index(secondElement)
}

var secondElement = cty.NumberIntVal(1)

// Names are those of the attributes, sorted. They are not for changing.
func (k *Kind) Names() []string {
	if names, ok := kindNames[k]; ok {
		return names
	}
	return attributeNames(k)
}

func attributeNames(k *Kind) []string {
	names := make([]string, len(k.Attributes))
	for i := range k.Attributes {
		names[i] = k.Attributes[i].Name
	}
	slices.Sort(names)
	return names
}

// Attribute finds an attribute. It returns nil for a name that is none.
func (k *Kind) Attribute(name string) *KindAttribute {
	for i := range k.Attributes {
		if k.Attributes[i].Name == name {
			return &k.Attributes[i]
		}
	}
	return nil
}

// The order protects mail: whoever is sent to a server by DNS must find its
// port open, whoever finds the port open must find the users known. So
// listeners come after what they serve (a listener opened before its users
// would answer 550 for them), and records after the listeners that they name.
var kinds = append([]*Kind{
	{
		Name: KindProcess, Rank: 0,
		Doc: "The running daemon of an embedded provider instance.",
		Attributes: []KindAttribute{
			{Name: "data_dir", Type: cty.String, Immutable: true, Doc: "Absolute path of the data directory: store, queue, keys."},
			{Name: "running", Type: cty.Bool, Doc: "Whether the process runs. Always true as declared."},
			{Name: "version", Type: cty.String, Doc: "Version of the mailform binary that runs."},
		},
	},
	{
		Name: KindDKIMKey, Rank: 10,
		Doc: "A DKIM signing key (RFC 6376), made and kept where it signs.",
		Attributes: []KindAttribute{
			{Name: "domain", Type: cty.String, Immutable: true, Doc: "Signing domain (the d= tag), an A-label name without trailing dot."},
			{Name: "selector", Type: cty.String, Immutable: true, Doc: "Selector (the s= tag)."},
			{Name: "algorithm", Type: cty.String, Immutable: true, Doc: "\"rsa\" or \"ed25519\" (RFC 8463)."},
			{Name: "bits", Type: cty.Number, Immutable: true, Doc: "Length of an RSA key; 0 for ed25519."},
			{Name: "txt", Type: cty.String, Computed: true, Doc: "Text of the key's DNS record: v=DKIM1; k=rsa; p=…"},
		},
	},
	{
		Name: KindSetting, Rank: 20,
		Doc: "The settings of a mail server as a whole.",
		Attributes: []KindAttribute{
			{Name: "hostname", Type: cty.String, Doc: "Name in greetings, Received fields and the certificate."},
			{Name: "addresses", Type: cty.List(cty.String), Doc: "Addresses under which the server is reached."},
			{Name: "message_size_limit", Type: cty.Number, Doc: "Largest message accepted, in bytes."},
			{Name: "retention", Type: cty.Number, Doc: "How long the mail of a closed account is kept, in seconds."},
			{Name: "tls_certificate", Type: cty.String, Doc: "Absolute path of a PEM file with the certificate chain; empty: the server makes its own."},
			{Name: "tls_key", Type: cty.String, Doc: "Absolute path of a PEM file with the key; empty: the server makes its own."},
			{Name: "relay_host", Type: cty.String, Doc: "host:port that all mail for elsewhere is handed to; empty: delivery by MX."},
			{Name: "retry", Type: cty.List(cty.Number), Doc: "Seconds between attempts to deliver to another server; after the last the message bounces."},
		},
	},
	{
		Name: KindResolver, Rank: 22,
		Doc: "Whom a mail server asks for what the DNS says.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "servers", Type: cty.List(cty.String), Doc: "host:port of resolvers, in the order in which they are asked."},
		},
	},
	{
		Name: KindInbound, Rank: 24,
		Doc:        "How a mail server treats mail from other servers.",
		Attributes: inboundAttributes,
	},
	{
		Name: KindDNSBL, Rank: 24,
		Doc:        "A list in the DNS that a mail server asks about its clients.",
		Attributes: dnsblAttributes,
	},
	{
		Name: KindGreylist, Rank: 24,
		Doc:        "How a mail server puts off senders that nobody knows.",
		Attributes: greylistAttributes,
	},
	{
		Name: KindSmarthost, Rank: 26,
		Doc:        "A server that a mail server hands mail for elsewhere to.",
		Attributes: smarthostAttributes,
	},
	{
		Name: KindSending, Rank: 27,
		Doc:        "How a mail server hands on what is for elsewhere.",
		Attributes: sendingAttributes,
	},
	{
		Name: KindUpkeep, Rank: 28,
		Doc:        "What a mail server does with mailboxes as time goes by.",
		Attributes: upkeepAttributes,
	},
	{
		Name: KindMailDomain, Rank: 30,
		Doc: "A domain that a mail server accepts mail for.",
		Attributes: []KindAttribute{
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Domain name, an A-label name without trailing dot."},
		},
	},
	{
		Name: KindMailbox, Rank: 40,
		Doc: "An account with its mail.",
		Attributes: []KindAttribute{
			{Name: "address", Type: cty.String, Immutable: true, Doc: "Address, also the login name."},
			{Name: "password_hash", Type: cty.List(cty.String), Sensitive: true, Doc: "Verifiers of the password; empty: no login."},
			{Name: "quota", Type: cty.Number, Doc: "Largest size of all messages together, in bytes; 0: no limit."},
			{Name: "protocols", Type: cty.List(cty.String), Doc: "Protocols that may read the mail: imap, pop3. Sorted."},
			{Name: "mail", Type: cty.String, Doc: "\"enabled\", \"disabled\" (mail is refused, login too) or \"forward\" (mail goes to the account's forward route)."},
			{Name: "sieve", Type: cty.String, Optional: true, Doc: "Sieve script (RFC 5228) that mail is sorted by as it comes in; null: the inbox takes all."},
			{Name: "messages", Type: cty.Number, Computed: true, Info: true, Doc: "Messages stored."},
			{Name: "bytes", Type: cty.Number, Computed: true, Info: true, Doc: "Bytes stored."},
		},
	},
	{
		Name: KindAppPassword, Rank: 42,
		Doc:        "A further password of an account, for one program.",
		Attributes: appPasswordAttributes,
	},
	{
		Name: KindSharing, Rank: 45,
		Doc:        "Who may do what with the mailboxes of an account that is a shared folder.",
		Attributes: sharingAttributes,
	},
	{
		Name: KindRoute, Rank: 50,
		Doc: "Where mail for an address goes: an alias, a forward, a catch-all.",
		Attributes: []KindAttribute{
			{Name: "address", Type: cty.String, Immutable: true, Doc: "Address; \"@example.com\" is every address of the domain that nothing else takes."},
			{Name: "type", Type: cty.String, Doc: "\"alias\", \"forward\" or \"catch_all\"; \"refused\" for a disabled user beside a catch-all, which must not get his mail, and where all members are such users, at servers that do not keep mailboxes."},
			{Name: "members", Type: cty.List(cty.String), Doc: "Addresses that the mail goes to. Sorted; none where it is refused."},
			{Name: "keep_copy", Type: cty.Bool, Doc: "For a forward: whether the account keeps a copy."},
		},
	},
	{
		Name: KindFilter, Rank: 56, // what comes in is judged
		Doc: "A program that judges mail which a service of a server takes.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "service", Type: cty.String, Immutable: true, Doc: "\"smtp\" or \"submission\"."},
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Label of the filter block."},
			{Name: "position", Type: cty.Number, Doc: "Its place in the order of the filters of the service; the first is 1."},
			{Name: "type", Type: cty.String, Doc: "\"milter\", \"rspamd\" or \"clamav\"."},
			{Name: "address", Type: cty.String, Doc: "Where it listens: host:port, or unix: and the path of a socket."},
			{Name: "on_failure", Type: cty.String, Doc: "What becomes of mail that it cannot judge: \"accept\", \"tempfail\" or \"reject\"."},
			{Name: "timeout", Type: cty.Number, Doc: "How long a step may take, in seconds."},
			{Name: "junk", Type: cty.List(cty.String), Doc: "Header fields of the filter that send a message to the mailbox for junk. Sorted."},
		},
	},
	{
		Name: KindListener, Rank: 60,
		Doc: "A service that listens on the network.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server, nameserver or web block."},
			{Name: "service", Type: cty.String, Immutable: true, Doc: "\"smtp\", \"submission\", \"imap\", \"pop3\", \"managesieve\", \"lmtp\", \"auth\", \"submitted\", \"metrics\", \"web\" or \"dns\"."},
			{Name: "hostname", Type: cty.String, Doc: "Name of the server."},
			{Name: "listen", Type: cty.List(cty.String), Doc: "host:port, plain or with STARTTLS; dns: UDP and TCP. Sorted."},
			{Name: "listen_tls", Type: cty.List(cty.String), Doc: "host:port with TLS from the first byte. Sorted."},
		},
	},
	{
		Name: KindRateLimit, Rank: 58, // what opens is limited
		Doc: "How many answers a network gets from a name server over UDP.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the nameserver block."},
			{Name: "responses_per_second", Type: cty.Number, Doc: "Answers of a kind that a network gets in a second; 0: any number."},
			{Name: "exempt", Type: cty.List(cty.String), Doc: "Networks without a limit, as 192.0.2.0/24. Sorted."},
		},
	},
	{
		Name: KindLimit, Rank: 58,
		Doc:        "How much the clients of a service can have of it.",
		Attributes: limitAttributes,
	},
	{
		Name: KindProxy, Rank: 58,
		Doc:        "Who may speak for the clients of a mail server.",
		Attributes: proxyAttributes,
	},
	{
		Name: KindTimeZone, Rank: 22,
		Doc: "The time zone that a mail server's clock shows.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
			{Name: "name", Type: cty.String, Doc: "Name in the IANA database, as Europe/Berlin."},
		},
	},
	{
		Name: KindWebsite, Rank: 22,
		Doc:        "A web server for what mail needs of the web.",
		Attributes: websiteAttributes,
	},
	{
		Name: KindWebDomain, Rank: 57, // before the records that lead there
		Doc:        "What a web server tells about a mail domain.",
		Attributes: webDomainAttributes,
	},
	{
		Name: KindOAuth, Rank: 58,
		Doc:        "Whose tokens the users of a mail server may log in with.",
		Attributes: oauthAttributes,
	},
	{
		Name: KindSecondary, Rank: 63,
		Doc: "Who may copy the zones of a name server.",
		Attributes: []KindAttribute{
			{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the nameserver block."},
			{Name: "address", Type: cty.String, Doc: "host:port that is told of changes (NOTIFY, RFC 1996); empty: nobody is."},
			{Name: "unsigned", Type: cty.Bool, Doc: "Whether the address may copy zones without a key."},
			{Name: "key_name", Type: cty.String, Doc: "Name of a TSIG key (RFC 8945) that may copy zones, with trailing dot; empty: there is none."},
			{Name: "key_algorithm", Type: cty.String, Doc: "Algorithm of the key, as hmac-sha256; empty: there is none."},
			{Name: "key_secret", Type: cty.String, Sensitive: true, Doc: "Secret of the key, in base64; empty: there is none."},
		},
	},
	{
		Name: KindDNSSEC, Rank: 66,
		Doc: "That a zone is signed (DNSSEC), and how. Its keys are made and kept where they sign.",
		Attributes: []KindAttribute{
			{Name: "zone", Type: cty.String, Immutable: true, Doc: "Zone name with trailing dot."},
			{Name: "denial", Type: cty.String, Doc: "\"nsec3\" (RFC 5155, without iterations and salt) or \"nsec\"."},
			{Name: "signature_lifetime", Type: cty.Number, Doc: "How long a signature is good for at most, seconds."},
			{Name: "zsk_lifetime", Type: cty.Number, Doc: "After how many seconds another ZSK follows; 0: never by itself."},
			{Name: "ksk_lifetime", Type: cty.Number, Doc: "After how many seconds another KSK follows; 0: never by itself."},
			{Name: "propagation", Type: cty.Number, Doc: "Seconds that a change may take to reach all secondaries."},
			{Name: "parental_agents", Type: cty.List(cty.String), Doc: "host:port of servers of the parent zone that are asked for the DS records. Sorted."},
			{Name: "withdraw", Type: cty.Bool, Doc: "Whether the parent is asked to remove the DS records (RFC 8078 §4)."},
			{Name: "ds", Type: cty.List(cty.String), Computed: true, Doc: "Data of the DS records that the parent is to have. Sorted."},
		},
	},
	{
		Name: KindZone, Rank: 70,
		Doc: "A DNS zone with its SOA; the serial belongs to the server.",
		Attributes: []KindAttribute{
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Zone name with trailing dot."},
			{Name: "primary", Type: cty.String, Doc: "SOA MNAME, with trailing dot."},
			{Name: "contact", Type: cty.String, Doc: "SOA RNAME in its DNS form, with trailing dot."},
			{Name: "refresh", Type: cty.Number, Doc: "SOA REFRESH, seconds."},
			{Name: "retry", Type: cty.Number, Doc: "SOA RETRY, seconds."},
			{Name: "expire", Type: cty.Number, Doc: "SOA EXPIRE, seconds."},
			{Name: "negative_ttl", Type: cty.Number, Doc: "SOA MINIMUM and TTL (RFC 2308), seconds."},
		},
	},
	{
		Name: KindRRset, Rank: 80,
		Doc: "All records of one name and type.",
		Attributes: []KindAttribute{
			{Name: "zone", Type: cty.String, Immutable: true, Doc: "Zone name with trailing dot."},
			{Name: "name", Type: cty.String, Immutable: true, Doc: "Owner name with trailing dot."},
			{Name: "type", Type: cty.String, Immutable: true, Doc: "Record type."},
			{Name: "ttl", Type: cty.Number, Doc: "Time to live, seconds."},
			{Name: "values", Type: cty.List(cty.String), Doc: "RDATA in canonical presentation form; for TXT the plain text, not split. Sorted."},
		},
	},
}, pairKinds...)

// RankPointer is the rank of record sets that send mail or queries somewhere
// (MX, NS, SRV and mail policies): after the addresses they point to.
const RankPointer = 90

// RankOf is the rank of one resource: that of its kind, but that record sets
// which point at others come after those that hold addresses. rrtype is only
// looked at for record sets.
func RankOf(kind, rrtype string) int {
	k := KindByName(kind)
	if k == nil {
		return 0
	}
	if kind == KindRRset {
		switch rrtype {
		case "A", "AAAA":
		default:
			return RankPointer
		}
	}
	return k.Rank
}

var (
	kindsByName = map[string]*Kind{}
	kindTypes   = map[string]cty.Type{}
	kindNames   = map[*Kind][]string{}
)

func init() {
	for _, k := range kinds {
		kindsByName[k.Name] = k
		atys := map[string]cty.Type{}
		for _, a := range k.Attributes {
			atys[a.Name] = a.Type
		}
		kindTypes[k.Name] = cty.Object(atys)
		kindNames[k] = attributeNames(k)
	}
	sort.SliceStable(kinds, func(i, j int) bool { return kinds[i].Rank < kinds[j].Rank })
}

// StringList is a list of strings as a value, also where it is empty.
func StringList(items []string) cty.Value {
	if len(items) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(items))
	for i, s := range items {
		vals[i] = cty.StringVal(s)
	}
	return cty.ListVal(vals)
}

// stringList is StringList of what is written out.
func stringList(items ...string) cty.Value { return StringList(items) }
