// Package transfer hands zones out to other name servers: as a whole (AXFR, RFC 5936)
// or what has changed (IXFR, RFC 1995), to who has a key (RFC 8945) or an address
// that may; and tells them of changes (NOTIFY, RFC 1996).
//
// Start at [New], [Server.Publish] and [Server.Run]; the name server hands queries
// for transfers to [Server.Transfer].
//
// What it refuses: everybody who is not named, this machine included. Zones are not
// handed out over UDP.
package transfer
