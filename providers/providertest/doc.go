// Package providertest is the conformance suite that every provider runs: what
// the engine relies on, tried against the real system.
//
// [Run] is where to start. A provider's test describes its system and a sample
// of each kind in a [Harness]; the suite goes by the attributes in package
// schema, so that an attribute that is added there is tried from then on, or
// fails for want of a sample.
//
// The suite wants a system of its own for each kind, and leaves nothing in it.
package providertest
