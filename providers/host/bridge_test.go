package host_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/hosttest"
)

// A program of the test's that is a bridge, as mailform is.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "bridge" {
		if err := host.Bridge(context.Background(), os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What listens on a host is reached alike, here and on another machine.
func TestDial(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	far := open(t, hosttest.SSHD(t), nil)
	for name, h := range map[string]host.Host{"this machine": host.Local(), "by SSH": far} {
		t.Run(name, func(t *testing.T) {
			for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
				l, err := net.Listen(network, address)
				if err != nil {
					t.Fatal(err)
				}
				go func() { // it says back one line, and closes
					if c, err := l.Accept(); err == nil {
						line, _ := bufio.NewReader(c).ReadString('\n')
						_, _ = io.WriteString(c, line)
						_ = c.Close()
					}
				}()
				c, err := host.Dial(t.Context(), h, exe, network, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(c, "hello\n")
				if said, err := io.ReadAll(c); err != nil || string(said) != "hello\n" {
					t.Errorf("%s: it says %q, %v", network, said, err)
				}
				_ = c.Close()
				_ = l.Close()
				if _, err := host.Dial(t.Context(), h, exe, network, l.Addr().String()); err == nil || network == "tcp" && !strings.Contains(err.Error(), "connection refused") {
					t.Errorf("%s: where nobody listens: %v", network, err)
				}
			}
		})
	}
	if _, err := host.Dial(t.Context(), far, exe, "udp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "not to") {
		t.Errorf("to udp: %v", err)
	}
}
