// Package postfix is the provider of Postfix: it takes mail in, knows who receives
// some, and hands it to the server beside it that keeps it.
//
// mailform has a directory of its own beside main.cf, "mailform", with its maps: the
// domains, the recipients and the aliases, and where there is a need for them those whose
// mail is refused, the ways of mail by recipient and by sender, and the passwords for
// these. Each entry has the block that it was made for in a comment before it. main.cf names these maps, before those that it
// names already, and has the parameters that follow from the settings; master.cf
// has the services that listen. What stood there before is kept in the directory
// too (ledger.go), and comes back when the last that is ours goes.
//
// main.cf and master.cf are edited in their text ([config]): what is not ours stays
// byte for byte. What Postfix really has is read from postconf and postmap
// (live.go), so that a map that was edited and not built is no less a change than
// one that was built by hand. A change of a map is one run of postmap, whatever it
// changes, and needs nothing else; a change of main.cf or master.cf is tried, and
// put back where Postfix refuses it (change.go).
package postfix
