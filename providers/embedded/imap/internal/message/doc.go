// Package message finds its way in a stored message for FETCH and SEARCH: where
// each MIME part begins and ends, what its header says, what its text is.
//
// Start at [Parse], which reads a message once and keeps offsets, not bytes:
// a part is then read from where it lies, so that a message of any size costs
// the same memory. What a part is does not depend on who asks: the sizes in
// BODYSTRUCTURE are those of the sections that FETCH sends.
//
// Malformed messages are the normal case. Nothing here fails because of what a
// message holds: a part without an end goes to the end of what surrounds it, a
// header field that cannot be understood is shown as it stands.
package message
