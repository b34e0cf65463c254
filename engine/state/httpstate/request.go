package httpstate

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/mailform/mailform/engine/state"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 1 << 30

// maxWait bounds the time between two tries.
const maxWait = 30 * time.Second

type request struct {
	method, address string
	id              string // of the lock that a write is made under
	body            []byte // nil: none
}

// An answer has been read in full.
type answer struct {
	status int
	body   []byte
}

// send sends a request, and again where no answer came or the server has
// trouble: all requests of the protocol may be repeated.
func (b *Backend) send(ctx context.Context, r request) (answer, error) {
	pause := b.o.RetryWait
	for try := 0; ; try++ {
		a, err := b.once(ctx, r)
		if err == nil && a.status < 500 && a.status != http.StatusTooManyRequests {
			return a, nil
		}
		if try >= b.o.RetryMax || ctx.Err() != nil {
			return a, err
		}
		if err := wait(ctx, pause); err != nil {
			return answer{}, err
		}
		pause = min(2*pause, maxWait)
	}
}

func (b *Backend) once(ctx context.Context, r request) (answer, error) {
	address := r.address
	if r.id != "" {
		u, err := url.Parse(address)
		if err != nil {
			return answer{}, err
		}
		q := u.Query()
		q.Set("ID", r.id)
		u.RawQuery = q.Encode()
		address = u.String()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return answer{}, err
	}
	if r.body != nil {
		sum := md5.Sum(r.body) // the protocol's, against accidents
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	if b.o.Username != "" || b.o.Password != "" {
		req.SetBasicAuth(b.o.Username, b.o.Password)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err // package url hides a password in the address
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(got) > maxBody {
		err = fmt.Errorf("it is larger than %d MiB", maxBody>>20)
	}
	if err != nil {
		return answer{}, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer{resp.StatusCode, got}, nil
}

// wait waits, or until the context ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// refusal is an answer as an error. What the server says may hold anything, and
// is not repeated.
func (a answer) refusal() error {
	hint := ""
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		hint = "; check username and password"
	case http.StatusMethodNotAllowed:
		hint = "; check the methods (GitLab: lock_method = \"POST\", unlock_method = \"DELETE\")"
	}
	return fmt.Errorf("the server answered %d %s%s", a.status, http.StatusText(a.status), hint)
}

// holder says who holds the lock by now, where the server tells it.
func (a answer) holder() string {
	if l, ok := decodeLock(a.body); ok {
		return fmt.Sprintf("; the lock is held by %s (operation %s, lock id %s)", l.Who, l.Operation, l.ID)
	}
	return ""
}

func (a answer) lockedError() error {
	l, _ := decodeLock(a.body)
	return &state.LockedError{
		Info: state.LockInfo{ID: l.ID, Operation: l.Operation, Who: l.Who, PID: l.PID, Created: l.Created, Job: l.Info},
		Ends: "the lock stays until it is released; if that run is no more: mailform force-unlock " + l.ID,
	}
}
