// Package arc validates and makes ARC sets (RFC 8617): what the servers that a
// message has come through say that they saw, each sealed by its domain, so that
// a mailing list or a forward does not make a message look forged.
//
// A set is three fields with the same number: ARC-Authentication-Results says
// what was seen, ARC-Message-Signature is a signature as of DKIM over the message
// as it went on, ARC-Seal one over all sets so far. Keys are those of DKIM: TXT
// records at SELECTOR._domainkey.DOMAIN.
//
// Start at [Validate] and [Seal]. Whom to believe is not decided here: anybody
// can seal.
package arc
