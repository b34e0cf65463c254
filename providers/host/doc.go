// Package host is the machine that a provider acts on: this one, or another
// that is reached by SSH. It reads files, puts files in their places, and runs
// programs, each in bulk, so that nothing costs a round trip a file.
//
// Start at [Host]; [Open] makes one of the connection block of a provider.
package host
