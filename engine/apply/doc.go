// Package apply carries out a plan: [Run] walks its phases, hands each provider
// its batches, and writes down what was done before the next phase begins.
//
// It does exactly what the plan says or stops: a resource that is no longer as
// the plan saw it is left alone, and so is what depends on something that
// failed. Nothing is undone after a failure; the next plan goes on from there.
package apply
