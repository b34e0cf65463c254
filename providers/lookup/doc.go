// Package lookup answers data blocks about the world outside: records as the
// DNS has them ([DNS]), certificates as servers show them ([Certificate]).
//
// It only looks. What it reports is not verified beyond what each source says.
package lookup
