package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func clientLimit(owner, service string, change attrs) schema.Resource {
	a := attrs{
		"owner": str(owner), "service": str(service), "connections": num(100), "connections_per_client": num(10),
		"connections_per_minute": num(60), "messages_per_connection": num(0), "messages_per_hour": num(0),
		"user_messages_per_hour": num(0), "user_messages_per_day": num(0), "user_recipients_per_hour": num(0), "user_recipients_per_day": num(0),
		"recipients_per_hour": num(0), "recipients_per_message": num(0), "header_size": num(0), "errors": num(5),
		"timeout": num(60), "data_timeout": num(0), "exempt": list("192.0.2.0/24"),
	}
	for name, v := range change {
		a[name] = v
	}
	return providertest.Resource(schema.KindLimit, owner+"/"+service, a)
}

func clientLimits() providertest.Sample {
	outOf := func(least, most int64) []cty.Value { return []cty.Value{num(-1), num(least - 1), num(most + 1)} }
	any := []cty.Value{num(-1), num(1_000_001)}
	return providertest.Sample{
		Good: clientLimit("main", "submission", nil), // which has all of them
		Changed: attrs{
			"connections": num(0), "connections_per_client": num(0), "connections_per_minute": num(1), "messages_per_connection": num(100),
			"messages_per_hour": num(1000), "recipients_per_hour": num(2000), "recipients_per_message": num(100), "header_size": num(64 << 10),
			"errors": num(0), "timeout": num(0), "data_timeout": num(30), "exempt": list(),
		},
		Odd: map[string]schema.Resource{"of mail from outside": clientLimit("odd", "smtp", nil), "of users": clientLimit("odd", "submission", attrs{
			"user_messages_per_hour": num(1), "user_messages_per_day": num(1_000_000), "user_recipients_per_hour": num(2), "user_recipients_per_day": num(3),
		}), "of a service without messages": clientLimit("odd", "managesieve", nil)},
		Refused: map[string][]cty.Value{
			"owner": {str("")}, "service": {str(""), str("dns")},
			"connections": any, "connections_per_client": any, "connections_per_minute": any, "messages_per_connection": any,
			"user_messages_per_hour": any, "user_messages_per_day": any, "user_recipients_per_hour": any, "user_recipients_per_day": any,
			"messages_per_hour": any, "recipients_per_hour": any, "errors": any,
			"recipients_per_message": outOf(100, 1_000_000), "header_size": outOf(4<<10, 64<<20),
			"timeout": {num(-1), num(86401)}, "data_timeout": {num(-1), num(86401)},
			"exempt": {list("192.0.2.1"), list("192.0.2.1/24")},
		},
		Many: many(50, func(i int) schema.Resource { return clientLimit(fmt.Sprintf("many%d", i), "imap", nil) }),
	}
}
