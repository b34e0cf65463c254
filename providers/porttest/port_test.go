package porttest_test

import (
	"net"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

func TestPort(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port := porttest.Port(t)
		if seen[port] {
			t.Fatalf("%d is given twice", port)
		}
		seen[port] = true
		if port >= 32768 {
			t.Fatalf("%d may be taken by an outgoing connection", port)
		}
	}
	l, err := net.Listen("tcp", porttest.Addr(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
