// Package planfile keeps a plan in a file, so that what was reviewed can be
// applied later: [Save] writes one, [Read] reads it.
//
// A plan file is a zip archive of meta.json, plan.json, the configuration files
// without secrets in config.json, and a checksum of them.
// It holds no secrets, only their fingerprints; whoever writes it to disk gives
// it mode 0600 all the same. Equal plans make equal bytes.
//
// A plan that was read can be shown and compared. It cannot be applied: real
// values of secrets come only from the configuration, so an apply makes the
// plan anew and lets plan.Same decide whether it is still the one in the file.
package planfile
