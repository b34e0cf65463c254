package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

// ErrNotRunning: no daemon serves the data directory.
var ErrNotRunning = errors.New("no daemon is running")

// A Client calls the daemon of one data directory. Every call is a connection
// of its own, so that there is nothing to close. Each returns an error that is
// [ErrNotRunning] when there is no daemon, and an *[Error] when the daemon
// refuses.
type Client struct {
	dataDir string
	http    http.Client
}

// NewClient makes a client; nothing is opened before the first call.
func NewClient(dataDir string) *Client {
	c := &Client{dataDir: dataDir}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, dataDir)
		},
	}
	return c
}

// Resources lists everything that the daemon holds.
func (c *Client) Resources(ctx context.Context) (*Resources, error) {
	var rs Resources
	err := c.call(ctx, http.MethodGet, "resources", nil, &rs)
	return orNil(&rs, err)
}

// Apply carries out a batch: all of it or nothing.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (*ApplyResponse, error) {
	var res ApplyResponse
	err := c.call(ctx, http.MethodPost, "apply", r, &res)
	return orNil(&res, err)
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var st Status
	err := c.call(ctx, http.MethodGet, "status", nil, &st)
	return orNil(&st, err)
}

// Stop asks the daemon to end; it returns before that has happened.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "stop", nil, &struct{}{})
}

// Version asks for the version of the daemon's binary.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v versionAnswer
	err := c.call(ctx, http.MethodGet, "version", nil, &v)
	return v.Version, err
}

// orNil keeps half an answer from being taken for one.
func orNil[T any](v *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// call sends a request, in JSON unless it is nil, and decodes the answer.
func (c *Client) call(ctx context.Context, method, name string, request, answer any) error {
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return fmt.Errorf("encode request to the daemon: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://daemon/v1/"+name, body)
	if err != nil {
		return fmt.Errorf("call the daemon: %w", err)
	}
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%s: %w", c.dataDir, ErrNotRunning)
	case err != nil:
		return fmt.Errorf("call the daemon of %s: %w", c.dataDir, errors.Unwrap(err)) // without the URL
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return refusal(res)
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("read the answer of the daemon of %s: %w", c.dataDir, err)
	}
	return nil
}

// refusal is the error of an answer that is not 2xx.
func refusal(res *http.Response) error {
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return fmt.Errorf("read the daemon's refusal: %w", err)
	}
	e := &Error{}
	if json.Unmarshal(text, e) != nil || e.Code == "" {
		return fmt.Errorf("the daemon answers %s: %s", res.Status, bytes.TrimSpace(text))
	}
	return e
}
