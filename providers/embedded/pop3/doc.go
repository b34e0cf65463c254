// Package pop3 serves the INBOX of each account over POP3.
//
// Standards: RFC 1939 without APOP, CAPA (RFC 2449) with RESP-CODES and
// PIPELINING, STLS (RFC 2595), SASL PLAIN (RFC 5034), AUTH-RESP-CODE and the
// SYS codes (RFC 3206).
//
// Start at [New], [Server.Serve] and [Server.Shutdown].
//
// A session sees the mailbox as it was at login and holds it for itself:
// a second session gets [IN-USE]. Deleted messages go at QUIT, all in one
// transaction of the store; a session that ends in another way deletes nothing.
// A unique id is UIDVALIDITY and UID, so it stays the same for as long as the
// message is there, also for IMAP. Flags are left as they are: a message that
// was fetched by POP3 is still unseen for IMAP.
//
// Messages are sent as they are stored, but for lines that end in a bare LF, which
// get a CRLF: the size that LIST tells is otherwise what RETR sends.
//
// Passwords are taken over TLS alone, or from a peer on the loopback; see
// [InsecureAuth].
package pop3
