// Package spf reads SPF policies (RFC 7208) and counts what the check of a
// message takes at worst. [Parse] takes a policy apart, [Count] follows it with a
// [Resolver]: one that knows the records of a configuration, or one that asks the
// world.
//
// What is counted are the terms that ask (§4.6.4): include, a, mx, ptr and exists
// up to the first all, and redirect where there is no all. Names with macros are
// counted and not followed, since they depend on the message.
package spf
