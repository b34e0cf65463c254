package statetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
)

// A Missing error says that the program of a server is not installed.
type Missing struct{ Program string }

func (e *Missing) Error() string { return e.Program + " is not installed" }

// Shared starts a server once for the tests of a package.
type Shared[S interface{ Stop() error }] struct {
	start func() (S, error)

	once    sync.Once
	started bool
	s       S
	err     error
}

// Share makes a Shared of a function that starts a server.
func Share[S interface{ Stop() error }](start func() (S, error)) *Shared[S] {
	return &Shared[S]{start: start}
}

// Get is the server. Where it is not installed the test is skipped; in CI, where
// .ci/peers has installed it, that is a failure.
func (h *Shared[S]) Get(t testing.TB) S {
	t.Helper()
	h.once.Do(func() {
		h.s, h.err = h.start()
		_, missing := errors.AsType[*Missing](h.err)
		h.started = !missing
	})
	if missing, ok := errors.AsType[*Missing](h.err); ok {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; .ci/peers installs it", missing)
		}
		t.Skipf("SKIPPED: %v", missing)
	}
	if h.err != nil {
		t.Fatal(h.err)
	}
	return h.s
}

// Exit is what TestMain ends with: the code, or 1 where a server that was started
// does not end.
func (h *Shared[S]) Exit(code int) int {
	if h.started {
		if err := h.s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// freePort is a port that nobody has, below those that the kernel takes for outgoing
// connections: one of them would get in before the server has it.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 10000 + rand.IntN(22000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
