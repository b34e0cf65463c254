// Package statetest starts the real servers that the tests of backends write to:
// PostgreSQL, and versitygw for S3, each a private one on a port of its own. Only
// tests import it.
package statetest
