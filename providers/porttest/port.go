// Package porttest finds ports for the servers that tests start.
package porttest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

// The ports lie below those that the kernel takes for outgoing connections, which
// would get in between the choice of a port and the server's start.
const first, last = 10000, 32000

// next is where a search begins: anywhere, so that processes seldom meet.
var next atomic.Int64

func init() { next.Store(rand.Int64N(last - first)) }

// Port is a port of 127.0.0.1 that is free for TCP and UDP. Nobody else who asks
// here gets it before the test has ended, in no other process either.
func Port(t testing.TB) int {
	t.Helper()
	for range last - first {
		port := first + int(next.Add(1)%(last-first))
		if reserve(t, port) {
			return port
		}
	}
	t.Fatal("there is no free port")
	return 0
}

// Addr is 127.0.0.1 with such a port.
func Addr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}

// reserve takes a port for a test if it is free.
func reserve(t testing.TB, port int) bool {
	mark, err := mark(port)
	if err != nil {
		return false
	}
	for _, free := range []func(string) error{tcp, udp} {
		if free(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) != nil {
			_ = mark.Close()
			return false
		}
	}
	t.Cleanup(func() { _ = mark.Close() })
	return true
}

// mark makes what others who look for a port find. A socket in the abstract
// namespace goes with its process, however that ends.
func mark(port int) (interface{ Close() error }, error) {
	if runtime.GOOS != "linux" {
		return nobody{}, nil
	}
	return net.Listen("unix", fmt.Sprintf("@mailform-test-port-%d", port))
}

type nobody struct{}

func (nobody) Close() error { return nil }

func tcp(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

func udp(addr string) error {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}
