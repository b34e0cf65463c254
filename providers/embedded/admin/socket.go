package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// SocketFile is the name of the socket in the data directory.
const SocketFile = "admin.sock"

// maxSocketPath is the longest path of a Unix socket (sun_path of Linux, less
// the final zero).
const maxSocketPath = 107

// socketPath is a path to the socket that is short enough. close is to be
// called when the path is not used any more.
func socketPath(dataDir string) (path string, close func() error, err error) {
	path = filepath.Join(dataDir, SocketFile)
	if len(path) <= maxSocketPath {
		return path, func() error { return nil }, nil
	}
	// A long one goes by way of an open directory.
	fd, err := unix.Open(dataDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &fs.PathError{Op: "open", Path: dataDir, Err: err}
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(fd), SocketFile), func() error { return unix.Close(fd) }, nil
}

// Listen opens the admin socket of a data directory, for this user alone. A
// socket that was left behind is replaced; one that is served is an error.
// Closing the listener removes the socket.
func Listen(dataDir string) (net.Listener, error) {
	path, done, err := socketPath(dataDir)
	if err != nil {
		return nil, fmt.Errorf("listen on the admin socket: %w", err)
	}
	l, err := listen(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on the admin socket in %s: %w", dataDir, err), done())
	}
	return &listener{UnixListener: l, done: done}, nil
}

func listen(path string) (*net.UnixListener, error) {
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		return nil, errors.Join(errors.New("another process serves it"), c.Close())
	case errors.Is(err, unix.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// A listener frees what its path needs when it is closed.
type listener struct {
	*net.UnixListener
	done func() error
}

// Close closes and removes the socket.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if errors.Is(err, net.ErrClosed) {
		return err // for the second time
	}
	return errors.Join(err, l.done())
}

// dial connects to the admin socket of a data directory.
func dial(ctx context.Context, dataDir string) (net.Conn, error) {
	path, done, err := socketPath(dataDir)
	if err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	return c, done()
}
