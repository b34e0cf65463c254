// Package mtasts finds out what a domain says about TLS with its mail servers
// (SMTP MTA Strict Transport Security, RFC 8461): a TXT record at _mta-sts.DOMAIN
// says that there is a policy, and its id; the policy itself lies at
// https://mta-sts.DOMAIN/.well-known/mta-sts.txt, where a certificate vouches for it.
//
// What was fetched holds for as long as the policy says, whatever becomes of the
// record meanwhile: who can hide the record must not be able to switch the policy
// off. So policies are kept in a [Cache] that outlives the process.
//
// Start at [Client.Policy]. Whether a server fits is [Policy.Matches].
package mtasts
