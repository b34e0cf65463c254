package imap

import (
	"context"
	"io"

	"github.com/mailform/mailform/providers/embedded/store"
)

// mostAhead bounds how many bytes of bodies one FETCH holds in memory. A body that
// is larger is read piece by piece.
const mostAhead = 256 << 10

// ahead holds bodies of messages that a command comes to next, so that many small
// ones are read from the store together.
type ahead struct {
	buf  []byte
	list []aheadBody // by rising UID
	next int         // those of list before it are done with
	last int         // index of the view up to which it has been read; -1: nothing has
}

// An aheadBody is where a body lies in buf.
type aheadBody struct {
	uid        uint32
	start, end int
}

// body is that of the message at the first of the rising indexes, for as long as
// body is not called again; nil: it has to be opened.
func (a *ahead) body(ctx context.Context, st *store.Store, v *view, indexes []int) (store.Body, error) {
	if indexes[0] > a.last {
		if err := a.read(ctx, st, v, indexes); err != nil {
			return nil, err
		}
	}
	uid := v.msgs[indexes[0]].UID
	for a.next < len(a.list) && a.list[a.next].uid < uid {
		a.next++
	}
	if a.next == len(a.list) || a.list[a.next].uid != uid {
		return nil, nil
	}
	return memory(a.buf[a.list[a.next].start:a.list[a.next].end]), nil
}

// read reads the bodies of messages that follow one another in the view.
func (a *ahead) read(ctx context.Context, st *store.Store, v *view, indexes []int) error {
	first, n, size := indexes[0], 0, int64(0)
	for n < len(indexes) && indexes[n] == first+n && v.msgs[first+n].Size <= mostAhead-size {
		size += v.msgs[first+n].Size
		n++
	}
	a.buf, a.list, a.next, a.last = a.buf[:0], a.list[:0], 0, first+max(n, 1)-1
	if n < 2 { // nothing is gained
		return nil
	}
	return st.SmallBodies(ctx, v.mailbox.ID, v.msgs[first].UID, v.msgs[a.last].UID, func(uid uint32, body []byte) {
		start := len(a.buf)
		a.buf = append(a.buf, body...)
		a.list = append(a.list, aheadBody{uid, start, len(a.buf)})
	})
}

// memory is a body that has been read.
type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }

func (memory) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
