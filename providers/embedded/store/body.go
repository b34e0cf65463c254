package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
)

// chunkSize is the size of the pieces that bodies are stored in, and so the
// memory that reading one takes. Most messages are one piece.
const chunkSize = 128 << 10

// addBody stores a draft for refs messages and queue entries.
func (t *tx) addBody(d *Draft, refs int) (id int64, err error) {
	id, err = t.id("body")
	if err != nil {
		return 0, err
	}
	size := d.Size()
	buf := t.w.scratch(int(min(size, chunkSize)))
	for n, off := 0, int64(0); n == 0 || off < size; n++ {
		piece := buf[:min(size-off, chunkSize)]
		if _, err := io.ReadFull(io.NewSectionReader(d, off, int64(len(piece))), piece); err != nil {
			return 0, fmt.Errorf("read draft: %w", err)
		}
		if n == 0 {
			_, err = t.exec(`INSERT INTO body (id, refs, size, data) VALUES (?, ?, ?, ?)`, id, refs, size, piece)
		} else {
			_, err = t.exec(`INSERT INTO body_chunk (body, n, data) VALUES (?, ?, ?)`, id, n, piece)
		}
		if err != nil {
			return 0, fmt.Errorf("write body: %w", err)
		}
		off += int64(len(piece))
	}
	return id, nil
}

// scratch is a buffer for the change that is carried out.
func (w *writer) scratch(n int) []byte {
	if w.buf == nil || cap(w.buf) < n {
		w.buf = make([]byte, n, max(n, 16<<10))
	}
	return w.buf[:n]
}

// share adds references to a body.
func (t *tx) share(body int64, refs int) error {
	n, err := t.exec(`UPDATE body SET refs = refs + ? WHERE id = ?`, refs, body)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("share body %d: %w", body, err)
	}
	return nil
}

// release takes references away and deletes the body with the last one. size is
// that of the body.
func (t *tx) release(body, size int64, refs int) error {
	if size > chunkSize {
		// The pieces go first, for they refer to the body.
		if _, err := t.exec(`DELETE FROM body_chunk WHERE body = ? AND (SELECT refs FROM body WHERE id = ?) <= ?`, body, body, refs); err != nil {
			return fmt.Errorf("delete body %d: %w", body, err)
		}
	}
	n, err := t.exec(`DELETE FROM body WHERE id = ? AND refs <= ?`, body, refs)
	if err == nil && n == 0 {
		_, err = t.exec(`UPDATE body SET refs = refs - ? WHERE id = ?`, refs, body)
	}
	if err != nil {
		return fmt.Errorf("delete body %d: %w", body, err)
	}
	return nil
}

// OpenBody opens the body of a message or a queue entry. The error of a body
// that is not there any more is [ErrNotFound]; reading gives it, too, when the
// message is expunged meanwhile. ctx is used until the body is closed.
func (s *Store) OpenBody(ctx context.Context, body int64) (Body, error) {
	b := &storedBody{ctx: ctx, store: s, id: body}
	err := s.read.row(ctx, `SELECT size, data FROM body WHERE id = ?`, []any{body}, &b.size, &b.piece)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open body %d: %w", body, err)
	}
	return b, nil
}

// ReadBody reads a whole body into memory: for small ones.
func (s *Store) ReadBody(ctx context.Context, body int64) ([]byte, error) {
	b, err := s.OpenBody(ctx, body)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	p := make([]byte, b.Size())
	if _, err := io.ReadFull(io.NewSectionReader(b, 0, b.Size()), p); err != nil {
		return nil, err
	}
	return p, nil
}

// A storedBody reads a body piece by piece. It keeps the last piece that was
// read. It is used by one goroutine at a time.
type storedBody struct {
	ctx   context.Context
	store *Store
	id    int64
	size  int64
	n     int64  // which piece
	piece []byte // is this
}

func (b *storedBody) Size() int64 { return b.size }

func (b *storedBody) Close() error { b.piece = nil; b.n = -1; return nil }

// ReadAt implements io.ReaderAt, but not for several goroutines at once.
func (b *storedBody) ReadAt(p []byte, off int64) (read int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read body %d: negative offset", b.id)
	}
	for read < len(p) {
		if off >= b.size {
			return read, io.EOF
		}
		if err := b.load(off / chunkSize); err != nil {
			return read, err
		}
		at := off - b.n*chunkSize
		if at >= int64(len(b.piece)) {
			return read, fmt.Errorf("read body %d: piece %d is short: %w", b.id, b.n, io.ErrUnexpectedEOF)
		}
		n := copy(p[read:], b.piece[at:])
		read += n
		off += int64(n)
	}
	return read, nil
}

func (b *storedBody) load(n int64) error {
	if n == b.n {
		return nil
	}
	q, args := `SELECT data FROM body_chunk WHERE body = ? AND n = ?`, []any{b.id, n}
	if n == 0 {
		q, args = `SELECT data FROM body WHERE id = ?`, []any{b.id}
	}
	var piece []byte
	err := b.store.read.row(b.ctx, q, args, &piece)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("read body %d: %w", b.id, err)
	}
	b.n, b.piece = n, piece
	return nil
}
