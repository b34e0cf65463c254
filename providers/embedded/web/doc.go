// Package web answers what mail needs of the web. Mail programs ask for the settings of a
// domain: Thunderbird and others (autoconfig), Outlook (Autodiscover, MS-OXDSCLI), Apple's
// systems (a profile). Other mail servers ask for its MTA-STS policy (RFC 8461 §3.3). People
// find the same on a page.
//
// What it says is the same for every address of a domain, whether somebody has it or
// not, and it asks for no password: so it tells nobody who has a mailbox. Without TLS it only
// sends everybody on to the address with TLS.
package web
