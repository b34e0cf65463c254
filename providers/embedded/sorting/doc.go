// Package sorting lets the users' scripts decide what becomes of their mail.
//
// It stands between the store, which knows whose mail is sorted, and package
// sieve, which knows the language: [Sorter.Sort] runs the scripts of those that a
// message is for and writes into its envelope where it goes, and what else is
// sent because of it. All of it is one transaction of the store.
//
// No mail is lost by a script: where one fails the message is kept as if there
// was none, and the log says why.
package sorting
