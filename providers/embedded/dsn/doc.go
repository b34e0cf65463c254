// Package dsn writes delivery status notifications: mail that tells the sender of
// a message what became of it (RFC 3464, in the container of RFC 6522), as far as
// the sender asked to be told (RFC 3461).
//
// A report has three parts: sentences for people, the same for programs, and the
// message that it is about, or its header. Start at [Report.Write]. Whether a
// report is due at all is the caller's matter: [Asked] says what was asked for, and
// nobody is told about a report itself (RFC 5321 §6.1).
package dsn
