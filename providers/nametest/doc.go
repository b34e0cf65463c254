// Package nametest starts real name servers, BIND and Knot DNS, for the tests of
// providers: each a private one with a directory and ports of its own on
// 127.0.0.1, which ends with its test. Only tests import it.
package nametest
