// Package verify proves from outside that what runs is what the files describe: it
// asks name servers, knocks at the doors of mail servers, tries what must be
// refused, and sends a message through. It knows the files and what the state
// remembers of values that were born in apply, and nothing else: all that it says
// comes from the network, the way a stranger sees it.
//
// [Run] makes a [Report] of [Result]s, each of one [Check].
package verify
