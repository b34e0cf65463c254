package pgstate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unprivileged is the user that the database server runs as where the tests run
// as root, which it refuses: "nobody" of Debian and others.
const unprivileged = 65534

// A server is a private PostgreSQL with a directory and a port of its own.
type server struct {
	dir, bin string
	port     int
	cmd      *exec.Cmd
	log      *bytes.Buffer
}

// The tests of this package share one server, each with a schema of its own.
var shared struct {
	once sync.Once
	s    *server
	skip string
	err  error
}

// database gives a connection string for the tests' server. Without PostgreSQL
// the test is skipped; in CI, where .ci/peers has installed it, that is a failure.
func database(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.s, shared.skip, shared.err = startServer() })
	switch {
	case shared.skip != "" && os.Getenv("CI") == "true":
		t.Fatalf("%s; .ci/peers installs it", shared.skip)
	case shared.skip != "":
		t.Skip("SKIPPED: " + shared.skip)
	case shared.err != nil:
		t.Fatal(shared.err)
	}
	return shared.s.connStr()
}

func (s *server) connStr() string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

func startServer() (s *server, skip string, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		path, lookErr := exec.LookPath("postgres")
		if lookErr != nil {
			return nil, "PostgreSQL is not installed", nil
		}
		found = []string{path}
	}
	s = &server{bin: filepath.Dir(found[len(found)-1]), log: &bytes.Buffer{}}
	if s.dir, err = os.MkdirTemp("", "mailform-pg-"); err != nil {
		return nil, "", err
	}
	if os.Getuid() == 0 {
		if err := os.Chown(s.dir, unprivileged, unprivileged); err != nil {
			return s, "", err
		}
	}
	initdb := s.command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return s, "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, "", err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return s, "", err
	}
	return s, "", s.start()
}

func (s *server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "HOME=" + s.dir}
	cmd.SysProcAttr = endWithTests()
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	return cmd
}

// start starts the server and waits until it answers.
func (s *server) start() error {
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", s.dir)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.connStr())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("PostgreSQL does not answer: %w", err), s.stop())
		}
	}
}

// crash ends the server at once, without a checkpoint.
func (s *server) crash() error {
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was told to die
	return nil
}

func (s *server) stop() error {
	if s.cmd != nil {
		if err := s.crash(); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.dir)
}

func TestMain(m *testing.M) {
	if conn := os.Getenv(crashConn); conn != "" {
		fmt.Fprintln(os.Stderr, writeForEver(conn))
		os.Exit(1)
	}
	code := m.Run()
	if shared.s != nil {
		if err := shared.s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
