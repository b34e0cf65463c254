// Package certs has the TLS certificates of the embedded servers.
//
// A server either names a certificate and key of its own, which are loaded again
// when the files change, or gets a certificate from an authority that this
// package makes in the data directory:
//
//	tls/ca.pem, tls/ca.key              the authority: 10 years, renewed with its key
//	tls/mail.example.com.pem and .key   a server: one year, renewed 30 days before its end
//
// Clients that are to trust such servers take tls/ca.pem. Renewal keeps the key, so
// that a TLSA record 3 1 1 (RFC 7672 §3.1.1) stays true.
//
// Start at [Open], [Manager.Set] and [Manager.Config]. Nothing runs in the
// background: what is due is found when a client connects, at most once a minute.
//
// A file that is there and cannot be read is an error and is never overwritten.
// Private keys are in no error and no log.
package certs
