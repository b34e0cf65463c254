// Package dkim signs outgoing messages (RFC 6376; ed25519 by RFC 8463).
//
// The public half of each key stands at SELECTOR._domainkey.DOMAIN as a TXT
// record, which mailform makes from the same key.
//
// Start at [New] and [Signer.Sign]. Package verify checks the
// signatures of others.
package dkim
