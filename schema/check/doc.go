// Package check lists the checks of records that are made before a plan: what
// each is called, why there is it, and whether it can be switched off. The
// reference documentation is made of the list; package expand carries them out.
package check
