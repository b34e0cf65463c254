// Package memory is a provider whose systems exist in memory alone: what the
// tests of configurations are applied to. It keeps all that the contract asks
// for, and the conformance suite runs against it.
//
// A [World] is where to start.
package memory
