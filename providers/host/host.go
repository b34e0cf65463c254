package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// A Host is a machine that a provider acts on. It may be used by several
// goroutines at once.
type Host interface {
	// Run runs a program to its end, without a shell. A program that ends with
	// another exit status than 0 is no error: see [Output.Err]. What it leaves
	// behind, as a daemon, goes on.
	Run(ctx context.Context, c Command) (Output, error)

	// Read reads files. The result has one for each path, in their order; one
	// that is not there is no error. Links are followed.
	Read(ctx context.Context, paths ...string) ([]File, error)

	// List lists what is in a directory, sorted by name. A directory that is not
	// there has nothing.
	List(ctx context.Context, dir string) ([]Entry, error)

	// Write puts files in their places. All of them are written beside their
	// places and on the disk before the first is put there, so that a full disk or
	// a missing permission leaves everything as it was; each is put there in one
	// go. It fails with [ErrChanged], and changes nothing, where one is no longer
	// as File.Was says. A link stays, and what it leads to is written.
	Write(ctx context.Context, files ...File) error

	// Mkdir makes directories with those around them. One that is there is left
	// as it is.
	Mkdir(ctx context.Context, dirs ...Dir) error

	// Remove removes files. One that is not there is no error.
	Remove(ctx context.Context, paths ...string) error

	// Close ends the connection.
	Close() error

	// String names the machine in messages: "this machine", "mail1.example.com".
	String() string
}

// A Command is a program with its arguments.
type Command struct {
	// Args has the program, by its path or by a name that is looked for in the
	// PATH and in the sbin directories, and its arguments.
	Args  []string
	Stdin []byte
	// Env are further variables, NAME=value. The language is always C.
	Env []string
	// Dir is where it runs; empty: anywhere.
	Dir string
}

// Cmd is a command of a program and its arguments.
func Cmd(args ...string) Command { return Command{Args: args} }

// Output is what came of a command.
type Output struct {
	Stdout, Stderr []byte
	// Code is the exit status; -1 for a program that a signal ended.
	Code int
}

// Err is an error with what the program has said, where its exit status is not 0.
func (o Output) Err(c Command) error {
	if o.Code == 0 {
		return nil
	}
	return &ExitError{Program: filepath.Base(c.Args[0]), Code: o.Code, Said: said(o)}
}

// An ExitError is a program that ended with another exit status than 0.
type ExitError struct {
	Program string
	Code    int
	// Said is the end of its output, in one line.
	Said string
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("ended with exit status %d", e.Code)
	if e.Code < 0 {
		how = "was ended by a signal"
	}
	if e.Said == "" {
		return fmt.Sprintf("%s %s, without a word", e.Program, how)
	}
	return fmt.Sprintf("%s %s: %s", e.Program, how, e.Said)
}

// shownOutput is how much of what a program says is shown, in bytes.
const shownOutput = 2000

func said(o Output) string {
	out := o.Stderr
	if len(strings.TrimSpace(string(out))) == 0 {
		out = o.Stdout
	}
	if len(out) > shownOutput {
		out = out[len(out)-shownOutput:]
	}
	return strings.TrimSuffix(strings.Join(strings.Fields(strings.ToValidUTF8(string(out), "?")), " "), ".")
}

// Must runs a command whose exit status has to be 0.
func Must(ctx context.Context, h Host, c Command) (Output, error) {
	out, err := h.Run(ctx, c)
	if err == nil {
		err = out.Err(c)
	}
	return out, err
}

// A File is a file, as it was read or as it is to be.
type File struct {
	// Path is absolute.
	Path    string
	Content []byte
	// Exists is set by Read.
	Exists bool
	// Mode are its permissions. For Write 0 stands for those that it has, or 0644.
	Mode fs.FileMode
	// Owner is "user:group", by names or numbers. For Write an empty one stands for
	// the one that it has, or whoever writes.
	Owner string
	// Was is, for Write, the [File.Digest] of what has to be there. Empty: anything.
	Was string
	// Backup has Write keep what was there beside it, under [BackupOf] its path,
	// unless there is such a file already: once for each file, as it was before
	// mailform came.
	Backup bool
	// Settled has Write date the file a few seconds back. Programs of Postfix wait
	// for one that was changed within the last two, as somebody could be in the
	// middle of writing it; here it is put in its place in one go.
	Settled bool
}

// settledAge is how many seconds a file that is to be [File.Settled] is dated back.
const settledAge = 3

// Absent is the digest of a file that is not there.
const Absent = "absent"

// Digest stands for the content of a file that was read.
func (f *File) Digest() string {
	if !f.Exists {
		return Absent
	}
	sum := sha256.Sum256(f.Content)
	return hex.EncodeToString(sum[:])
}

// With is the file with other content, to be written where nobody has changed
// it since it was read.
func (f File) With(content []byte) File {
	f.Was = f.Digest()
	f.Content, f.Exists = content, true
	return f
}

// BackupOf is where a file lies as it was before mailform first changed it.
func BackupOf(path string) string { return path + ".before-mailform" }

// A Dir is a directory to be made.
type Dir struct {
	Path string
	// Mode are its permissions; 0: 0755.
	Mode fs.FileMode
	// Owner as that of a [File].
	Owner string
}

// An Entry is something in a directory.
type Entry struct {
	Name string
	Mode fs.FileMode // with its type
	Size int64       // bytes
}

// ErrChanged is the error of a file that is no longer as it was read.
var ErrChanged = errors.New("changed since it was read")

// MaxFile bounds files that are read, in bytes.
const MaxFile = 256 << 20
