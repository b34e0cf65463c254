// Package draft writes configuration for what exists: the other way of package
// expand. From things as a provider lists them it makes the blocks that would
// expand to just these, and writes them as a file that people go on with.
//
// What a block makes is never guessed here: [Make] has package expand make it and
// compares. What does not come out as it is there is written in another way (as
// a record block), or told. So nothing is lost in silence.
//
// No secret is ever written into the configuration: a password hash becomes a
// variable, whose value [Draft.Values] has.
package draft
