// Package verify finds out who a message is from, as far as the sender's domain
// lets anybody tell:
//
//   - SPF (RFC 7208): may this client send for the domain of the envelope; a TXT
//     record at the domain itself;
//   - DKIM (RFC 6376): who has signed the message; TXT records at
//     SELECTOR._domainkey.DOMAIN;
//   - DMARC (RFC 7489): does one of these speak for the domain that the reader
//     sees in From, and what does that domain want done where none does; a TXT
//     record at _dmarc.DOMAIN or above it;
//   - ARC (RFC 8617): what did those see who handed the message on.
//
// Start at [Checker.SPF] and [Checker.Message]. A [Verdict] has the results as an
// Authentication-Results field (RFC 8601) and says what is to become of the
// message. Results of others that claim to be ours are found by [ClaimedBy].
//
// Where the DNS does not answer, the result is "temperror", and a message is
// never refused for good because of it.
package verify
