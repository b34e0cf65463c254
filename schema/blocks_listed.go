package schema

import (
	"errors"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
)

// dnsblBlock is a list in the DNS that a mail server asks about its clients.
var dnsblBlock = NestedBlock{Type: "dnsbl", Repeatable: true,
	Doc: "A list in the DNS that is asked about clients of the service `smtp` (RFC 5782), beside those in `exempt` of `inbound`. All lists are asked at once; one that does not answer within five seconds says nothing. " +
		"`postmaster` and `abuse` are reached in spite of lists. See [lists](../mail-server.md#lists-of-clients).",
	Attributes: []Attribute{
		{Name: "zone", Type: cty.String, Required: true, Form: FormPolicyDomain,
			Doc: "The list: `zen.spamhaus.org`."},
		{Name: "action", Type: cty.String, Default: cty.StringVal("reject"), Form: oneOf(DNSBLActions...),
			Doc: "What it means that a client is listed: `reject` refuses it (550 5.7.1), alone or together with other lists, see `weight`; `junk` lays its mail into the mailbox Junk; `mark` only writes it into the message, as all do; `allow` is for lists of good clients: no other list counts, nor does `greylist`."},
		{Name: "weight", Sets: []string{"dnsbl.weight"}, Type: cty.Number, Default: cty.NumberIntVal(DNSBLEnough), Form: integer(1, DNSBLEnough),
			Doc: "How much a list counts, with `reject`. A client is refused when the lists that have it reach 10 together."},
		{Name: "answers", Sets: []string{"dnsbl.answers"}, Type: cty.List(cty.String), Form: formDNSBLAnswer,
			Doc: "The answers that count, as addresses or networks in 127.0.0.0/8: `127.0.0.2`, `127.0.0.10/31`. Left out: all but 127.0.0.1 and 127.255.255.0/24, with which lists say that they do not answer."},
	}}

// greylistBlock puts senders off that nobody knows.
var greylistBlock = NestedBlock{Type: "greylist",
	Doc: "Whether mail of senders that nobody knows is put off (451 4.7.1): a real server comes again, much that sends spam does not. A sender is known by the network of the client (an IPv4 /24, an IPv6 /64), its address and the recipient. Left out: nobody is put off. " +
		"Clients in `exempt` of `inbound` and those on a list that allows them never are. See [greylisting](../mail-server.md#greylisting).",
	Attributes: []Attribute{
		{Name: "delay", Sets: []string{"greylist.delay"}, Type: cty.String, Default: cty.StringVal("5m"), Form: formGreyDelay,
			Doc: "How long after the first attempt another one is taken, up to 1h."},
		{Name: "retry_within", Sets: []string{"greylist.retry_within"}, Type: cty.String, Default: cty.StringVal("2d"), Form: FormDuration,
			Doc: "How long after the first attempt another one still counts as such. Later it is a first one."},
		{Name: "keep", Sets: []string{"greylist.keep"}, Type: cty.String, Default: cty.StringVal("35d"), Form: FormDuration,
			Doc: "How long a sender that came again is known after it was last seen: longer than a month, for mail that comes once in one."},
		{Name: "known_after", Sets: []string{"greylist.known_after"}, Type: cty.Number, Default: cty.NumberIntVal(5), Form: FormPercent,
			Doc: "After how many senders that came again nobody of a network is put off any more. 0: each sender is put off."},
		{Name: "pass_spf", Sets: []string{"greylist.pass_spf"}, Type: cty.Bool, Default: cty.True,
			Doc: "Whether those are taken at once whose client may send for their domain by SPF."},
		{Name: "exempt", Sets: []string{"greylist.exempt"}, Type: cty.List(cty.String), Form: FormNetwork,
			Doc: "Networks whose clients are never put off."},
	}}

// DNSBLActions are what a list can be for.
var DNSBLActions = []string{"reject", "junk", "mark", "allow"}

// DNSBLEnough is the weight with which lists refuse a client.
const DNSBLEnough = 10

// ParseDNSBLAnswer reads an address or a network in 127.0.0.0/8.
func ParseDNSBLAnswer(s string) (netip.Prefix, error) {
	p, err := ParseNetwork(s)
	if err != nil {
		return p, err
	}
	if !p.Addr().Is4() || p.Addr().As4()[0] != 127 || p.Bits() < 8 {
		return p, errors.New("lists answer with addresses in 127.0.0.0/8")
	}
	return p, nil
}

var (
	formDNSBLAnswer = stringForm("an answer of a list", "An address or network in 127.0.0.0/8.", ParseDNSBLAnswer)
	formGreyDelay   = stringForm("a duration from 1s to 1h", "", func(s string) (int64, error) {
		d, err := ParseDuration(s)
		n := int64(d.Seconds())
		return n, LimitRange{1, MaxGreyDelay}.holds(n, err, "1s", "1h")
	})
)

// MaxGreyDelay is the longest delay of a greylist, in seconds: servers come again in
// half an hour or an hour at the least.
const MaxGreyDelay = 3600

var dnsblAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "zone", Type: cty.String, Immutable: true, Doc: "Name of the list, without trailing dot."},
	{Name: "action", Type: cty.String, Immutable: true, Doc: "\"reject\", \"junk\", \"mark\" or \"allow\"."},
	{Name: "weight", Type: cty.Number, Doc: "How much it counts, of 10."},
	{Name: "answers", Type: cty.List(cty.String), Doc: "The answers that count, as 127.0.0.2/32; empty: all that can. Sorted."},
}

var greylistAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "delay", Type: cty.Number, Doc: "After how many seconds another attempt is taken."},
	{Name: "retry_within", Type: cty.Number, Doc: "Within how many seconds."},
	{Name: "keep", Type: cty.Number, Doc: "How long a sender is known after it was last seen, in seconds."},
	{Name: "known_after", Type: cty.Number, Doc: "After how many senders a network is known; 0: never."},
	{Name: "pass_spf", Type: cty.Bool, Doc: "Whether those that pass SPF are not put off."},
	{Name: "exempt", Type: cty.List(cty.String), Doc: "Networks whose clients are not put off, as 192.0.2.0/24. Sorted."},
}
