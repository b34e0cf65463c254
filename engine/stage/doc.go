// Package stage makes one change of several that come one after the other, with
// time between them: what resolvers have asked for they keep for its time to
// live, so that who moves a name has to go on serving the old place until the
// last of them has forgotten it.
//
// What is known of a record set is what it is, and which former versions of it
// may still be in caches, and until when. All else follows from that: [Settle]
// says what of the desired is due now, what has to stay for the sake of those
// who still have a former version, and what comes when. It is a pure function of
// what is desired, what is there, what the state remembers, and the time.
// Whoever carries out a change asks its [Note] what to remember of it.
//
// A move has three steps: the time to live is lowered; once nobody has a copy
// any more that lives longer, the values are switched; once nobody has the old
// values any more, what they led to is taken away and the time to live raised.
// The reasons are in docs/decisions/2026-11-25-staged-changes.md.
package stage
