// Package dns is an authoritative name server for the zones of the store.
//
// It answers from memory: a zone is compiled once, when it is set, and replaced
// as a whole, so that a query sees either the old zone or the new one. It knows
// no recursion, and refuses what is not in one of its zones.
//
// Standards: RFC 1034 and 1035, negative answers RFC 2308, wildcards RFC 4592,
// EDNS RFC 6891, ANY RFC 8482. Zone transfer, NOTIFY and UPDATE are refused.
package dns
