// Package pgstate keeps states in a PostgreSQL database, each under a name: a
// snapshot, and a journal that each write adds rows to.
//
// The lock is a lease: a row that says who holds it, and that its holder renews
// by a heartbeat. One that is not renewed can be taken over. Each taking raises
// a fencing token, and each write holds the row and compares the token within
// its transaction: so a holder that comes back late cannot write.
package pgstate
