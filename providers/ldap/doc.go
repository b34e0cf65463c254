// Package ldap is the provider of mailboxes and routes in a directory: OpenLDAP,
// and what else speaks LDAP version 3 (RFC 4511).
//
// What an entry is, and which of its attributes say what, is a setting of the
// provider block; see mapping.go. Entries are found by their mail address, never by
// their name, so that those which are there already keep theirs. What of an entry
// has no place in a resource is foreign, and stays.
//
// Everything is read by paged searches (RFC 2696). A batch of changes begins with
// a search for what it changes, which is compared with what the plan saw; then each
// entry is one request, several at a time. A request that changes or removes an
// entry carries an assertion (RFC 4528) that the entry is still the one just read,
// by its entryCSN; where a server has no such thing, old values are taken away by
// name, which it refuses where they are others by now. Afterwards the entry is read
// again.
//
// A name or a value of a configuration gets into an entry's name and into filters
// by [layout.dn] and [equals] alone, which escape it. Passwords are in no error.
package ldap
