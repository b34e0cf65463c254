// Package s3state keeps a state in a bucket of a server that speaks S3 and that
// honours conditional writes (If-Match and If-None-Match on PUT): AWS, MinIO,
// Ceph, versitygw and others. [Open] is where to start.
//
// One small object, the head, is at the key itself. It names the objects that
// the state is made of (a snapshot, and one for each write since), and holds the
// lock: a lease with who, what, since when, and a fencing token that rises with
// each taking. Every write uploads what is new under a name that was never used,
// and then replaces the head under the condition that it still is the one that
// this process has written last. So a write is there in full or not at all,
// nobody reads half of one, and whoever has lost the lock cannot write: taking it
// over has changed the head.
//
// The holder rewrites the head three times in a lease. How old it is others read
// from the server's clock alone (Last-Modified against Date), so the clocks of
// runners do not matter. When the answer to a write of the head is lost, the head
// is read to see whether it arrived: each has a random word of its own.
package s3state
