// Package primary keeps the name server in step with the store: it reads zones,
// signs those that are to be signed, keeps each version before it is served, and
// leads keys through their rollovers as time goes by.
//
// Start at [New], [Primary.LoadAll] and [Primary.Run]; [Primary.Load] takes over
// what has changed in a zone.
//
// A signed zone gets a new serial whenever anything in it changes, be it by a
// signature that is renewed. The serial never goes back: it is in the store before
// anybody sees it.
package primary
