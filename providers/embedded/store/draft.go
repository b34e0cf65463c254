package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// draftMemory is how much of a draft is kept in memory before it goes to a file.
const draftMemory = 256 << 10

// A Draft is a message that is still being received. It takes little memory
// whatever its size. It is used by one goroutine at a time.
type Draft struct {
	dir   string
	limit int64

	head []byte // put on top by Prepend
	mem  []byte
	file *os.File // unlinked; nil while mem is enough
	size int64    // of what was written, without head
	err  error    // of the first failed write
}

// NewDraft makes an empty draft of at most limit bytes, not counting what is put
// on top later; 0 means no limit. A large one goes to a file in dir that has no
// name, so that nothing is left of it after a crash.
func NewDraft(dir string, limit int64) *Draft { return &Draft{dir: dir, limit: limit} }

// NewDraft makes a draft with the store's own folder for large ones.
func (s *Store) NewDraft(limit int64) *Draft {
	return NewDraft(filepath.Join(s.dir, tmpDir), limit)
}

// Write adds to the end. The error beyond the limit is [ErrTooLarge]; what was
// written before stays.
func (d *Draft) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.limit > 0 && int64(len(p)) > d.limit-d.size {
		d.err = ErrTooLarge
		return 0, d.err
	}
	if d.file == nil && d.size+int64(len(p)) > draftMemory {
		if d.err = d.spill(); d.err != nil {
			return 0, d.err
		}
	}
	if d.file == nil {
		d.mem = append(d.mem, p...)
		d.size += int64(len(p))
		return len(p), nil
	}
	n, err := d.file.WriteAt(p, d.size)
	d.size += int64(n)
	if err != nil {
		d.err = fmt.Errorf("write draft: %w", err)
	}
	return n, d.err
}

// ReadFrom adds all that r has to the end. What is small goes at once to where it
// stays.
func (d *Draft) ReadFrom(r io.Reader) (n int64, err error) {
	most := int64(draftMemory)
	if d.limit > 0 {
		most = min(most, d.limit)
	}
	for d.err == nil && d.file == nil && d.size < most {
		if len(d.mem) == cap(d.mem) {
			// It doubles, from what most messages are.
			d.mem = slices.Grow(d.mem, int(min(most-d.size, max(d.size, 8<<10))))
		}
		k, err := r.Read(d.mem[len(d.mem):min(cap(d.mem), int(most))])
		d.mem = d.mem[:len(d.mem)+k]
		d.size += int64(k)
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	buf := make([]byte, 1) // to see that there is no more
	if d.limit == 0 || d.size < d.limit {
		buf = make([]byte, 32<<10)
	}
	k, err := io.CopyBuffer(struct{ io.Writer }{d}, struct{ io.Reader }{r}, buf)
	return n + k, err
}

// spill moves what is in memory to a file.
func (d *Draft) spill() error {
	f, err := os.CreateTemp(d.dir, "draft-")
	if err != nil {
		return fmt.Errorf("make draft: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("unlink draft: %w", err), f.Close())
	}
	if _, err := f.WriteAt(d.mem, 0); err != nil {
		return errors.Join(fmt.Errorf("write draft: %w", err), f.Close())
	}
	d.file, d.mem = f, nil
	return nil
}

// Prepend puts b on top of all that is there. It is meant for header fields,
// which are kept in memory.
func (d *Draft) Prepend(b []byte) {
	head := make([]byte, 0, len(b)+len(d.head))
	d.head = append(append(head, b...), d.head...)
}

// Size in bytes, with what was put on top.
func (d *Draft) Size() int64 { return int64(len(d.head)) + d.size }

// ReadAt reads the message with what was put on top.
func (d *Draft) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read draft: negative offset")
	}
	if h := int64(len(d.head)); off < h {
		n = copy(p, d.head[off:])
		p, off = p[n:], 0
	} else {
		off -= h
	}
	if len(p) == 0 {
		return n, nil
	}
	if d.file != nil {
		m, err := d.file.ReadAt(p, off)
		return n + m, err
	}
	m := 0
	if off < int64(len(d.mem)) {
		m = copy(p, d.mem[off:])
	}
	if m < len(p) {
		return n + m, io.EOF
	}
	return n + m, nil
}

// Reader reads the draft from its beginning, as it is now.
func (d *Draft) Reader() *io.SectionReader { return io.NewSectionReader(d, 0, d.Size()) }

// Close frees what the draft takes. It may be called more than once.
func (d *Draft) Close() error {
	f := d.file
	d.head, d.mem, d.file, d.size = nil, nil, nil, 0
	d.err = os.ErrClosed
	if f == nil {
		return nil
	}
	return f.Close()
}
