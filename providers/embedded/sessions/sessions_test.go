package sessions

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"
)

// echo is a session that repeats lines until it is interrupted.
type echo struct{ c net.Conn }

func (e echo) Run() {
	defer e.c.Close()
	fmt.Fprintln(e.c, "hello")
	r := bufio.NewReader(e.c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			e.c.SetWriteDeadline(time.Now().Add(time.Minute))
			fmt.Fprintln(e.c, "bye")
			return
		}
		fmt.Fprint(e.c, line)
	}
}

func (e echo) Interrupt() { e.c.SetReadDeadline(time.Unix(1, 0)) }

// deaf is a session that does not take an interruption.
type deaf struct{ c net.Conn }

func (d deaf) Run()     { io.Copy(io.Discard, d.c) }
func (deaf) Interrupt() {}

func serve(t *testing.T, o Options, begin func(net.Conn) Session) (*Group, net.Listener, chan error) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	if o.Refuse == nil {
		o.Refuse = func(c net.Conn) { fmt.Fprintln(c, "full") }
	}
	g := New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(l, begin) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		g.Shutdown(ctx)
	})
	return g, l, served
}

func dial(t *testing.T, l net.Listener) *bufio.Reader {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	return bufio.NewReader(c)
}

func want(t *testing.T, r *bufio.Reader, line string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != line+"\n" {
		t.Fatalf("got %q (%v), want %q", got, err, line)
	}
}

func atMost(all, each int) func() Limits {
	return func() Limits { return Limits{Connections: all, ConnectionsPerClient: each} }
}

func newEcho(c net.Conn) Session { return echo{c} }

func TestTooManyAreTurnedAway(t *testing.T) {
	for name, o := range map[string]Options{
		"in all":                  {Limits: atMost(2, 100)},
		"from one address":        {Limits: atMost(100, 2), CountLoopback: true},
		"in all, from everywhere": {Limits: atMost(2, 2), CountLoopback: true},
	} {
		t.Run(name, func(t *testing.T) {
			g, l, _ := serve(t, o, newEcho)
			want(t, dial(t, l), "hello")
			want(t, dial(t, l), "hello")
			if g.Len() != 2 {
				t.Errorf("%d sessions, want 2", g.Len())
			}
			third := dial(t, l)
			want(t, third, "full")
			if _, err := third.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("after the refusal: %v, want the end", err)
			}
		})
	}
}

func TestLoopbackIsNotCounted(t *testing.T) {
	_, l, _ := serve(t, Options{Limits: atMost(100, 1)}, newEcho)
	want(t, dial(t, l), "hello")
	want(t, dial(t, l), "hello")
}

func TestConnectionsInAMinuteAreCounted(t *testing.T) {
	limits, refused := Limits{Connections: 100, ConnectionsPerMinute: 2}, make(chan string, 10)
	_, l, _ := serve(t, Options{
		Limits: func() Limits { return limits }, CountLoopback: true, Limited: func(limit string) { refused <- limit },
	}, newEcho)
	for _, answer := range []string{"hello", "hello", "full"} {
		want(t, dial(t, l), answer)
	}
	if got := <-refused; got != "connections_per_minute" {
		t.Errorf("refused by %q", got)
	}
	limits.Exempt = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	want(t, dial(t, l), "hello")
}

func TestShutdownSaysFarewell(t *testing.T) {
	g, l, served := serve(t, Options{Limits: atMost(10, 10)}, newEcho)
	c := dial(t, l)
	want(t, c, "hello")
	if err := g.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	want(t, c, "bye")
	if err := <-served; !errors.Is(err, ErrClosed) {
		t.Errorf("Serve returned %v, want ErrClosed", err)
	}
	if g.Len() != 0 {
		t.Errorf("%d sessions are left", g.Len())
	}
	again, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(again, newEcho); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve after Shutdown returned %v, want ErrClosed", err)
	}
}

func TestShutdownCutsOffWhoDoesNotEnd(t *testing.T) {
	g, l, _ := serve(t, Options{Limits: atMost(10, 10)}, func(c net.Conn) Session {
		fmt.Fprintln(c, "hello")
		return deaf{c}
	})
	want(t, dial(t, l), "hello")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want the context's error", err)
	}
	if g.Len() != 0 || g.Context().Err() == nil {
		t.Errorf("%d sessions are left, context %v", g.Len(), g.Context().Err())
	}
}

func TestSessionsOutliveTheirListener(t *testing.T) {
	g, l, served := serve(t, Options{Limits: atMost(10, 10)}, newEcho)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	want(t, r, "hello")
	l.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v, want net.ErrClosed", err)
	}
	fmt.Fprintln(c, "still there?")
	want(t, r, "still there?")
	if g.Len() != 1 {
		t.Errorf("%d sessions, want 1", g.Len())
	}
}

func TestOneNetworkIsOnePeer(t *testing.T) {
	for addr, network := range map[string]string{
		"192.0.2.7:25":                "192.0.2.7",
		"[::ffff:192.0.2.7]:25":       "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:25":   "2001:db8:1:2::",
		"[fe80::1%eth0]:25":           "fe80::",
		"[2001:db8:1:2:ffff::ffff]:1": "2001:db8:1:2::",
	} {
		if got := Network(address(addr)); got.String() != network {
			t.Errorf("Network(%s) = %s, want %s", addr, got, network)
		}
	}
	if Network(address("no address")).IsValid() || Loopback(address("no address")) {
		t.Error("something that is no address has one")
	}
	if !Loopback(address("[::ffff:127.0.0.1]:25")) || !Loopback(address("[::1]:25")) || Loopback(address("192.0.2.7:25")) {
		t.Error("Loopback tells wrong")
	}
}

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
