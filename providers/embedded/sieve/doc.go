// Package sieve is the language that mail is sorted by as it comes in: RFC 5228
// with the extensions that [Extensions] lists.
//
// [Parse] reads a script and checks it as a whole; what is wrong is an [Error]
// with its line and column. [Script.Run] decides what becomes of one message. It
// carries nothing out: it returns an [Outcome], and looks at the world only
// through [Message] and [Envelope].
//
// Scripts are written by users, so all is bounded: the size of a script, its
// depth, the work that a message may cost, what may be sent because of it. There
// are no loops in the language. It has no regular expressions and includes no
// other scripts.
package sieve
