// Package mailtest starts real mail servers and directories for tests, each as
// a private instance: everything lies in a directory of the test's, listens on
// loopback alone, and is ended by its pid with the test.
package mailtest
