package s3state

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/mailform/mailform/engine/state"
	"github.com/minio/minio-go/v7"
)

const (
	// requestTries is how often the library sends a request that fails.
	requestTries = 4
	// writeTimeout bounds one write: a server that is cut off without a word must
	// not hold an apply for ever.
	writeTimeout = 2 * time.Minute
	// maxObject bounds what is read of an object, in bytes.
	maxObject = 1 << 30
	// headFormat is the version of the head.
	headFormat = 1
)

// A head is what is at the key: what the state is made of, and who holds its lock.
type head struct {
	Format  int    `json:"mailform_s3"`
	Lineage string `json:"lineage"` // empty: never written
	Serial  uint64 `json:"serial"`
	// Token rises each time the lock is taken or taken away.
	Token    uint64     `json:"token"`
	Lock     *lockEntry `json:"lock,omitempty"` // nil: free
	Snapshot *part      `json:"snapshot,omitempty"`
	Journal  []part     `json:"journal,omitempty"`
	// Write is random, so that no two heads are the same.
	Write string `json:"write"`
}

// A lockEntry says who holds the lock. What counts for its end is when the
// server says that the head was written, not what its writer thought.
type lockEntry struct {
	state.LockInfo
	Heartbeat time.Time `json:"Heartbeat"`
	Lease     string    `json:"Lease"` // a Go duration
}

// A part is an object that holds a snapshot, or one write.
type part struct {
	Name   string `json:"name"`
	Serial uint64 `json:"serial"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// A sighting is what the server says of a head beside its content.
type sighting struct {
	etag string // empty: there is none
	// age is how long ago the head was written, by the server's clock.
	age time.Duration
}

// errNoObject is the error where there is no object of a name.
var errNoObject = errors.New("an object is missing")

// object reads an object whole.
func (b *Backend) object(ctx context.Context, name string) ([]byte, sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for try := 1; ; try++ {
		data, s, err := b.objectOnce(ctx, name)
		if err == nil {
			return data, s, nil
		}
		r := minio.ToErrorResponse(err)
		switch {
		case r.Code == minio.NoSuchKey:
			return nil, sighting{}, fmt.Errorf("%w: %s", errNoObject, name)
		// The library repeats what gets no answer, but not one that is cut off.
		case r.StatusCode != 0 && r.Code != "" && r.StatusCode < 500 || ctx.Err() != nil || try == requestTries:
			return nil, sighting{}, b.explain(err)
		}
	}
}

func (b *Backend) objectOnce(ctx context.Context, name string) ([]byte, sighting, error) {
	r, info, header, err := b.client.GetObject(ctx, b.o.Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, sighting{}, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxObject+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, sighting{}, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxObject {
		return nil, sighting{}, fmt.Errorf("read %s: it is larger than %d MiB", name, maxObject>>20)
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return data, sighting{info.ETag, now.Sub(info.LastModified)}, nil
}

// head reads the head; where there is none it is empty and has no ETag.
func (b *Backend) head(ctx context.Context) (head, sighting, error) {
	data, s, err := b.object(ctx, b.o.Key)
	if errors.Is(err, errNoObject) {
		return head{}, sighting{}, nil
	}
	if err != nil {
		return head{}, sighting{}, err
	}
	h, err := decodeHead(b.where(), data)
	return h, s, err
}

func decodeHead(name string, data []byte) (head, error) {
	var h head
	if err := json.Unmarshal(data, &h); err != nil || h.Format < 1 || h.Write == "" {
		return head{}, &state.DamageError{Path: name, Reason: "what is at the key is not what mailform writes there"}
	}
	if h.Format > headFormat {
		return head{}, &state.VersionError{Path: name, Format: h.Format}
	}
	serial := uint64(0)
	if h.Snapshot != nil {
		serial = h.Snapshot.Serial
	}
	for _, p := range h.Journal {
		if p.Serial != serial+1 {
			return head{}, &state.DamageError{Path: name, Reason: fmt.Sprintf("write %d follows write %d", p.Serial, serial)}
		}
		serial = p.Serial
	}
	if serial != h.Serial {
		return head{}, &state.DamageError{Path: name, Reason: fmt.Sprintf("its last write is %d, and snapshot and journal end with %d", h.Serial, serial)}
	}
	if (h.Snapshot != nil || len(h.Journal) > 0) && h.Lineage == "" {
		return head{}, &state.DamageError{Path: name, Reason: "the lineage is missing"}
	}
	return h, nil
}

// put writes the head where it still has that ETag, or where there is none. The
// error can say so (refused), or that nobody knows whether it was done.
func (b *Backend) put(ctx context.Context, h head, etag string) (newETag string, err error) {
	data, err := json.Marshal(h)
	if err != nil {
		return "", err
	}
	o := minio.PutObjectOptions{ContentType: "application/json", DisableMultipart: true}
	if etag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(etag)
	}
	info, err := b.send(ctx, b.o.Key, data, o)
	return info.ETag, err
}

func (b *Backend) send(ctx context.Context, name string, data []byte, o minio.PutObjectOptions) (minio.UploadInfo, error) {
	sum := sha256.Sum256(data)
	return b.client.PutObject(ctx, b.o.Bucket, name, bytes.NewReader(data), int64(len(data)), "", hex.EncodeToString(sum[:]), o)
}

// next makes the head that follows h.
func (h head) next() head {
	h.Format = headFormat
	h.Write = rand.Text()
	h.Journal = slices.Clone(h.Journal)
	if h.Lock != nil {
		l := *h.Lock
		l.Heartbeat = time.Now().UTC()
		h.Lock = &l
	}
	return h
}

// replaceHead writes the head that change makes of h, and says what is there then.
// Done is false where another was faster: then have is what there is.
func (b *Backend) replaceHead(ctx context.Context, h head, etag string, change func(*head) error) (have head, haveETag string, done bool, err error) {
	next := h.next()
	if err := change(&next); err != nil {
		return head{}, "", false, err
	}
	newETag, err := b.put(ctx, next, etag)
	if err == nil {
		return next, newETag, true, nil
	}
	// The answer to a write that was done may be lost, and the library then has
	// repeated it, which is refused: only what is there can tell.
	have, s, herr := b.head(ctx)
	switch {
	case herr != nil:
		return head{}, "", false, errors.Join(b.explain(err), herr)
	case have.Write == next.Write:
		return have, s.etag, true, nil
	case !refused(err) && s.etag == etag:
		return head{}, "", false, b.explain(err)
	}
	return have, s.etag, false, nil
}

// explain says what to do about an error of the server.
func (b *Backend) explain(err error) error {
	if err == nil {
		return nil
	}
	r := minio.ToErrorResponse(err)
	switch {
	case r.Code == minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %q; mailform does not make one", b.o.Bucket)
	case r.Code == "NotImplemented":
		return fmt.Errorf("the server cannot do what the state needs, conditional writes: %w", err)
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized || r.Code == "InvalidAccessKeyId":
		return fmt.Errorf("the server does not permit it (%s): check access_key and secret_key, and what they may do in the bucket %s", r.Code, b.o.Bucket)
	case r.StatusCode == http.StatusMovedPermanently:
		return fmt.Errorf("the bucket %s is in another region than %s: set region: %w", b.o.Bucket, b.o.Region, err)
	}
	return err
}
