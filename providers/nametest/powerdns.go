package nametest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// APIKey is the key of PowerDNS's API.
const APIKey = "S3cret-key-of-the-api"

// PowerDNS starts a PowerDNS Authoritative Server without any zones. Its API
// listens on Control.
func PowerDNS(t testing.TB) *Server {
	t.Helper()
	program, sqlite := Need(t, "pdns_server"), Need(t, "sqlite3")
	port, control := porttest.Port(t), porttest.Port(t)
	s := &Server{Dir: t.TempDir(), Addr: fmt.Sprintf("127.0.0.1:%d", port), Control: fmt.Sprintf("127.0.0.1:%d", control)}
	schema, err := os.Open("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
	if err != nil {
		t.Fatal(err)
	}
	defer schema.Close()
	db := filepath.Join(s.Dir, "db")
	load := exec.Command(sqlite, db)
	load.Stdin = schema
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The control socket has a short path: the kernel takes 107 bytes.
	sockets, err := os.MkdirTemp("", "pdns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	put(t, filepath.Join(s.Dir, "pdns.conf"), fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
gsqlite3-dnssec=yes
local-address=127.0.0.1
local-port=%d
socket-dir=%s
api=yes
api-key=%s
webserver=yes
webserver-address=127.0.0.1
webserver-port=%d
webserver-allow-from=127.0.0.1
allow-axfr-ips=127.0.0.1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
security-poll-suffix=
daemon=no
guardian=no
disable-syslog=yes
`, db, port, sockets, APIKey, control))
	s.command = func() *exec.Cmd { return exec.Command(program, "--config-dir="+s.Dir) }
	s.ready = func() bool {
		r, err := s.API("GET", "/api/v1/servers", "")
		if err != nil || r.StatusCode != http.StatusOK {
			return false
		}
		return r.Body.Close() == nil
	}
	return s.begin(t)
}

// API asks PowerDNS's API, with its key.
func (s *Server) API(method, path, body string) (*http.Response, error) {
	r, err := http.NewRequest(method, "http://"+s.Control+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-API-Key", APIKey)
	return (&http.Client{Timeout: time.Minute}).Do(r)
}
