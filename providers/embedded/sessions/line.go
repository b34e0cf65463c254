package sessions

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrInterrupted is the error of a reading that is not begun any more.
var ErrInterrupted = errors.New("the server is shutting down")

// A Line is the connection of a session that reads commands: each reading has its
// time, and another goroutine can end the wait for the next one.
type Line struct {
	raw net.Conn

	mu          sync.Mutex
	interrupted bool // no more reading
}

// NewLine makes the line of a connection, without the TLS that may come over it.
func NewLine(raw net.Conn) *Line { return &Line{raw: raw} }

// Interrupt ends the wait for the next command, for good.
func (l *Line) Interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupted = true
	// A connection that is closed needs no interruption.
	_ = l.raw.SetReadDeadline(time.Now())
}

// Interrupted reports whether the wait has been ended.
func (l *Line) Interrupted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.interrupted
}

// Allow gives the next reading its time. The error is [ErrInterrupted] where there
// is to be none.
func (l *Line) Allow(d time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.interrupted {
		return ErrInterrupted
	}
	return l.raw.SetReadDeadline(time.Now().Add(d))
}

// Handshake begins TLS over the connection, which may take so long.
func (l *Line) Handshake(ctx context.Context, config *tls.Config, d time.Duration) (*tls.Conn, error) {
	if err := l.Allow(d); err != nil {
		return nil, err
	}
	c := tls.Server(l.raw, config)
	if err := l.raw.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return nil, err
	}
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// A DeadlineWriter gives each write its time.
type DeadlineWriter struct {
	net.Conn
	Block time.Duration
}

// Write implements io.Writer.
func (w DeadlineWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.Block)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
