// Package command parses the commands of IMAP4rev1 and IMAP4rev2 (RFC 9051 §6)
// and of the extensions that the server has, each into a type of its own. It
// knows the grammar and which command is valid in which state, and nothing of
// mailboxes.
//
// Start at [Parse]. A new command is a type with its parser in the file of its
// group, and a line in the table of parse.go.
package command
