// Package zonetest takes a provider of zones through the groups of package
// providertest, by the way that a user goes: configuration files, a plan, an
// apply, and a second plan that is empty.
//
// [Run] is where to start; the test of a provider calls it with its system. It
// is here and not beside the groups because it takes the whole engine, which
// providers may not know: what the groups try lies to a good part in canonical
// forms, in the diff, and in the order of changes.
package zonetest
