// Package auth makes and checks password hashes, and decides who may log in.
//
// [Hash] makes the hash that `mailform passwd` prints; [Verify] checks a
// password against the verifiers of an account, whichever of the common schemes
// they are. An [Authenticator] does what a login needs beyond that: it finds the
// account, checks that it may use the service, gives nothing away about which
// addresses exist, slows down guessing, and bounds the memory and time that
// hashing takes.
//
// Schemes are argon2id (RFC 9106, the one that is made), bcrypt, SHA-256- and
// SHA-512-crypt, PBKDF2 as passlib and Dovecot write it, and SCRAM verifiers
// (RFC 5803 in Dovecot's form). A verifier can also name an entry of a directory,
// which is then asked whether it lets one in with the password. A hash that would take more than bounded memory
// or time to check is refused as malformed.
//
// Beside its own password an account can have app passwords, each for some services
// and a time. A [Bearer] lets in who has a token of an authorization server.
//
// What this package refuses to do: it never logs or returns a password or a
// hash, and it never changes one.
package auth
