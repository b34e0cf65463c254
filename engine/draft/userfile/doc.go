// Package userfile reads users and aliases from the files of other mail systems:
// passwd and shadow, Dovecot's passwd-file, Postfix's virtual aliases, and
// /etc/aliases. What it reads is given in the form in which a provider lists it,
// so that package draft can write blocks for it.
//
// Errors and notes name the line and never hold a password or its hash.
package userfile
