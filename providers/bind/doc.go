// Package bind is the provider for BIND 9: the provider rfc2136, and beyond that
// zones that are made and removed by rndc. Start at [Provider].
package bind
