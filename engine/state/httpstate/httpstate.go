package httpstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailform/mailform/engine/seal"
	"github.com/mailform/mailform/engine/state"
)

// Options say where the state is. What is empty has Terraform's defaults.
type Options struct {
	Address, UpdateMethod        string
	LockAddress, LockMethod      string
	UnlockAddress, UnlockMethod  string
	Username, Password           string
	Version                      string        // of mailform, for the lock
	Keys                         *seal.Keyring // nil: the state is plain
	RetryMax                     int           // after the first try; 0: 2, below: none
	RetryWait, Timeout, LockPoll time.Duration // of one request, and between asking for a lock; 0: 1 s, 2 min, 1 s
}

// WithEnviron takes what is empty from the environment: MF_HTTP_ADDRESS or else
// TF_HTTP_ADDRESS, and so on.
func (o Options) WithEnviron(environ []string) Options {
	fields := map[string]*string{
		"ADDRESS": &o.Address, "UPDATE_METHOD": &o.UpdateMethod, "LOCK_ADDRESS": &o.LockAddress, "LOCK_METHOD": &o.LockMethod,
		"UNLOCK_ADDRESS": &o.UnlockAddress, "UNLOCK_METHOD": &o.UnlockMethod, "USERNAME": &o.Username, "PASSWORD": &o.Password,
	}
	for _, prefix := range []string{"MF_HTTP_", "TF_HTTP_"} {
		for _, kv := range environ {
			key, value, _ := strings.Cut(kv, "=")
			name, ok := strings.CutPrefix(key, prefix)
			if field := fields[name]; ok && field != nil && *field == "" {
				*field = value
			}
		}
	}
	return o
}

// A Backend is one state on a server. It may be used by one goroutine at a time.
type Backend struct {
	o      Options
	client *http.Client

	lock *lockInfo // nil: not locked
	lost bool      // the server has refused the lock
	// current is what the server has, as is known under the lock; nil: unknown.
	current *state.State
	stale   bool // it is not sealed as it would be now
}

// Open checks the options. It sends nothing.
func Open(o Options) (*Backend, error) {
	if o.Address == "" {
		return nil, errors.New("the address of the state is missing: set address, or MF_HTTP_ADDRESS in the environment")
	}
	if o.LockAddress == "" {
		return nil, errors.New("the address of the lock is missing: set lock_address, or MF_HTTP_LOCK_ADDRESS in the environment. Without a lock two runs could overwrite each other's state")
	}
	defaults := []struct {
		field *string
		value string
	}{
		{&o.UpdateMethod, http.MethodPost}, {&o.LockMethod, "LOCK"}, {&o.UnlockMethod, "UNLOCK"}, {&o.UnlockAddress, o.LockAddress},
	}
	for _, d := range defaults {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	for _, address := range []string{o.Address, o.LockAddress, o.UnlockAddress} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("an address of the state is no URL that begins with http:// or https://") // it may hold a password
		}
	}
	if o.RetryMax == 0 {
		o.RetryMax = 2
	}
	for d, value := range map[*time.Duration]time.Duration{&o.RetryWait: time.Second, &o.Timeout: 2 * time.Minute, &o.LockPoll: time.Second} {
		if *d == 0 {
			*d = value
		}
	}
	return &Backend{o: o, client: &http.Client{Timeout: o.Timeout}}, nil
}

// Load implements [state.Backend].
func (b *Backend) Load(ctx context.Context) (*state.State, error) {
	a, err := b.send(ctx, request{method: http.MethodGet, address: b.o.Address})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	st := &state.State{}
	b.stale = false
	switch a.status {
	case http.StatusOK:
		if len(a.body) > 0 {
			var current bool
			if st, current, err = state.DecodeState(b.o.Keys, "at "+b.where(), a.body); err != nil {
				return nil, err
			}
			b.stale = !current
		}
	case http.StatusNoContent, http.StatusNotFound:
	default:
		return nil, fmt.Errorf("read state: %w", a.refusal())
	}
	if b.lock != nil {
		b.current = st.Clone()
	}
	return st.Clone(), nil
}

