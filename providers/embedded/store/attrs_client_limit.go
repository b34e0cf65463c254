package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mailform/mailform/schema"
)

type clientLimitAttrs struct {
	Owner                 string   `json:"owner"`
	Service               string   `json:"service"`
	Connections           int64    `json:"connections"`
	ConnectionsPerClient  int64    `json:"connections_per_client"`
	ConnectionsPerMinute  int64    `json:"connections_per_minute"`
	MessagesPerConnection int64    `json:"messages_per_connection"`
	MessagesPerHour       int64    `json:"messages_per_hour"`
	RecipientsPerHour     int64    `json:"recipients_per_hour"`
	RecipientsPerMessage  int64    `json:"recipients_per_message"`
	UserMessagesPerHour   int64    `json:"user_messages_per_hour"`
	UserMessagesPerDay    int64    `json:"user_messages_per_day"`
	UserRecipientsPerHour int64    `json:"user_recipients_per_hour"`
	UserRecipientsPerDay  int64    `json:"user_recipients_per_day"`
	HeaderSize            int64    `json:"header_size"`
	Errors                int64    `json:"errors"`
	Timeout               int64    `json:"timeout"`
	DataTimeout           int64    `json:"data_timeout"`
	Exempt                []string `json:"exempt"`
}

func (a *clientLimitAttrs) key() string  { return a.Owner + "/" + a.Service }
func (*clientLimitAttrs) parent() string { return "" }

// numbers are those of the limits, by their name.
func (a *clientLimitAttrs) numbers() map[string]int64 {
	return map[string]int64{
		"connections": a.Connections, "connections_per_client": a.ConnectionsPerClient, "connections_per_minute": a.ConnectionsPerMinute,
		"messages_per_connection": a.MessagesPerConnection, "messages_per_hour": a.MessagesPerHour, "recipients_per_hour": a.RecipientsPerHour,
		"recipients_per_message": a.RecipientsPerMessage, "header_size": a.HeaderSize, "errors": a.Errors,
		"user_messages_per_hour": a.UserMessagesPerHour, "user_messages_per_day": a.UserMessagesPerDay,
		"user_recipients_per_hour": a.UserRecipientsPerHour, "user_recipients_per_day": a.UserRecipientsPerDay,
		"timeout": a.Timeout, "data_timeout": a.DataTimeout,
	}
}

func (a *clientLimitAttrs) check() error {
	if a.Owner == "" {
		return errors.New("owner is empty")
	}
	if !slices.Contains(schema.LimitedServices, a.Service) {
		return fmt.Errorf("service is %q: expected one of %q", a.Service, schema.LimitedServices)
	}
	for name, n := range a.numbers() {
		r := schema.LimitRanges[name]
		switch {
		case n == 0:
		case n < r.Least || n > r.Most:
			return fmt.Errorf("%s is %d: expected 0, or %d to %d", name, n, r.Least, r.Most)
		case a.Service != "smtp" && a.Service != "submission" && slices.Contains(schema.MessageLimits, name):
			return fmt.Errorf("%s is %d: %s takes no messages", name, n, a.Service)
		case a.Service != "submission" && slices.Contains(schema.UserLimits, name):
			return fmt.Errorf("%s is %d: nobody logs in to %s to send", name, n, a.Service)
		}
	}
	return checkNetworks("exempt", a.Exempt)
}

// A ClientLimit says how much the clients of a service can have of it, as in the kind
// limit. What is 0 is as the service has it by itself.
type ClientLimit struct {
	Owner, Service                                              string
	Connections, ConnectionsPerClient, ConnectionsPerMinute     int
	MessagesPerConnection, MessagesPerHour                      int
	RecipientsPerHour, RecipientsPerMessage, HeaderSize, Errors int
	User                                                        SendLimits
	Timeout, DataTimeout                                        time.Duration
	Exempt                                                      []netip.Prefix
}

// ClientLimits lists them, of the services that have any of their own.
func (s *Store) ClientLimits(ctx context.Context) (list []ClientLimit, err error) {
	err = declaredAs(s.readRows(ctx), `kind = ?`, []any{schema.KindLimit}, func(_ string, a clientLimitAttrs) {
		list = append(list, ClientLimit{
			Owner: a.Owner, Service: a.Service,
			Connections: int(a.Connections), ConnectionsPerClient: int(a.ConnectionsPerClient), ConnectionsPerMinute: int(a.ConnectionsPerMinute),
			MessagesPerConnection: int(a.MessagesPerConnection), MessagesPerHour: int(a.MessagesPerHour),
			RecipientsPerHour: int(a.RecipientsPerHour), RecipientsPerMessage: int(a.RecipientsPerMessage),
			HeaderSize: int(a.HeaderSize), Errors: int(a.Errors),
			User: SendLimits{
				MessagesPerHour: int(a.UserMessagesPerHour), MessagesPerDay: int(a.UserMessagesPerDay),
				RecipientsPerHour: int(a.UserRecipientsPerHour), RecipientsPerDay: int(a.UserRecipientsPerDay),
			},
			Timeout: time.Duration(a.Timeout) * time.Second, DataTimeout: time.Duration(a.DataTimeout) * time.Second,
			Exempt: networks(a.Exempt),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the limits of clients: %w", err)
	}
	return list, nil
}
