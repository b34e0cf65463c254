// Package imap is the IMAP server of the embedded daemon: IMAP4rev1 (RFC 3501)
// and IMAP4rev2 (RFC 9051) over the mailboxes of package store.
//
// Start at [New] and [Server.Serve]. Bytes go one way:
//
//	connection ─► wire.Reader ─► command.Parse ─► conn (session) ─► store
//	connection ◄─ wire.Writer ◄─ responders  ◄─┘
//
// Each connection is one goroutine that reads a command, carries it out and
// answers; while the client idles, a second one writes the news. A session has
// its own view of the selected mailbox, and takes in what others did there only
// at the moments the RFC allows, so that a sequence number means one message
// from the client's sight of it to the end of its command.
//
// The protocol front end is our own, on the public types of go-imap; why, is in
// docs/decisions/2026-11-23-imap-front-end.md. A further extension is a type in
// internal/command, a method here, and its name in caps.go.
//
// What it refuses: passwords in clear text from elsewhere, unless asked for; a
// message that did not arrive whole; writing to a mailbox opened by EXAMINE.
// \Recent is not kept: it means nothing with several clients at once, and
// IMAP4rev2 has dropped it.
package imap
