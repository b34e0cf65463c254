// Package cyrus is the provider for Cyrus IMAP, which keeps mail and hands it
// out by IMAP and POP3.
//
// Settings are in imapd.conf and services in cyrus.conf. What is mailform's
// stands between two marks in each; a foreign line that says something else of
// what mailform sets is put aside as a comment, and comes back when mailform
// lets go of it. Everything else is kept byte for byte. Cyrus checks its
// configuration before it takes it over, and what it refuses is put back.
//
// Mailboxes are made, bounded and taken away by IMAP, as an administrator would,
// all over one connection without waiting for answers; the listener for that is a
// Unix socket in a directory that only root and Cyrus can look into. What is there
// is read with Cyrus's own tools, ctl_mboxlist and quota, so that it is known also
// while the server does not run. Who may log in, and with which protocol, says
// mailform's authd ([github.com/mailform/mailform/providers/authd]).
//
// Start at [Provider].
package cyrus
