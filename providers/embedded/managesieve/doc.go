// Package managesieve lets users look after their Sieve scripts over the network
// (RFC 5804).
//
// [New] makes a [Server], whose scripts are in a [Store]. Scripts are checked
// before they are taken. What the administrator has declared is there under the
// name [store.DeclaredScript], active and for reading alone: the files are what
// the server does, and no user changes that.
package managesieve
