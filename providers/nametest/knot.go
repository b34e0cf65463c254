package nametest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// Knot starts a Knot DNS, with its configuration in a database.
func Knot(t testing.TB, o Options) *Server {
	t.Helper()
	knotd, knotc := Need(t, "knotd"), Need(t, "knotc")
	// The path of a Unix socket has to be short.
	dir, err := os.MkdirTemp("", "knot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port := porttest.Port(t)
	s := &Server{Dir: dir, Addr: fmt.Sprintf("127.0.0.1:%d", port), Control: filepath.Join(dir, "knot.sock"), Program: knotc}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]d
    pidfile: %[3]q
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: %[1]q
control:
    listen: %[4]q
key:
  - id: mailform
    algorithm: hmac-sha256
    secret: %[5]s
  - id: mailform-read
    algorithm: hmac-sha256
    secret: %[6]s
acl:
  - id: write
    key: mailform
    action: [update, transfer]
  - id: read
    key: mailform-read
    action: transfer
%[7]s
template:
  - id: default
    storage: %[1]q
    acl: [write, read]
%[8]s
`, dir, port, filepath.Join(dir, "knotd.pid"), s.Control, WriteSecret, ReadSecret, o.Options, o.ZoneOptions)
	if len(o.Zones) > 0 {
		b.WriteString("zone:\n")
	}
	for name, text := range o.Zones {
		put(t, filepath.Join(dir, name+".zone"), text)
		fmt.Fprintf(&b, "  - domain: %s\n", name)
	}
	conf, db := filepath.Join(dir, "knot.conf"), filepath.Join(dir, "confdb")
	put(t, conf, b.String())
	if out, err := exec.Command(knotc, "-C", db, "conf-import", conf).CombinedOutput(); err != nil {
		t.Fatalf("knotc conf-import: %v\n%s\n%s", err, out, b.String())
	}
	s.command = func() *exec.Cmd { return exec.Command(knotd, "-C", db) }
	s.ready = func() bool {
		_, err := s.Try("status")
		return err == nil && answers(s.Addr)
	}
	return s.begin(t)
}
