// Package sendmail is the provider of Sendmail: it takes mail in, knows who
// receives some, and hands it to the server beside it that keeps it.
//
// All that is ours of the configuration is one section of lines in sendmail.cf
// (section.go): options, listeners, the domains, a mailer for LMTP, and a few
// rules for addresses of these domains, which look into maps of our own. Where
// there is a sendmail.mc, the section is in a file that its last line includes, and
// m4 makes sendmail.cf; else it stands at the end of sendmail.cf. Maps, alias files
// and lines of others stay as they are, byte for byte.
//
// The directory "mailform" beside sendmail.cf has the maps: addresses (who there
// is), aliases (who gets the mail of those that are several or elsewhere), senders
// (who may submit mail in whose name), mailertable (which mail goes to which
// smarthost), and the ledger (ledger.go), which knows what was declared. What Sendmail
// really has is read from sendmail.cf and the maps.
// A map needs nothing but its making; Sendmail reads its configuration again only
// where that is another one, and only after it has found it good.
package sendmail
