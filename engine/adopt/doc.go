// Package adopt takes over into the state what exists already. It works on the
// state alone: nothing is changed where the things are, and what differs from
// the files is left for the next plan to show.
//
// [One] is for what somebody names, [All] for all that is declared: that is how
// a lost state is made anew.
package adopt