// Append implements [state.Backend]. It sends the state whole.
func (b *Backend) Append(ctx context.Context, entries []state.Entry) error {
	if err := b.ready(ctx); err != nil {
		return fmt.Errorf("append to state: %w", err)
	}
	next := b.current.Clone()
	if next.Lineage == "" {
		next.Lineage = state.NewLineage()
	} else if len(entries) == 0 && !b.stale {
		return nil
	}
	next.Apply(entries)
	if len(entries) > 0 {
		next.Serial++
	}
	return b.write(ctx, next)
}

// Replace implements [state.Backend].
func (b *Backend) Replace(ctx context.Context, next *state.State) error {
	if err := b.ready(ctx); err != nil {
		return fmt.Errorf("replace state: %w", err)
	}
	return b.write(ctx, next.Clone())
}

// ready checks the lock and finds out what there is.
func (b *Backend) ready(ctx context.Context) error {
	switch {
	case b.lock == nil:
		return state.ErrNotLocked
	case b.lost:
		return state.ErrLockLost
	case b.current == nil:
		_, err := b.Load(ctx)
		return err
	}
	return nil
}

func (b *Backend) write(ctx context.Context, next *state.State) error {
	data, err := state.EncodeState(b.o.Keys, next)
	if err != nil {
		return err
	}
	a, err := b.send(ctx, request{method: b.o.UpdateMethod, address: b.o.Address, id: b.lock.ID, body: data})
	if err != nil {
		// It may have arrived all the same: look again before the next.
		b.current = nil
		return fmt.Errorf("write state: %w", err)
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		b.current, b.stale = next, false
		return nil
	case http.StatusConflict, http.StatusLocked:
		b.current, b.lost = nil, true
		return fmt.Errorf("write state: %w: the server refused the write with %d %s%s", state.ErrLockLost, a.status, http.StatusText(a.status), a.holder())
	}
	b.current = nil
	return fmt.Errorf("write state: %w", a.refusal())
}

// where is the address without what may be secret in it.
func (b *Backend) where() string {
	u, err := url.Parse(b.o.Address)
	if err != nil {
		return "the server"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// lockInfo is a lock as the protocol has it. GitLab wants every field.
type lockInfo struct {
	ID        string    `json:"ID"`
	Operation string    `json:"Operation"`
	Info      string    `json:"Info"`
	Who       string    `json:"Who"`
	Version   string    `json:"Version"`
	Created   time.Time `json:"Created"`
	Path      string    `json:"Path"`
	PID       int       `json:"PID,omitempty"`
}

func decodeLock(body []byte) (lockInfo, bool) {
	var l lockInfo
	if json.Unmarshal(body, &l) != nil {
		return lockInfo{}, false
	}
	return l, l.ID != ""
}

// Workspaces implements [state.Keeper]: the protocol has no way to ask.
func (b *Backend) Workspaces(context.Context) ([]string, error) { return nil, errors.ErrUnsupported }

// Delete implements [state.Keeper]. Some servers delete nothing that is locked;
// they then have what a state without anything is.
func (b *Backend) Delete(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return fmt.Errorf("delete state: %w", err)
	}
	empty := &state.State{Lineage: b.current.Lineage, Serial: b.current.Serial + 1}
	if err := b.write(ctx, empty); err != nil {
		return err
	}
	b.current = nil
	a, err := b.send(ctx, request{method: http.MethodDelete, address: b.o.Address, id: b.lock.ID})
	if err != nil {
		return fmt.Errorf("delete state: %w", err)
	}
	switch a.status {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent, http.StatusNotFound:
		return nil
	}
	return fmt.Errorf("delete state: it is empty by now, and was not removed: %w", a.refusal())
}
