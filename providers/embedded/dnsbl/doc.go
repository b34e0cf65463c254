// Package dnsbl asks lists in the DNS about clients (RFC 5782): lists of those that
// nobody should take mail from, and of those that are known to be good.
//
// Start at [Check] and [Result].
//
// A list is a zone. For the client 192.0.2.7 its record A at 7.2.0.192.zone says by an
// address in 127.0.0.0/8 that it is listed, and for what; for 2001:db8::1 the name has
// all 32 digits, the last first. What else it answers is no listing: an address of
// somebody's web server (a domain that has been let go, a resolver that redirects
// what is not there), 127.255.255.0/24 (the list does not answer such a resolver),
// 127.0.0.1.
//
// All lists are asked at once and have one time together. One that does not answer in it
// says nothing: mail is never held up, and never refused, because of that.
package dnsbl
