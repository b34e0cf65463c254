// Package seal encrypts what mailform keeps: states, writes to their journals,
// and saved plans. A [Keyring] is where to start; nil is one without keys, which
// keeps everything as it is.
//
// A sealed piece is one JSON object on one line. Lineage and serial stand in it
// in clear, because backends look for them; everything else is compressed and
// encrypted with XChaCha20-Poly1305 under a key of its own, which is made for this
// piece and is wrapped in it: under a key that argon2id (RFC 9106) makes of a
// passphrase, or for age recipients. What a piece is, its lineage and its serial
// are authenticated with it, so that a piece cannot stand in the place of another.
//
// What this does not do: whoever can write to where the pieces are kept can put
// older ones back, all of them together, and can see how large they are and when
// they change.
package seal
