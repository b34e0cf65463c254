// Package clients says how mail programs are set up: a [Setup] is what the
// configuration comes to for a user or for a whole domain, and each of its formats
// is a method or a function of it: text, the XML of Thunderbird, that of
// Outlook, the profile of Apple's systems, and what a QR code says to
// Thunderbird on a telephone.
//
// It is pure: servers, ports and TLS are handed in, as [Door]s. No format holds a
// password. Connections without TLS are never offered, since no server of
// mailform takes a password there. docs/decisions/2026-11-26-clients.md has the reasons.
package clients
