// Package queue delivers mail to other servers: it takes what is due out of the
// store's queue, looks up where it goes (RFC 5321 §5.1), hands it over, and
// reports what cannot be delivered to its sender (RFC 3464).
//
// Start at [New] and [Queue.Run]. The queue itself, with everything that must
// not be lost, is in the store; this package only holds what is under way.
//
// A message is recorded as delivered right after the other server's 250, in a
// transaction of its own. When the process is killed between the two, the
// message is sent once more after the restart: SMTP has no way to ask whether a
// message has arrived (RFC 1047). It is never lost.
//
// TLS is opportunistic: used where the other side offers it, whatever its
// certificate says (RFC 7435). A message with 8-bit content goes as it is to a
// server without 8BITMIME.
//
// A transaction with a server that offers PIPELINING (RFC 2920) takes two round
// trips, and a connection waits for a moment for the next message to its server.
package queue
