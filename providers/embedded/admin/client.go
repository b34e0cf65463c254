package admin

import (
	"context"
	"errors"
)

// ErrNotRunning: no daemon serves the data directory.
var ErrNotRunning = errors.New("no daemon is running")

// A Client calls the daemon of one data directory.
type Client struct{ dir string }

// NewClient makes a client; nothing is opened before the first call.
func NewClient(dataDir string) *Client { return &Client{dataDir} }

// Resources lists everything.
func (c *Client) Resources(ctx context.Context) (*Resources, error) { return nil, ErrNotRunning }

// Apply carries out a batch.
func (c *Client) Apply(ctx context.Context, r ApplyRequest) (*ApplyResponse, error) {
	return nil, ErrNotRunning
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (*Status, error) { return nil, ErrNotRunning }

// Stop asks the daemon to end; it returns before that has happened.
func (c *Client) Stop(ctx context.Context) error { return ErrNotRunning }

// Version of the daemon's binary.
func (c *Client) Version(ctx context.Context) (string, error) { return "", ErrNotRunning }
