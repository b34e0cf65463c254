// Package graph draws what a configuration holds together by: its blocks with
// the references between them, or a plan with its phases. There is no walk over a
// graph in mailform; what is drawn is what there is: references, and the order
// that package order makes of ranks.
//
// [Blocks] and [Plan] make a [Graph], which is written in Graphviz's language or
// in Mermaid's. The same input makes the same text.
package graph
