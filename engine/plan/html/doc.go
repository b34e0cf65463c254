// Package html writes a plan as one page that needs nothing else: no script, no font, no
// picture from elsewhere. It shows the numbers, what has to be confirmed, the way that mail
// takes before and after, what is done in stages and when, and each change folded.
//
// [Plan] is where to start.
package html
