// Package sealed opens encrypted files of values: those encrypted as a whole by
// age, and YAML and JSON files in which SOPS has encrypted each value.
//
// [Identities] finds the keys, [Age] and [SOPS] open a file. Nothing is written,
// no other program runs, and no error ever holds a key or anything of what was
// encrypted.
//
// Of SOPS there is what its documentation says of the format, for age keys in one
// group: https://getsops.io/docs/#encryption-protocol. Keys in cloud services and
// Shamir's shares are refused by name.
package sealed
