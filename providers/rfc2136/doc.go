// Package rfc2136 is the provider for name servers that take zone transfers and
// dynamic updates: BIND, Knot, PowerDNS and others. The providers bind and knot
// are this one with a [Control], which makes zones and removes them.
//
// It reads a zone by one transfer (RFC 5936). Where that is refused it asks for
// what is declared, one query a record set, and then cannot see what others have
// there. All questions go over one connection, without waiting for one another.
//
// What a batch changes in a zone is one update (RFC 2136), which demands that
// each record set is as the plan saw it, and that the SOA record is the one that
// was read. So the server itself compares, and a change of somebody else's, even
// of a time to live, is never overwritten. Where 64 KiB do not hold the update
// there are several, each of which demands the SOA record that the one before
// left. Afterwards the zone is read again and compared: servers answer NOERROR
// to some updates that they ignore.
//
// Start at [Provider].
package rfc2136
