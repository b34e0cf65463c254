// Package dns is an authoritative name server for the zones of the store.
//
// Start at [New], [Server.SetZone] and [Server.Serve].
//
// It answers from memory: a zone is compiled once, when it is set, and replaced
// as a whole, so that a query sees either the old zone or the new one and never
// waits. A zone with a value that cannot be read is refused, and the old one goes
// on being served.
//
// Standards: RFC 1034 and 1035, negative answers RFC 2308, unknown types RFC 3597,
// DS at a delegation RFC 4035 §3.1.4.1, wildcards RFC 4592, chains of CNAMEs RFC
// 6604, DNAME RFC 6672, EDNS RFC 6891, TCP RFC 7766, ANY RFC 8482, glue RFC 9471.
//
// What it refuses to do: it knows no recursion, refuses what is not in one of its
// zones, transfers no zone, takes no NOTIFY and no UPDATE, and tells nobody its
// version.
package dns
