// Package bearer tells whose a bearer token (RFC 6750) of an authorization server is.
//
// [New] makes a [Checker], which package auth asks about those who log in by a token.
// There are two ways. Where the authorization server has an introspection endpoint
// (RFC 7662), it is asked about each token: then a token that it takes back is not
// good any more, and a token may be of any form. Otherwise a token is a JWT (RFC
// 9068), whose signature is checked with the keys that the server publishes (RFC
// 7517), and the server is asked for nothing but these.
//
// Whatever cannot be asked or read lets nobody in. What comes from the authorization
// server is bounded in size and time, it is asked over TLS or on this machine alone,
// redirections are not followed, and forged tokens do not have the keys fetched again
// and again.
//
// Why it is so: docs/decisions/2026-11-26-app-passwords-and-tokens.md.
package bearer
