// Package source says where the files of a module come from: it reads the
// argument source of a module block, and keeps the lock file that pins each
// module which lies elsewhere to a commit and to its content.
//
// [Parse] is where to start. [Lock] is the lock file, [Hash] the content of a
// directory in one line. What fetches modules is in package git below; this
// package reads and writes files of the directory and runs nothing.
package source
