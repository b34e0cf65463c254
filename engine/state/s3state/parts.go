package s3state

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/mailform/mailform/engine/state"
	"github.com/minio/minio-go/v7"
)

// Kinds of parts; they end the names of objects.
const (
	kindSnapshot = "snapshot"
	kindJournal  = "journal"
)

// The journal becomes a snapshot when the lock is released where it has more
// parts than this, or more bytes than this and half of the snapshot's.
const (
	compactParts = 24
	compactBytes = 256 << 10
)

// readers is how many parts are read at once.
const readers = 8

// folder is what the names of all parts begin with.
func (b *Backend) folder() string { return b.o.Key + ".parts/" }

// upload writes a part under a name of its own. The token in it tells a later
// holder of the lock whose it is.
func (b *Backend) upload(ctx context.Context, kind string, token, serial uint64, data []byte) (part, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	sum := sha256.Sum256(data)
	p := part{
		Name:   fmt.Sprintf("%08d-%08d-%s.%s", token, serial, strings.ToLower(rand.Text()[:10]), kind),
		Serial: serial, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
	}
	_, err := b.send(ctx, b.folder()+p.Name, data, minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true})
	return p, b.explain(err)
}

// assemble makes the state of what a head names.
func (b *Backend) assemble(ctx context.Context, h head) (st *state.State, stale bool, err error) {
	st = (&state.State{Lineage: h.Lineage}).Clone()
	parts := h.Journal
	if h.Snapshot != nil {
		parts = append([]part{*h.Snapshot}, h.Journal...)
	}
	data, err := b.download(ctx, parts)
	if err != nil {
		return nil, false, err
	}
	for i, p := range parts {
		name := b.folder() + p.Name
		current := true
		if h.Snapshot != nil && i == 0 {
			if st, current, err = state.DecodeState(b.o.Keys, name, data[i]); err == nil && (st.Lineage != h.Lineage || st.Serial != p.Serial) {
				err = &state.DamageError{Path: name, Reason: "it belongs to another state"}
			}
		} else {
			var entries []state.Entry
			if entries, current, err = state.DecodeWrite(b.o.Keys, name, h.Lineage, p.Serial, data[i]); err == nil {
				st.Apply(entries)
			}
		}
		if err != nil {
			return nil, false, err
		}
		stale = stale || !current
	}
	st.Serial = h.Serial
	return st, stale, nil
}

// download reads parts, several at once, and holds them to their checksums.
func (b *Backend) download(ctx context.Context, parts []part) ([][]byte, error) {
	data := make([][]byte, len(parts))
	errs := make([]error, len(parts))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, p := range parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			name := b.folder() + p.Name
			if data[i], _, errs[i] = b.object(ctx, name); errs[i] != nil {
				return
			}
			if sum := sha256.Sum256(data[i]); hex.EncodeToString(sum[:]) != p.SHA256 {
				errs[i] = &state.DamageError{Path: name, Reason: "the checksum does not match"}
			}
		})
	}
	wg.Wait()
	return data, errors.Join(errs...)
}

// compact makes a snapshot of a journal that has grown long.
func (b *Backend) compact(ctx context.Context) error {
	if !b.known {
		return nil
	}
	h := b.held.seen()
	size, whole := int64(0), int64(0)
	for _, p := range h.Journal {
		size += p.Size
	}
	if h.Snapshot != nil {
		whole = h.Snapshot.Size
	}
	if len(h.Journal) <= compactParts && (size <= compactBytes || size <= whole/2) {
		return nil
	}
	if _, err := b.rewrite(ctx); err != nil {
		return fmt.Errorf("compact state: %w", err)
	}
	return nil
}

// sweep removes the parts that nothing names any more: of this holder of the lock
// and of earlier ones. Those of a later one it leaves, should there be one. What
// it cannot remove is only in the way, and the next one tries again.
func (b *Backend) sweep(ctx context.Context) {
	h := b.held.seen()
	named := map[string]bool{}
	for _, p := range h.Journal {
		named[p.Name] = true
	}
	if h.Snapshot != nil {
		named[h.Snapshot.Name] = true
	}
	for o := range b.client.Client.ListObjects(ctx, b.o.Bucket, minio.ListObjectsOptions{Prefix: b.folder(), Recursive: true}) {
		name := strings.TrimPrefix(o.Key, b.folder())
		token, _, _ := strings.Cut(name, "-")
		if n, err := strconv.ParseUint(token, 10, 64); o.Err != nil || err != nil || n > h.Token || named[name] {
			continue
		}
		_ = b.client.RemoveObject(ctx, b.o.Bucket, o.Key, minio.RemoveObjectOptions{}) // see above
	}
}
