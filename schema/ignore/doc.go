// Package ignore says what of a zone is somebody else's: the rules of ignore
// blocks, and whether a zone is exclusive.
//
// What a rule is about is never filtered out of a comparison. [Zone.Keep] copies
// it from what is there into what is wanted, so that whatever is made of the
// comparison, also a whole record set written anew, still has it.
package ignore
