// Package dnssec signs zones and looks after their keys.
//
// It is pure: what it needs of the world (the time, what is kept from before, what
// the parent zone has) is handed in, and it signs by RFC 6979, so that the same
// input makes the same signatures.
//
// Start at [Sign], which makes a signed zone of an unsigned one and keeps what
// signatures it can; [Zone.NoName] and those beside it find the proofs for
// negative answers; [Advance] is the life of the keys.
//
// Standards: RFC 4033 to 4035 with the clarifications of RFC 6840, NSEC3 RFC 5155
// as RFC 9276 wants it (no iterations, no salt, no opt-out), its time to live RFC
// 9077, ECDSA P-256 RFC 6605, rollovers RFC 6781 §4.1 and their timing RFC 7583, CDS
// and CDNSKEY RFC 7344 and RFC 8078.
//
// What it refuses to do: other algorithms, opt-out, NSEC3 with iterations or salt.
package dnssec
