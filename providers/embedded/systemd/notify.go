package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Notifier tells the service manager how the daemon is, over the datagram socket
// that NOTIFY_SOCKET names. The zero value and nil tell nobody. It is safe for
// concurrent use.
type Notifier struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// New is the notifier for what the environment says. Without NOTIFY_SOCKET, or with
// an error, it is one that tells nobody.
func New(env Environ) (*Notifier, error) {
	path, _ := env.take("NOTIFY_SOCKET")
	limit, limitErr := watchdog(env)
	if path == "" {
		return &Notifier{}, nil
	}
	if path[0] != '/' && path[0] != '@' { // sd_notify(3): nothing else is defined for services
		return &Notifier{}, fmt.Errorf("NOTIFY_SOCKET is %q, and neither a path nor a name that begins with @", path)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return &Notifier{}, fmt.Errorf("reach the service manager: %w", err)
	}
	return &Notifier{conn: conn, watchdog: limit}, limitErr
}

// watchdog is the time within which the service manager wants to hear of this
// process (sd_watchdog_enabled(3)); 0: it does not.
func watchdog(env Environ) (time.Duration, error) {
	usec, _ := env.take("WATCHDOG_USEC")
	pid, named := env.take("WATCHDOG_PID")
	if usec == "" {
		return 0, nil
	}
	if named && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil // it is for another process
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(24*time.Hour/time.Microsecond)*365 {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, and no number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Watchdog is the time within which [Notifier.Alive] has to be called again, or the
// service manager ends the process; 0: never.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the daemon serves, and how it is in a word.
func (n *Notifier) Ready(status string) error { return n.tell("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that it takes its settings anew. [Notifier.Ready] has to follow.
func (n *Notifier) Reloading() error {
	lines := []string{"RELOADING=1"}
	if now, ok := monotonic(); ok {
		lines = append(lines, fmt.Sprintf("MONOTONIC_USEC=%d", now/time.Microsecond))
	}
	return n.tell(append(lines, "STATUS=Taking settings and certificates anew")...)
}

// Stopping says that it comes to its end.
func (n *Notifier) Stopping() error {
	return n.tell("STOPPING=1", "STATUS=Letting what is under way come to its end")
}

// Status says how it is.
func (n *Notifier) Status(status string) error { return n.tell("STATUS=" + oneLine(status)) }

// Alive says that it is well. See [Notifier.Watchdog].
func (n *Notifier) Alive() error { return n.tell("WATCHDOG=1") }

// Close ends the talk.
func (n *Notifier) Close() error {
	if n == nil || n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

func (n *Notifier) tell(lines ...string) error {
	if n == nil || n.conn == nil {
		return nil
	}
	// One that does not read is no reason to wait.
	if err := n.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := n.conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", lines[0], err)
	}
	return nil
}

// oneLine keeps a status from being taken for further assignments.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
