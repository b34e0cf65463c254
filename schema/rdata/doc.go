// Package rdata makes and reads the text of DNS records: the one place where
// record text is put together, so that what generates a record and what checks
// it cannot differ.
//
// A [Name] is an absolute domain name in canonical form. [Canonical] brings one
// value of a record into the form in which mailform keeps and compares it: the
// presentation format of RFC 1035 §5.1 with absolute lower-case names, except
// that a TXT value is its plain text, neither quoted nor split. [RR] turns such
// a value into a record for a server, [Line] into a line of a zone file.
//
// [SPF], [DMARC] and [DKIM] make the text of mail policies.
//
// The package does no input or output: nothing is looked up.
package rdata
