// Package console evaluates expressions that people type, against a
// configuration and what the state knows of it.
//
// A [Console] is where to start: it is handed lines and answers with text. It
// reads and writes nothing itself, and never shows a sensitive value.
package console
