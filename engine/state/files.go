package state

import (
	"errors"
	"io"
	"os"
)

// files is what a Local writes with. Tests put in its place what fails as a disk
// does that is full or broken.
type files interface {
	open(name string, flag int) (file, error)
	rename(from, to string) error
	remove(name string) error
	// syncDir makes durable what a directory lists.
	syncDir(dir string) error
}

type file interface {
	io.Writer
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// osFiles are those of the operating system. Only their owner reads what it makes.
type osFiles struct{}

func (osFiles) open(name string, flag int) (file, error) { return os.OpenFile(name, flag, 0o600) }

func (osFiles) rename(from, to string) error { return os.Rename(from, to) }

func (osFiles) remove(name string) error { return os.Remove(name) }

func (osFiles) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
