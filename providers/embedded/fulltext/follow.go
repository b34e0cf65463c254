package fulltext

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A Source is the store whose bodies are indexed.
type Source interface {
	// LastBody is the highest ID that a body has ever had.
	LastBody(ctx context.Context) (int64, error)
	// NewestBody is the highest ID that a body has now; 0: there is none.
	NewestBody(ctx context.Context) (int64, error)
	// BodiesAfter lists bodies with higher IDs, by rising ID, n at most, and their
	// sizes in bytes.
	BodiesAfter(ctx context.Context, after int64, n int) (ids, sizes []int64, err error)
	// Text is the folded text of a body; whole is false where it is only some of it.
	// A body that is not there any more has none.
	Text(ctx context.Context, body int64) (text string, whole bool, err error)
}

// How the index is kept up. Deliveries come first: it rests after each batch, longer
// than that took where mail has come meanwhile. Searches and the like share the
// machine with it otherwise, too.
const (
	batch      = 64
	rest       = 2 // times what a batch took
	shortRest  = 4 // that part of what a batch took
	look       = time.Second
	sweepEvery = time.Hour
	sweepBatch = 4096
)

// Follow keeps the index up with a store until ctx ends.
func (x *Index) Follow(ctx context.Context, src Source, log *slog.Logger) {
	swept := time.Now()
	for ctx.Err() == nil {
		n, wait, err := x.step(ctx, src)
		if n == 0 {
			wait = look
		}
		if err == nil && time.Since(swept) > sweepEvery {
			swept = time.Now()
			err = x.Sweep(ctx, src)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("keep up the search index", "error", err)
			wait = time.Minute
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// step takes in a batch, and says how long to rest then.
func (x *Index) step(ctx context.Context, src Source) (n int, wait time.Duration, err error) {
	newest, err := src.NewestBody(ctx)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if n, err = x.CatchUp(ctx, src, batch); err != nil {
		return n, 0, err
	}
	took := time.Since(began)
	now, err := src.NewestBody(ctx)
	if now > newest {
		return n, took * rest, err
	}
	return n, took / shortRest, err
}

var errOther = errors.New("it is that of another store, or of an older state of this one")

// check finds out whether the index is that of the store: the last body that it
// knows is one of the store's, and has its size unless it has gone.
func (x *Index) check(ctx context.Context, src Source) error {
	var last, size int64
	err := x.write.QueryRowContext(ctx, `SELECT id, size FROM known ORDER BY id DESC LIMIT 1`).Scan(&last, &size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	given, err := src.LastBody(ctx)
	if err != nil {
		return err
	}
	ids, sizes, err := src.BodiesAfter(ctx, last-1, 1)
	if err != nil {
		return err
	}
	if given < last || len(ids) > 0 && ids[0] == last && sizes[0] != size {
		return errOther
	}
	return nil
}

// CatchUp takes in up to n bodies that are new. It returns how many there were.
func (x *Index) CatchUp(ctx context.Context, src Source, n int) (int, error) {
	var last int64
	if err := x.write.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM known`).Scan(&last); err != nil {
		return 0, fmt.Errorf("read the index: %w", err)
	}
	ids, sizes, err := src.BodiesAfter(ctx, last, n)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	texts, whole := make([]string, len(ids)), make([]bool, len(ids))
	for i, id := range ids {
		if texts[i], whole[i], err = src.Text(ctx, id); err != nil {
			return 0, err
		}
	}
	tx, err := x.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("write the index: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	for i, id := range ids {
		if _, err := tx.ExecContext(ctx, `INSERT INTO body (rowid, text) VALUES (?, ?)`, id, strings.ToValidUTF8(texts[i], "\uFFFD")); err != nil {
			return 0, fmt.Errorf("write the index: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO known (id, size, partial) VALUES (?, ?, ?)`, id, sizes[i], !whole[i]); err != nil {
			return 0, fmt.Errorf("write the index: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("write the index: %w", err)
	}
	return len(ids), nil
}

// Sweep takes out bodies that are not there any more, but for the last: it says up
// to where the index goes.
func (x *Index) Sweep(ctx context.Context, src Source) error {
	for from := int64(0); ; {
		known, err := x.known(ctx, from)
		if err != nil || len(known) < 2 {
			return err
		}
		last := known[len(known)-1]
		there := map[int64]bool{}
		for at := known[0] - 1; at < last; {
			ids, _, err := src.BodiesAfter(ctx, at, sweepBatch)
			if err != nil {
				return err
			}
			for _, id := range ids {
				there[id] = true
			}
			if len(ids) < sweepBatch {
				break
			}
			at = ids[len(ids)-1]
		}
		var gone []int64
		for _, id := range known[:len(known)-1] {
			if !there[id] {
				gone = append(gone, id)
			}
		}
		if err := x.remove(ctx, gone); err != nil {
			return err
		}
		from = last
	}
}

// known lists some of the bodies in the index, from one on.
func (x *Index) known(ctx context.Context, from int64) ([]int64, error) {
	rows, err := x.write.QueryContext(ctx, `SELECT id FROM known WHERE id >= ? ORDER BY id LIMIT ?`, from, sweepBatch)
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (x *Index) remove(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	tx, err := x.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	for _, id := range ids {
		for _, q := range []string{`DELETE FROM body WHERE rowid = ?`, `DELETE FROM known WHERE id = ?`} {
			if _, err := tx.ExecContext(ctx, q, id); err != nil {
				return fmt.Errorf("write the index: %w", err)
			}
		}
	}
	return tx.Commit()
}
