// Package zonedata is what the providers of DNS servers have in common: between
// the records that a server has and the zones and record sets that the engine
// speaks of.
//
// [Read] takes the records of a zone, as a zone transfer or a zone file has them,
// and leaves out what a signing server makes by itself. [Zone.Observed] is that
// for the engine. [Group] divides a batch of changes among zones, and
// [Zone.Prepare] holds those of one zone to what is there: what was changed by
// others in the meantime is an ErrConflict that names both values, and what is
// left to do comes back as an [Edits]. How these reach the server is the
// provider's own.
//
// The package does no input or output.
package zonedata
