package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A Talker is a host on which a program can be talked with: what is written goes
// to its input, what it says is read.
type Talker interface {
	// Talk runs a program, which is not looked for but named by its path, without
	// a shell of ours around it: a key that is let in for one command alone
	// (command="…" in authorized_keys) serves for it.
	Talk(ctx context.Context, args ...string) (*Conversation, error)
}

// A Conversation is a program that is talked with.
type Conversation struct {
	name string
	args []string
	st   stream
	out  *bufio.Reader
	errs bounded
}

// Talk implements Talker.
func (s *shell) Talk(ctx context.Context, args ...string) (*Conversation, error) {
	if err := passable(args...); err != nil {
		return nil, err
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = quote(a)
	}
	command := strings.Join(words, " ")
	if s.root {
		command = "sudo -n -- " + command
	}
	st, err := s.start(ctx, command)
	if err != nil {
		return nil, err
	}
	stdout, stderr := st.Outputs()
	c := &Conversation{name: s.name, args: args, st: st, out: bufio.NewReaderSize(stdout, 64<<10)}
	go func() { _, _ = io.Copy(&c.errs, stderr) }() // until the stream is closed
	return c, nil
}

// ErrNoProgram is the error of a program that is not there.
var ErrNoProgram = errors.New("the program is not there")

// Expect reads up to a line, which the program begins with. What a login shell
// says before it is dropped. The error of a program that has ended instead says
// why; it is [ErrNoProgram] where there is none.
func (c *Conversation) Expect(ctx context.Context, line string) error {
	stop := context.AfterFunc(ctx, func() { _ = c.st.Close() })
	defer stop()
	for range 1000 {
		said, err := c.out.ReadString('\n')
		if strings.TrimSuffix(said, "\n") == line {
			return nil
		}
		if err != nil {
			return c.ended(ctx)
		}
	}
	return fmt.Errorf("%s: %s says something else than it should", c.name, c.args[0])
}

func (c *Conversation) ended(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, afterwardsAtMost)
	defer cancel()
	code, err := c.st.Wait(wait)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%s: %w", c.name, err)
	}
	out := Output{Stderr: c.errs.take(), Code: code}
	why := said(out)
	if code == 127 || strings.HasPrefix(why, "sudo:") && strings.Contains(why, "command not found") {
		return fmt.Errorf("%s: %s: %w", c.name, c.args[0], ErrNoProgram)
	}
	if strings.HasPrefix(why, "sudo:") {
		return (&shell{name: c.name, root: true}).refused(reply{Output: out})
	}
	if code == 0 {
		return fmt.Errorf("%s: %s has ended before it said anything", c.name, c.args[0])
	}
	return fmt.Errorf("%s: %w", c.name, out.Err(Command{Args: c.args}))
}

// Read, Write and Close, with what follows, make it a connection.
func (c *Conversation) Read(p []byte) (int, error)  { return c.out.Read(p) }
func (c *Conversation) Write(p []byte) (int, error) { return c.st.Write(p) }

// Close ends the program's input, and lets go of it.
func (c *Conversation) Close() error {
	_ = c.st.CloseWrite()
	return c.st.Close()
}

// A talkAddr names an end of a conversation.
type talkAddr string

func (a talkAddr) Network() string { return "program" }
func (a talkAddr) String() string  { return string(a) }

// LocalAddr is part of net.Conn.
func (c *Conversation) LocalAddr() net.Addr { return talkAddr("mailform") }

// RemoteAddr is part of net.Conn.
func (c *Conversation) RemoteAddr() net.Addr { return talkAddr(c.name) }

// SetDeadline is part of net.Conn. There are none: who waits no longer closes.
func (c *Conversation) SetDeadline(time.Time) error { return nil }

// SetReadDeadline is part of net.Conn.
func (c *Conversation) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is part of net.Conn.
func (c *Conversation) SetWriteDeadline(time.Time) error { return nil }
