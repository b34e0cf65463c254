// Package powerdns is the provider of zones in PowerDNS Authoritative Server, by
// its HTTP API (https://doc.powerdns.com/authoritative/http-api/).
//
// A zone is read by one request. What a plan changes in it is one request too,
// which PowerDNS carries out in one transaction, unless it is too large for one.
// The API knows no conditions: the provider reads the zone right before it
// writes, refuses what is no longer as the plan saw it, and reads it again
// afterwards. What others write between its reading and its writing, a few
// milliseconds, into the same record sets is lost.
//
// Records that are switched off in PowerDNS, and comments, stay as they are.
// Types that only PowerDNS has (ALIAS, LUA) are not listed and never touched.
//
// The key of the API goes to the server of the block alone: redirects are not
// followed. It is in no error.
package powerdns
