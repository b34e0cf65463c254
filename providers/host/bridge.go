package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// bridgeGreeting is what a bridge begins with, once it is connected.
const bridgeGreeting = "mailform bridge 1"

// dialTimeout is how long a server on the same machine may take to be connected to.
const dialTimeout = 10 * time.Second

// Dial connects to what listens on a host. On another machine that is done by
// mailform there, program, which has to run "mailform bridge": no port has to be
// forwarded, and sudo works as it does for everything else.
func Dial(ctx context.Context, h Host, program, network, address string) (net.Conn, error) {
	t, far := h.(Talker)
	if !far {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, network, address)
	}
	c, err := t.Talk(ctx, program, "bridge", network, address)
	if err != nil {
		return nil, err
	}
	if err := c.Expect(ctx, bridgeGreeting); err != nil {
		_ = c.Close() // it is of no use
		return nil, err
	}
	return c, nil
}

// Bridge connects to what listens on this machine, and hands on what is said, until
// one of both ends.
func Bridge(ctx context.Context, network, address string, in io.Reader, out io.Writer) error {
	if network != "unix" && network != "tcp" {
		return fmt.Errorf("a bridge leads to unix or tcp, not to %q", network)
	}
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if _, err := io.WriteString(out, bridgeGreeting+"\n"); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(c, in)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(out, c)
		ended <- err
	}()
	err = <-ended
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}
