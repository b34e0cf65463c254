package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// ErrHostKey is the error of a machine that is not the one that is meant, or of
// which nobody knows.
var ErrHostKey = errors.New("the machine is not to be trusted")

// ErrLost is the error of a connection that broke off. What was going on may
// have been done, or not.
var ErrLost = errors.New("the connection broke off")

// errBroken is the error of a connection that was broken before anything was asked.
var errBroken = errors.New("before anything was asked")

// errRefused is the error of a session that the machine does not grant.
var errRefused = errors.New("it refuses a session")

// maxSessions is how many commands run at once over one connection: a little
// less than OpenSSH lets (MaxSessions 10).
const maxSessions = 8

// An sshHost is another machine. Its one connection is made by what is first
// asked, and made anew by what is asked once it has broken.
type sshHost struct {
	shell
	settings *settings
	sessions chan struct{}

	mu     sync.Mutex
	client *ssh.Client // nil: there is no connection
	closed bool
	alive  sync.WaitGroup // the keepers of connections
}

func newSSH(s *settings, block string) *sshHost {
	h := &sshHost{settings: s, sessions: make(chan struct{}, maxSessions)}
	h.shell = shell{name: s.name, root: s.sudo, start: h.exec, block: block}
	return h
}

// Close implements Host.
func (h *sshHost) Close() error {
	h.mu.Lock()
	h.closed = true
	if h.client != nil {
		_ = h.client.Close() // it may have broken by now
	}
	h.mu.Unlock()
	h.alive.Wait()
	return nil
}

// connected is the connection.
func (h *sshHost) connected(ctx context.Context) (*ssh.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("%s: %w", h.name, net.ErrClosed)
	}
	if h.client != nil {
		return h.client, nil
	}
	client, err := h.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", h.name, err)
	}
	h.client = client
	h.alive.Go(func() { h.keep(client) })
	return client, nil
}

// keep asks a connection for a sign of life until it has ended.
func (h *sshHost) keep(client *ssh.Client) {
	ended := make(chan struct{})
	go func() { _ = client.Wait(); close(ended) }() // why, its users are told
	tick := time.NewTicker(h.settings.timeout / 2)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-ended:
			alive = false
		case <-tick.C:
			silent := time.AfterFunc(h.settings.timeout, func() { _ = client.Close() })
			_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
			alive = err == nil
			silent.Stop()
		}
	}
	_ = client.Close()
	<-ended
	h.forget(client)
}

// forget has the next call connect anew.
func (h *sshHost) forget(client *ssh.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client == client {
		h.client = nil
	}
}

func (h *sshHost) dial(ctx context.Context) (*ssh.Client, error) {
	s := h.settings
	check, err := s.checkHost()
	if err != nil {
		return nil, err
	}
	keys, err := s.credentials()
	if err != nil {
		return nil, err
	}
	defer keys.close()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			err = op.Err
		}
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	var judged error // the library hides it in a text
	c, channels, requests, err := ssh.NewClientConn(conn, s.address, &ssh.ClientConfig{
		User:              s.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
		HostKeyAlgorithms: check.algorithms,
		ClientVersion:     "SSH-2.0-mailform",
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			judged = check.callback(name, remote, key)
			return judged
		},
	})
	if !stop() && err == nil {
		err = ctx.Err()
		_ = c.Close()
	}
	switch {
	case err == nil:
		return ssh.NewClient(c, channels, requests), nil
	case judged != nil:
		return nil, judged
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("it says nothing for %s", s.timeout)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.Contains(err.Error(), "unable to authenticate"):
		return nil, fmt.Errorf("it does not let %s in by any of these keys: %s", s.user, strings.Join(keys.tried, ", "))
	case check.algorithms != nil && strings.Contains(err.Error(), "no common algorithm for host key"):
		return nil, fmt.Errorf("%w: it has no key of the sorts that are known of it (%s). Either it was set up anew, or it is another machine", ErrHostKey, strings.Join(check.algorithms, ", "))
	}
	return nil, errors.New(strings.TrimPrefix(err.Error(), "ssh: "))
}

// exec begins a command.
func (h *sshHost) exec(ctx context.Context, command string) (stream, error) {
	select {
	case h.sessions <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	free := func() { <-h.sessions }
	s, err := h.begin(ctx, command, free)
	if errors.Is(err, errBroken) { // before, and we hear of it now
		s, err = h.begin(ctx, command, free)
	}
	for errors.Is(err, errRefused) && len(h.sessions) > 1 && ctx.Err() == nil { // others have what it grants
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
			s, err = h.begin(ctx, command, free)
		}
	}
	if err != nil {
		free()
		return nil, err
	}
	return s, nil
}

// begin begins a command over the connection that there is.
func (h *sshHost) begin(ctx context.Context, command string, free func()) (*session, error) {
	client, err := h.connected(ctx)
	if err != nil {
		return nil, err
	}
	type opened struct {
		s   *session
		err error
	}
	result := make(chan opened, 1)
	go func() {
		s, err := openSession(client, command, free)
		if errors.Is(err, errBroken) {
			h.forget(client)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", h.name, err)
		}
		result <- opened{s, err}
	}()
	select {
	case r := <-result:
		return r.s, r.err
	case <-ctx.Done():
		go func() { // once the machine has answered, or is given up
			if r := <-result; r.err == nil {
				_ = r.s.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// A session is a command on another machine.
type session struct {
	ssh.Channel
	free  func()
	ended chan struct{} // closed with the status
	code  int
	err   error
}

func openSession(client *ssh.Client, command string, free func()) (*session, error) {
	ch, requests, err := client.OpenChannel("session", nil)
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%w: %s", errRefused, refused.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrLost, errBroken, err)
	}
	s := &session{Channel: ch, free: free, ended: make(chan struct{}), err: ErrLost}
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{command}))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrLost, err)
	case !ok:
		err = errors.New("it lets no commands be run")
	}
	if err != nil {
		_ = ch.Close() // it serves for nothing
		go ssh.DiscardRequests(requests)
		return nil, err
	}
	go s.heed(requests)
	return s, nil
}

// heed waits for the status (RFC 4254 §6.10).
func (s *session) heed(requests <-chan *ssh.Request) {
	told := false
	for r := range requests {
		if !told {
			switch r.Type {
			case "exit-status":
				var status struct{ Code uint32 }
				if ssh.Unmarshal(r.Payload, &status) == nil {
					s.code, s.err, told = int(status.Code), nil, true
				}
			case "exit-signal":
				s.code, s.err, told = -1, nil, true
			}
			if told {
				close(s.ended)
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // the connection may be gone
		}
	}
	if !told {
		close(s.ended)
	}
	s.free() // the machine has closed it too: it counts those that it has not
}

// Outputs implements stream.
func (s *session) Outputs() (stdout, stderr io.Reader) { return s.Channel, s.Stderr() }

// Wait implements stream.
func (s *session) Wait(ctx context.Context) (int, error) {
	select {
	case <-s.ended:
		return s.code, s.err
	default:
	}
	select {
	case <-s.ended:
		return s.code, s.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
