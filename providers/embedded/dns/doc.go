// Package dns is an authoritative name server for the zones of the store.
//
// Start at [New], [Server.SetZone] and [Server.Serve].
//
// It answers from memory: a zone is compiled once, when it is set, and replaced
// as a whole, so that a query sees either the old zone or the new one and never
// waits. A zone with a value that cannot be read is refused, and the old one goes
// on being served.
//
// A packet takes one of two ways (reply.go). The long way (slow) reads any message
// and puts the answer together of records (answer.go). The short way (fast) reads
// the usual query alone and sends a body that the long way has made before: it
// compares no names and makes no records. What proves to a validator that something is
// not there depends on the name, so it is looked up each time and put behind the body
// (denial.go). A test holds both to
// the same answers. What changes an answer is built into the long way; the short
// one has to know only when a body must not be kept.
//
// Answers have what was asked for and nothing else: no addresses of an MX, no NS
// beside an address. What does not fit is not cut, but asked for again over TCP.
//
// A zone that is to be signed is read first ([Server.Read]), signed by package dnssec, and
// then set ([Server.SetDraft]); the answers to who asks for it (DO) then have the
// signatures and the proofs.
//
// Over UDP anybody can ask in the name of a victim. So answers of a kind to one
// network are limited ([Limits]), but for clients that send back a cookie.
//
// Standards: RFC 1034 and 1035, negative answers RFC 2308, unknown types RFC
// 3597, DNSSEC RFC 4035 §3.1 and RFC 5155 §7.2, DS at a delegation RFC 4035
// §3.1.4.1, wildcards RFC 4592, chains of CNAMEs RFC 6604, DNAME RFC 6672, EDNS
// RFC 6891, TCP RFC 7766, cookies RFC 7873 and 9018, ANY RFC 8482, glue RFC 9471.
//
// Queries signed with a key (TSIG, RFC 8945) are answered so; zones are handed out by
// package transfer.
//
// What it refuses to do: it knows no recursion, refuses what is not in one of its
// zones, takes no NOTIFY and no UPDATE, and tells nobody its version.
package dns
