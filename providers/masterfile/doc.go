// Package masterfile reads zones from where they lie: master files (RFC 1035 §5)
// and the records of a zone transfer (RFC 5936). What it reads is given in the
// form in which a provider lists a zone, so that blocks can be written for it,
// and a provider of files can tell what is in them.
//
// No record is lost in silence: what the language cannot hold, and what belongs
// to a name server and not into files (signatures), is listed with its line and
// the reason. Files that a file includes are read from one folder and what is
// below it, and from nowhere else.
package masterfile
