// Package tests runs the tests of a configuration: files *.mftest.hcl with runs,
// each of which plans or applies the configuration with variables of its own and
// holds conditions against the result. Nothing outside of the process is looked
// at or changed: the state is in memory, and so are the systems that the caller
// gives.
//
// [Load] reads the files, a [Runner] runs them and tells an [Observer].
package tests
