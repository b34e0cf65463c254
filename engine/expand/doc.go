// Package expand turns intent into resources. A domain block becomes its mail
// domain, its zone and its records, a user block a mailbox with its aliases and
// its forward, a server block its settings, its listeners and its addresses in
// the DNS.
//
// [Expand] is a pure function: it reads and writes nothing. It also finds what is
// wrong between blocks, where each block for itself is right: two users of one
// address, aliases that go round in a circle, a record beside a CNAME. All such
// errors come at once.
//
// What it makes is canonical: names are lower-case A-labels, lists whose order
// means nothing are sorted, sizes are bytes and times seconds, so that equal
// intent is equal text at the provider.
package expand
