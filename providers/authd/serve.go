package authd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailform/mailform/providers/embedded/auth"
	"golang.org/x/sys/unix"
)

// Socket is where the daemon of a directory listens, for those who may look into
// the directory.
func Socket(dir string) string { return filepath.Join(dir, "mux") }

// PIDFile has the number of the process of a directory's daemon. It stays when the
// daemon has ended; see [PID].
func PIDFile(dir string) string { return filepath.Join(dir, "authd.pid") }

// Bounds of what a daemon does at once.
const (
	maxConnections = 256
	// maxQuestion is how long a client may take to ask, and to take the answer.
	maxQuestion = 10 * time.Second
	// maxAnswer is how long the answer may take: whoever guesses waits.
	maxAnswer = time.Minute
)

// ErrRuns is the error of a second daemon in one directory.
var ErrRuns = errors.New("another one runs there")

// Serve answers on the socket of a directory until ctx ends, and lets those who
// are being answered finish. The directory, and the file of users in it, have to
// be there.
func Serve(ctx context.Context, dir string, log *slog.Logger) error {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close() // which ends the lock
	d := &directory{path: UsersFile(dir), lookup: LookupFile(dir)}
	if err := d.check(); err != nil {
		return err
	}
	maps, err := listen(MapSocket(dir))
	if err != nil {
		return err
	}
	l, err := listen(Socket(dir))
	if err != nil {
		return errors.Join(err, maps.Close())
	}
	s := &server{auth: auth.New(d, auth.Options{Log: log, ThrottleLoopback: true}), users: d, log: log}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close(); maps.Close() })
	defer stop()
	log.Info("authd: ready", "socket", Socket(dir))
	var looking error
	s.clients.Go(func() {
		if looking = s.serveMaps(ctx, maps); looking != nil {
			cancel()
		}
	})
	err = s.accept(ctx, l, make(chan struct{}, maxConnections), func(c net.Conn) { s.answer(ctx, c) })
	if err != nil {
		cancel()
	}
	s.clients.Wait()
	log.Info("authd: ended")
	return errors.Join(err, looking)
}

// check looks whether there are users, so that a daemon without any does not
// begin to refuse everybody.
func (d *directory) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.refresh(), d.refreshLookup())
}

// lockDir makes a directory this process's, and writes down which one it is.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(PIDFile(dir), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = errors.Join(err, f.Close())
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w", dir, ErrRuns)
		}
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// PID is the process of the daemon of a directory; 0: none runs.
func PID(dir string) (int, error) {
	f, err := os.Open(PIDFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	switch {
	case err == nil: // nobody holds it
		return 0, nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		return 0, err
	}
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return 0, fmt.Errorf("%s does not name a process", PIDFile(dir))
	}
	return pid, nil
}

type server struct {
	auth    *auth.Authenticator
	users   *directory
	log     *slog.Logger
	clients sync.WaitGroup
}

// accept takes clients until ctx ends, as many at once as there are slots.
func (s *server) accept(ctx context.Context, l *net.UnixListener, slots chan struct{}, client func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		var n net.Error
		if errors.As(err, &n) && n.Temporary() { //nolint:staticcheck // too many open files: it passes
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		slots <- struct{}{} // the others wait in the kernel's queue
		s.clients.Go(func() {
			defer func() { <-slots }()
			defer c.Close()
			client(c)
		})
	}
}

// answer answers one client, which asks once.
func (s *server) answer(ctx context.Context, c net.Conn) {
	if err := c.SetDeadline(time.Now().Add(maxQuestion)); err != nil {
		return
	}
	q, err := readRequest(c)
	if err != nil {
		s.log.Warn("authd: a question that cannot be read", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxAnswer)
	defer cancel()
	text := s.judge(ctx, q)
	if err := c.SetDeadline(time.Now().Add(maxQuestion)); err != nil {
		return
	}
	if err := writeAnswer(c, text); err != nil {
		s.log.Warn("authd: an answer that nobody took", "error", err)
	}
}

// services are what mail servers call what we call otherwise.
var services = map[string]string{
	"imap": auth.ServiceIMAP, "imaps": auth.ServiceIMAP, "sieve": auth.ServiceIMAP,
	"pop": auth.ServicePOP3, "pop3": auth.ServicePOP3, "pop3s": auth.ServicePOP3,
	"smtp": auth.ServiceSubmission, "submission": auth.ServiceSubmission,
}

// judge answers a question. Whoever asks learns no more than yes or no.
func (s *server) judge(ctx context.Context, q request) string {
	address := q.login
	if !strings.Contains(address, "@") && q.realm != "" {
		address += "@" + q.realm
	}
	service, ok := services[q.service]
	if !ok {
		s.log.Warn("authd: a service that there is not", "service", q.service)
		return answerNo
	}
	_, err := s.auth.Login(ctx, address, q.password, service, nil)
	if err != nil {
		s.log.Info("authd: refused", "user", address, "service", service, "reason", err)
		return answerNo
	}
	return answerYes
}

// Ask asks the daemon that listens on a socket, as a mail server does.
func Ask(ctx context.Context, socket, login, password, service string) (bool, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(maxAnswer)); err != nil {
		return false, err
	}
	if err := writeRequest(c, request{login, password, service, ""}); err != nil {
		return false, err
	}
	text, err := readAnswer(c)
	return strings.HasPrefix(text, answerYes), err
}
