package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrNotRunning: no daemon serves the data directory.
var ErrNotRunning = errors.New("no daemon is running")

// ErrNoSuchCall: the daemon is of another version and does not know the call.
var ErrNoSuchCall = errors.New("the daemon does not know the call")

// A Client calls the daemon of one data directory. Every method returns
// ErrNotRunning where there is none, and an [*Error] where the daemon refuses.
type Client struct {
	http http.Client
}

// NewClient makes a client; nothing is opened before the first call.
func NewClient(dataDir string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dataDir) },
		DisableKeepAlives: true, // calls are few, and a client has no end of its own
	}}}
}

// NewClientBy makes a client that reaches the daemon in another way: through a
// bridge. Its connections are kept for a while.
func NewClientBy(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxConnsPerHost: 4, // a machine grants few sessions
		IdleConnTimeout: 30 * time.Second,
	}}}
}

// Dial connects to the daemon of a data directory. ErrNotRunning: there is none.
func Dial(ctx context.Context, dataDir string) (net.Conn, error) { return dial(ctx, dataDir) }

// Place asks a bridge about the data directory.
func (c *Client) Place(ctx context.Context) (*Place, error) {
	out := new(Place)
	return out, c.call(ctx, http.MethodGet, "/v1/place", nil, out)
}

// Holds asks a bridge whether another directory holds a store.
func (c *Client) Holds(ctx context.Context, dir string) (bool, error) {
	out := new(Holds)
	err := c.call(ctx, http.MethodGet, "/v1/place/holds?dir="+url.QueryEscape(dir), nil, out)
	return out.Store, err
}

// Lying asks a bridge for resources of the store where it lies: some, or with nil
// all. An [*Error] with the code "absent": there is no store.
func (c *Client) Lying(ctx context.Context, ids []ID) ([]Resource, error) {
	out := new(Resources)
	err := c.call(ctx, http.MethodPost, "/v1/place/resources", FindRequest{ids}, out)
	return out.Resources, err
}

// ApplyLying has a bridge carry out a batch in the store where it lies.
func (c *Client) ApplyLying(ctx context.Context, r ApplyRequest) (*ApplyResponse, error) {
	out := new(ApplyResponse)
	return out, c.call(ctx, http.MethodPost, "/v1/place/apply", r, out)
}

// Claim has a bridge take the data directory for a workspace.
func (c *Client) Claim(ctx context.Context, r ClaimRequest) error {
	return c.call(ctx, http.MethodPost, "/v1/place/claim", r, nil)
}

// Start has a bridge start the daemon in a session of its own.
func (c *Client) Start(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/place/start", nil, nil)
}

// Resources lists everything.
func (c *Client) Resources(ctx context.Context) (*Resources, error) {
	out := new(Resources)
	return out, c.call(ctx, http.MethodGet, "/v1/resources", nil, out)
}

// Find lists those of some resources that are there. ErrNoSuchCall: the daemon is
// an older one.
func (c *Client) Find(ctx context.Context, ids []ID) (*Resources, error) {
	out := new(Resources)
	return out, c.call(ctx, http.MethodPost, "/v1/resources/find", FindRequest{ids}, out)
}

// Apply carries out a batch: all of it, durably, or nothing.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (*ApplyResponse, error) {
	out := new(ApplyResponse)
	return out, c.call(ctx, http.MethodPost, "/v1/apply", r, out)
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	out := new(Status)
	return out, c.call(ctx, http.MethodGet, "/v1/status", nil, out)
}

// SignedZones tells how far signed zones have come: all, or the one that is named.
func (c *Client) SignedZones(ctx context.Context, zone string) ([]SignedZone, error) {
	var out SignedZones
	err := c.call(ctx, http.MethodGet, "/v1/dnssec?zone="+url.QueryEscape(zone), nil, &out)
	return out.Zones, err
}

// Sign asks for a change of the keys of a zone.
func (c *Client) Sign(ctx context.Context, r SigningRequest) error {
	return c.call(ctx, http.MethodPost, "/v1/dnssec", r, nil)
}

// Queue lists the queue.
func (c *Client) Queue(ctx context.Context) ([]QueueEntry, error) {
	var out Queue
	err := c.call(ctx, http.MethodGet, "/v1/queue", nil, &out)
	return out.Entries, err
}

// Slowed lists whose logins have to wait.
func (c *Client) Slowed(ctx context.Context) ([]SlowedLogin, error) {
	var out Slowed
	err := c.call(ctx, http.MethodGet, "/v1/slowed", nil, &out)
	return out.Logins, err
}

// Unlock forgets the failed logins of accounts and networks, and returns of whom there
// were any.
func (c *Client) Unlock(ctx context.Context, who []string) ([]string, error) {
	var out Unlocked
	err := c.call(ctx, http.MethodPost, "/v1/unlock", UnlockRequest{who}, &out)
	return out.Who, err
}

// AppPasswords lists the app passwords of a user; of all for an empty name.
func (c *Client) AppPasswords(ctx context.Context, user string) ([]AppPassword, error) {
	var out AppPasswords
	err := c.call(ctx, http.MethodGet, "/v1/app-passwords?user="+url.QueryEscape(user), nil, &out)
	return out.AppPasswords, err
}

// ChangeAppPassword adds or removes an app password, and returns it; one that was
// added with its secret.
func (c *Client) ChangeAppPassword(ctx context.Context, r AppPasswordRequest) (*AppPassword, error) {
	out := new(AppPassword)
	return out, c.call(ctx, http.MethodPost, "/v1/app-passwords", r, out)
}

// Message writes the message of a queue entry.
func (c *Client) Message(ctx context.Context, id int64, w io.Writer) error {
	return c.call(ctx, http.MethodGet, "/v1/queue/"+strconv.FormatInt(id, 10), nil, w)
}

// ChangeQueue asks for a change of queue entries, and returns how many of them
// were there.
func (c *Client) ChangeQueue(ctx context.Context, r QueueRequest) (int, error) {
	var out QueueChanged
	err := c.call(ctx, http.MethodPost, "/v1/queue", r, &out)
	return out.Changed, err
}

// Stop asks the daemon to end; it returns before that has happened.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/stop", nil, nil)
}

// Version of the daemon's binary.
func (c *Client) Version(ctx context.Context) (string, error) {
	var out Version
	err := c.call(ctx, http.MethodGet, "/v1/version", nil, &out)
	return out.Version, err
}

// maxErrorBody bounds what is read of an answer that is none of ours.
const maxErrorBody = 64 << 10

// call makes a call. The answer is decoded, or written where out is a writer.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://mailform"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, ErrNotRunning) {
			return ErrNotRunning
		}
		return fmt.Errorf("call the daemon: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		b, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
		refusal := new(Error)
		if err != nil || json.Unmarshal(b, refusal) != nil || refusal.Code == "" {
			if res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed {
				return fmt.Errorf("%w: %s answered %s", ErrNoSuchCall, path, res.Status)
			}
			return fmt.Errorf("call the daemon: %s answered %s", path, res.Status)
		}
		if refusal.Code == CodeNotRunning {
			return ErrNotRunning
		}
		return refusal
	}
	switch out := out.(type) {
	case nil:
		return nil
	case io.Writer:
		_, err := io.Copy(out, res.Body)
		return err
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", path, err)
	}
	return nil
}
