// Package document describes the language to programs: a JSON Schema of files in
// JSON syntax, and, in Terraform's forms, the providers with what they keep, and
// the functions. Like the reference, all of it is made from package schema.
package document
