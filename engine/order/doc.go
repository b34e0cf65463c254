// Package order decides what a plan does after what.
//
// Most of the order is known beforehand: each kind of resource has a rank (see
// package schema), and what has the same rank at the same target goes there in
// one batch. References that really exist can only move things to a later
// phase. So nothing walks a graph of a hundred thousand nodes to find out that
// mailboxes come after their domain.
//
// Start at [Phases].
package order
