package smtp

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/mailform/mailform/providers/embedded/sessions"
	"github.com/mailform/mailform/providers/embedded/store"
)

// Limits protect the server. The zero value of a field means its default. A client
// is an address, or one /64 of IPv6. Those that slow down or count by client do not
// touch clients on loopback addresses unless ThrottleLoopback is set.
type Limits struct {
	Connections           int // open at a time; 2000
	ConnectionsPerClient  int // open at a time from one client; 50
	ConnectionsPerMinute  int // begun by one client; 0: any number
	MessagesPerConnection int // 0: any number
	MessagesPerHour       int // of one client; 0: any number
	RecipientsPerHour     int // of one client; 0: any number
	Recipients            int // of a message; 1000, no fewer than 100 by RFC 5321 §4.5.3.1.8
	Errors                int // 4xx and 5xx replies to a connection before 421; 20
	LoginAttempts         int // failed on a connection before 421; 5
	LineLength            int // of a line of a message, bytes; 128 KiB
	HeaderSize            int // of a message's header, bytes; 1 MiB
	Hops                  int // Received fields before a message counts as looping; 50
	// User is how much a user may send who has logged in.
	User store.SendLimits
	// Exempt are networks whose clients are not counted.
	Exempt []netip.Prefix
	// GreetDelay is how long the greeting is held back to see who talks before
	// it (MTA mode, plain connections); 200 ms.
	GreetDelay       time.Duration
	ThrottleLoopback bool
}

// DefaultLimits are the limits of a server that sets none.
func DefaultLimits() Limits {
	return Limits{
		Connections:          2000,
		ConnectionsPerClient: 50,
		Recipients:           1000,
		Errors:               20,
		LoginAttempts:        5,
		LineLength:           128 << 10,
		HeaderSize:           1 << 20,
		Hops:                 50,
		GreetDelay:           200 * time.Millisecond,
	}
}

// or takes those that are zero from others.
func (l Limits) or(d Limits) Limits {
	for _, one := range []struct {
		v   *int
		def int
	}{
		{&l.Connections, d.Connections}, {&l.ConnectionsPerClient, d.ConnectionsPerClient},
		{&l.ConnectionsPerMinute, d.ConnectionsPerMinute}, {&l.MessagesPerConnection, d.MessagesPerConnection},
		{&l.MessagesPerHour, d.MessagesPerHour}, {&l.RecipientsPerHour, d.RecipientsPerHour},
		{&l.Recipients, d.Recipients}, {&l.Errors, d.Errors}, {&l.LoginAttempts, d.LoginAttempts},
		{&l.LineLength, d.LineLength}, {&l.HeaderSize, d.HeaderSize}, {&l.Hops, d.Hops},
	} {
		*one.v = cmp.Or(*one.v, one.def)
	}
	if l.User == (store.SendLimits{}) {
		l.User = d.User
	}
	if l.Exempt == nil {
		l.Exempt = d.Exempt
	}
	l.GreetDelay = cmp.Or(l.GreetDelay, d.GreetDelay)
	l.ThrottleLoopback = l.ThrottleLoopback || d.ThrottleLoopback
	return l
}

// bounds are those on connections.
func (l Limits) bounds() sessions.Limits {
	return sessions.Limits{
		Connections: l.Connections, ConnectionsPerClient: l.ConnectionsPerClient,
		ConnectionsPerMinute: l.ConnectionsPerMinute, Exempt: l.Exempt,
	}
}

// Timeouts follow RFC 5321 §4.5.3.2. The zero value of a field means its default.
type Timeouts struct {
	Command   time.Duration // for a command line to arrive as a whole; 5 min
	Block     time.Duration // for the next bytes of a message; 3 min
	Write     time.Duration // for a reply to be taken; 1 min
	Handshake time.Duration // for TLS; 1 min
	Accept    time.Duration // for the store to take a message; 5 min
}

// DefaultTimeouts are those of a server that sets none.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		Command: 5 * time.Minute, Block: 3 * time.Minute, Write: time.Minute, Handshake: time.Minute, Accept: 5 * time.Minute,
	}
}

// or takes those that are zero from others.
func (t Timeouts) or(d Timeouts) Timeouts {
	return Timeouts{
		Command: cmp.Or(t.Command, d.Command), Block: cmp.Or(t.Block, d.Block), Write: cmp.Or(t.Write, d.Write),
		Handshake: cmp.Or(t.Handshake, d.Handshake), Accept: cmp.Or(t.Accept, d.Accept),
	}
}

// limits are those of a connection that begins now.
func (s *Server) limits() Limits { return s.o.Settings().Limits.or(s.o.Limits) }

// Answers of limits that are met within a connection.
var (
	errMessages        = reply(421, 4, 7, 0, "Too many messages in one connection, open another")
	errMessagesHourly  = reply(450, 4, 7, 1, "Too many messages from your address within an hour, try again later")
	errRecipientsHour  = reply(450, 4, 7, 1, "Too many recipients from your address within an hour, try again later")
	errRecipientsLimit = reply(452, 4, 5, 3, "Too many recipients")
)

// limitMessages counts a message of the client; the error is the answer where that is
// one too many.
func (s *session) limitMessages() error {
	w := s.w
	if !w.counted {
		return nil
	}
	client := sessions.Network(w.RemoteAddr())
	switch {
	case w.limits.MessagesPerConnection > 0 && w.messages >= w.limits.MessagesPerConnection:
		s.srv.o.Limited("messages_per_connection")
		w.hangUp("") // the answer is the last one
		return errMessages
	case !s.srv.messages.Take(client, w.limits.MessagesPerHour):
		s.srv.o.Limited("messages_per_hour")
		return errMessagesHourly
	}
	w.messages++
	return nil
}

// limitRecipients counts a recipient of a transaction in the same way.
func (s *session) limitRecipients(tx *transaction) error {
	w := s.w
	if len(tx.recipients) >= w.limits.Recipients {
		s.srv.o.Limited("recipients_per_message")
		return errRecipientsLimit
	}
	if w.counted && !s.srv.recipients.Take(sessions.Network(w.RemoteAddr()), w.limits.RecipientsPerHour) {
		s.srv.o.Limited("recipients_per_hour")
		return errRecipientsHour
	}
	return nil
}
