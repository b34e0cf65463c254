// Package zonefile reads zones from where they lie: master files (RFC 1035 §5)
// and the records of a zone transfer (RFC 5936). What it reads is given in the
// form in which a provider lists a zone, so that package draft can write blocks
// for it.
//
// No record is lost in silence: what the language cannot hold, and what belongs
// to a name server and not into files (signatures), is listed with its line and
// the reason. $INCLUDE is refused: what is read is the one file.
package zonefile
