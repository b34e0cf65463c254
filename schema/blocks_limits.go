package schema

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// LimitedServices are the services whose clients can be limited.
var LimitedServices = []string{"smtp", "submission", "imap", "pop3", "managesieve"}

// limitsBlock bounds what the clients of a server can use up.
var limitsBlock = NestedBlock{Type: "limits", Repeatable: true,
	Doc: "How much a client can have of the services of the server. A client is an IPv4 address, or a /64 of IPv6, which one customer has for himself. " +
		"What is left out is as the service has it by itself. This machine's own addresses are never counted by client. See [limits](../mail-server.md#limits).",
	Attributes: []Attribute{
		{Name: "services", Type: cty.List(cty.String), NonEmpty: true, Form: oneOf(LimitedServices...),
			Doc: "The services that the block is about. Left out: all that no other block `limits` of the server names."},
		{Name: "connections", Sets: []string{"limit.connections"}, Type: cty.Number, Form: formLimit,
			Doc: "Connections at once, of all clients. Left out: 2000 for `smtp` and `submission`, 10000 for `imap` and `pop3`, 1000 for `managesieve`."},
		{Name: "connections_per_client", Sets: []string{"limit.connections_per_client"}, Type: cty.Number, Form: formLimit,
			Doc: "Connections at once of one client. Left out: 50; 200 for `imap`, 100 for `pop3`."},
		{Name: "connections_per_minute", Sets: []string{"limit.connections_per_minute"}, Type: cty.Number, Form: formLimit,
			Doc: "Connections that one client may begin in a minute. Left out: any number."},
		{Name: "messages_per_connection", Sets: []string{"limit.messages_per_connection"}, Type: cty.Number, Form: formLimit,
			Doc: "Messages of one connection; then it ends with 421, and the client may open another. Only for `smtp` and `submission`, as all that is about messages. Left out: any number."},
		{Name: "messages_per_hour", Sets: []string{"limit.messages_per_hour"}, Type: cty.Number, Form: formLimit,
			Doc: "Messages that one client may begin in an hour; further ones are put off with 450. Left out: any number."},
		{Name: "recipients_per_hour", Sets: []string{"limit.recipients_per_hour"}, Type: cty.Number, Form: formLimit,
			Doc: "Recipients that one client may name in an hour; further ones are put off with 450. Left out: any number."},
		{Name: "user_messages_per_hour", Sets: []string{"limit.user_messages_per_hour"}, Type: cty.Number, Form: formLimit,
			Doc: "Messages that one user may send in an hour, from wherever he logs in; further ones are put off with 450, which says when there is room again. Only for `submission`, as all that is about users. What was sent is remembered over a restart. Left out: any number."},
		{Name: "user_messages_per_day", Sets: []string{"limit.user_messages_per_day"}, Type: cty.Number, Form: formLimit,
			Doc: "Messages that one user may send in 24 hours. Left out: any number."},
		{Name: "user_recipients_per_hour", Sets: []string{"limit.user_recipients_per_hour"}, Type: cty.Number, Form: formLimit,
			Doc: "Recipients of all that one user sends in an hour. Left out: any number."},
		{Name: "user_recipients_per_day", Sets: []string{"limit.user_recipients_per_day"}, Type: cty.Number, Form: formLimit,
			Doc: "Recipients of all that one user sends in 24 hours. Left out: any number."},
		{Name: "recipients_per_message", Sets: []string{"limit.recipients_per_message"}, Type: cty.Number, Form: formRecipients,
			Doc: "Recipients of one message; further ones are put off with 452, and the client sends them another. Left out: 1000. No fewer than 100 (RFC 5321 §4.5.3.1.8)."},
		{Name: "header_size", Sets: []string{"limit.header_size"}, Type: cty.String, Form: formHeaderSize,
			Doc: "Largest header of a message, at least 4KiB. The size of a whole message is `message_size_limit` of the server. Left out: 1MiB."},
		{Name: "errors", Sets: []string{"limit.errors"}, Type: cty.Number, Form: formLimit,
			Doc: "Commands of one connection that are answered with an error, before it ends. Left out: 20; 30 for `imap`, 10 for `pop3` and `managesieve`."},
		{Name: "timeout", Sets: []string{"limit.timeout"}, Type: cty.String, Form: formLimitTime,
			Doc: "How long a client may be silent between two commands. Left out: 5m for `smtp` and `submission`, 10m for `pop3`, 30m for the others, as the RFCs ask for at least. Before a log-in it is less."},
		{Name: "data_timeout", Sets: []string{"limit.data_timeout"}, Type: cty.String, Form: formLimitTime,
			Doc: "How long a client may be silent within a message. Only for `smtp` and `submission`. Left out: 3m."},
		{Name: "exempt", Sets: []string{"limit.exempt"}, Type: cty.List(cty.String), Form: FormNetwork,
			Doc: "Networks whose clients are not counted: one's own machines, a web mail, a server in front of this one. For them only `connections`, the sizes and the times hold."},
	}}

