// Package tlsrpt counts how connections to the mail servers of others were
// protected, and writes the daily reports of it (SMTP TLS Reporting, RFC 8460). A
// domain asks for them by a TXT record at _smtp._tls.DOMAIN, which says where they
// go.
//
// A [Result] is one connection, a [Count] many that ended the same, and [New]
// makes a [Report] of those. The package sends nothing.
package tlsrpt
