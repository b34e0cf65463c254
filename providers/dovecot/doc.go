// Package dovecot is the provider for Dovecot, which keeps mail and hands it out
// by IMAP and POP3.
//
// What mailform owns lies in a directory of its own beside dovecot.conf, named
// there by one line: a file with settings, and the files of users that Dovecot
// looks into. Everything else of the configuration stays as it is, byte for byte.
// What is in force is read from doveconf, so that a setting which somebody else
// makes later is seen.
//
// Dovecot 2.3 and 2.4 have other names for most settings; dialect.go has both.
//
// provider.go is the way of a plan and an apply, users.go the file of users,
// settings.go that of settings.
package dovecot