// MessageLimits are the attributes of a block limits that only services which take
// messages know.
var MessageLimits = []string{"messages_per_connection", "messages_per_hour", "recipients_per_hour", "recipients_per_message", "header_size", "data_timeout"}

// UserLimits are those that only a service knows to which users log in to send.
var UserLimits = []string{"user_messages_per_hour", "user_messages_per_day", "user_recipients_per_hour", "user_recipients_per_day"}

var limitAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "service", Type: cty.String, Immutable: true, Doc: "\"smtp\", \"submission\", \"imap\", \"pop3\" or \"managesieve\"."},
	{Name: "connections", Type: cty.Number, Doc: "Connections at once, of all clients; 0, here and in what follows: as the service has it by itself."},
	{Name: "connections_per_client", Type: cty.Number, Doc: "Connections at once of one client."},
	{Name: "connections_per_minute", Type: cty.Number, Doc: "Connections that one client may begin in a minute."},
	{Name: "messages_per_connection", Type: cty.Number, Doc: "Messages of one connection."},
	{Name: "messages_per_hour", Type: cty.Number, Doc: "Messages of one client in an hour."},
	{Name: "recipients_per_hour", Type: cty.Number, Doc: "Recipients of one client in an hour."},
	{Name: "user_messages_per_hour", Type: cty.Number, Doc: "Messages of one user in an hour."},
	{Name: "user_messages_per_day", Type: cty.Number, Doc: "Messages of one user in 24 hours."},
	{Name: "user_recipients_per_hour", Type: cty.Number, Doc: "Recipients of one user in an hour."},
	{Name: "user_recipients_per_day", Type: cty.Number, Doc: "Recipients of one user in 24 hours."},
	{Name: "recipients_per_message", Type: cty.Number, Doc: "Recipients of one message."},
	{Name: "header_size", Type: cty.Number, Doc: "Largest header of a message, in bytes."},
	{Name: "errors", Type: cty.Number, Doc: "Errors before a connection ends."},
	{Name: "timeout", Type: cty.Number, Doc: "Silence between two commands, in seconds."},
	{Name: "data_timeout", Type: cty.Number, Doc: "Silence within a message, in seconds."},
	{Name: "exempt", Type: cty.List(cty.String), Doc: "Networks whose clients are not counted, as 192.0.2.0/24. Sorted."},
}

// LimitRange is what a value of the kind limit may be where it is not 0.
type LimitRange struct{ Least, Most int64 }

// LimitRanges are those of its numbers.
var LimitRanges = map[string]LimitRange{
	"connections": anyLimit, "connections_per_client": anyLimit, "connections_per_minute": anyLimit,
	"messages_per_connection": anyLimit, "messages_per_hour": anyLimit, "recipients_per_hour": anyLimit,
	"user_messages_per_hour": anyLimit, "user_messages_per_day": anyLimit, "user_recipients_per_hour": anyLimit, "user_recipients_per_day": anyLimit,
	"recipients_per_message": {100, 1_000_000}, "header_size": {4 << 10, 64 << 20}, "errors": anyLimit,
	"timeout": {1, 24 * 3600}, "data_timeout": {1, 24 * 3600},
}

var anyLimit = LimitRange{1, 1_000_000}

var (
	formLimit      = integer(anyLimit.Least, anyLimit.Most)
	formRecipients = integer(LimitRanges["recipients_per_message"].Least, LimitRanges["recipients_per_message"].Most)
	formHeaderSize = stringForm("a size from 4KiB to 64MiB", "", func(s string) (int64, error) {
		n, err := ParseSize(s)
		return n, LimitRanges["header_size"].holds(n, err, "4KiB", "64MiB")
	})
	formLimitTime = stringForm("a duration from 1s to 1d", "", func(s string) (int64, error) {
		d, err := ParseDuration(s)
		n := int64(d.Seconds())
		return n, LimitRanges["timeout"].holds(n, err, "1s", "1d")
	})
)

// holds is err, or says that a number is too small or too large.
func (r LimitRange) holds(n int64, err error, least, most string) error {
	switch {
	case err != nil:
		return err
	case n < r.Least:
		return fmt.Errorf("it is less than %s", least)
	case n > r.Most:
		return fmt.Errorf("it is more than %s", most)
	}
	return nil
}
