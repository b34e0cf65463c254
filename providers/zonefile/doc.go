// Package zonefile is the provider of zones in files on this machine, for any
// name server that reads them (RFC 1035 §5).
//
// A file holds its zone in canonical order, a record a line, so that it is the
// same bytes whenever it says the same. It is written beside its place, made
// durable and then put there, so that whoever opens it, and whatever ends this
// process, finds the old zone or the new one and never a part. What a plan
// changes has to be in the file as the plan saw it; all else in it is kept, if not
// the way it was written.
//
// Where a command has the name server read its files, the zone is what the
// server has read: until the command has succeeded, what was there before counts
// as what is there, so that the next plan shows what the world is not told yet,
// and the next apply tries again. A file beside the zone's remembers that.
//
// A file that holds signatures is not written: they would not be true any more.
package zonefile
