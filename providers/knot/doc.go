// Package knot is the provider for Knot DNS: the provider rfc2136, and beyond
// that zones that are made and removed by knotc. Start at [Provider].
package knot
