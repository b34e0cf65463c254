// Package smtp receives mail: from other servers (port 25, [MTA]) and from the
// organisation's own users (ports 587 and 465, [Submission]).
//
// Start at [New], [Server.Serve] and [Server.Shutdown].
//
// The command engine is github.com/emersion/go-smtp. It never sees the network:
// between the two stands a wire (wire.go), which hands it one command line at a
// time and owns what a mail server on the open internet must not get wrong:
//
//   - line discipline: commands end in CRLF, nothing else ends the data
//     (no SMTP smuggling), nothing that came before TLS is read after it;
//   - time: one limit for a whole command, a rolling one inside a message;
//   - TLS: each side of a STARTTLS is a conversation of its own with a new
//     engine, so no state can leak from one into the other;
//   - ends: a message that breaks off is never stored and never continued as
//     commands; idle clients are told 421 when the server stops;
//   - limits on connections, errors, attempts to log in, bytes thrown away.
//
// The session (session.go) decides who may send what to whom; message.go takes
// the content in. A 250 after the content means that the message is on disk for
// all of its recipients: a transaction is exactly one Accept of the store.
//
// It is never a relay for others: in MTA mode only recipients that the store
// knows are taken, in Submission mode a login over TLS comes first. There is no
// setting that changes this.
//
// Mail that is forwarded elsewhere goes on under a sender that leads its bounces
// back here (SRS), with the address that it went through on top (Delivered-To);
// loops are cut by that, and by the number of Received fields (RFC 5321 §6.3).
//
// Who mail is from is looked at by a [Checker], while the client still talks where
// that can be (checks.go).
//
// What senders ask to be told (DSN, RFC 3461) goes into the queue with the
// message; that mail has arrived in a mailbox is told here.
package smtp
