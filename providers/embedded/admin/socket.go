package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// socketFile is the name of the socket in the data directory.
const socketFile = "admin.sock"

// maxSocketPath is the longest path that fits into a socket address on Linux
// (struct sockaddr_un, without the closing NUL). Data directories may lie deeper.
const maxSocketPath = 107

// withSocketPath calls f with a path of the socket that is short enough: if need
// be by way of an open descriptor of the directory.
func withSocketPath(dataDir string, f func(path string) error) error {
	path := filepath.Join(dataDir, socketFile)
	if len(path) <= maxSocketPath {
		return f(path)
	}
	dir, err := os.Open(dataDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketFile))
}

// Listen opens the admin socket of a data directory, which only the owner of the
// process may connect to. A socket that a killed daemon has left is replaced:
// the caller holds the lock of the data directory, so that no other daemon can
// be behind it.
func Listen(dataDir string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(dataDir, socketFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old admin socket: %w", err)
	}
	var l net.Listener
	var made fs.FileInfo
	err := withSocketPath(dataDir, func(path string) error {
		// The directory has mode 0700: nobody else can connect before the mode
		// of the socket is set.
		var err error
		if l, err = net.Listen("unix", path); err != nil {
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		if err = os.Chmod(path, 0o600); err == nil {
			made, err = os.Stat(path)
		}
		if err != nil {
			return errors.Join(err, l.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the admin socket: %w", err)
	}
	return &listener{l, filepath.Join(dataDir, socketFile), made}, nil
}

// A listener removes its socket by its own path, which the address may not be,
// and only its own socket: a successor may have put one there already.
type listener struct {
	net.Listener
	path string
	made fs.FileInfo
}

func (l *listener) Close() error {
	err := l.Listener.Close()
	if now, serr := os.Stat(l.path); serr != nil || !os.SameFile(now, l.made) {
		return err
	}
	if rerr := os.Remove(l.path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// dial connects to the daemon; the error is ErrNotRunning where there is none.
func dial(ctx context.Context, dataDir string) (net.Conn, error) {
	var c net.Conn
	err := withSocketPath(dataDir, func(path string) error {
		var d net.Dialer
		var err error
		c, err = d.DialContext(ctx, "unix", path)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	return c, err
}
