// Package authd tells mail servers of other makers whether a user is who he
// says he is: a daemon that speaks the protocol of Cyrus SASL's saslauthd on a
// Unix socket. Cyrus IMAP, and Postfix and Sendmail with Cyrus SASL, ask it.
//
// saslauthd itself asks PAM or a directory, and the libraries that ask it keep
// passwords in clear text where they keep them. This one has the verifiers that
// the files of a configuration have, of every scheme that the embedded server
// knows, and knows for each user with which protocols he may read mail.
//
// Beside the file of users there can be another that says how a directory is asked
// for more of them (LDAP): the directory then judges their passwords, and Sendmail
// looks up here who there is.
//
// [Parse] reads the file of users, [Serve] is the daemon, [Control] what a
// provider does with it on a host.
package authd
