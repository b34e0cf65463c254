// Package schema is mailform's vocabulary, written down once.
//
// It has two halves. The language is what people write: [BlockType] describes
// each block of a configuration file, with its attributes, types, defaults and
// documentation. The kinds are what providers reconcile: [Kind] describes each
// sort of [Resource] that a block expands to. The reference documentation is
// generated from both.
//
// The package is pure: it does no input or output and knows no provider.
package schema
