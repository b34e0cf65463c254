// Package wire reads and writes the tokens of IMAP (RFC 9051 §4 and §9): lines
// and literals, atoms and strings, sets of numbers, dates, mailbox names.
//
// Start at [Reader]: it takes one command at a time from a connection and keeps
// every limit on what an unknown peer may send. A syntax error leaves it in
// step: [Reader.Finish] finds the start of the next command, past literals that
// the client has already sent.
package wire
