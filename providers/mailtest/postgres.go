package mailtest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that asks whether it answers
	"github.com/mailform/mailform/providers/porttest"
	"golang.org/x/sys/unix"
)

// nobody is whom PostgreSQL runs as where the tests run as root, which it refuses.
const nobody = 65534

// Postgres starts a private PostgreSQL that ends with the test, and returns how to
// connect to it, in keywords and values.
func Postgres(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	must(t, err)
	if len(found) == 0 {
		Missing(t, "PostgreSQL", os.ErrNotExist)
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "postgres-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		must(t, os.Chown(dir, nobody, nobody))
	}
	command := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, program), args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "LC_ALL=C", "HOME=" + dir}
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		return cmd
	}
	if out, err := command("initdb", "-D", "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	port := strconv.Itoa(porttest.Port(t))
	server := command("postgres", "-D", "data", "-h", "127.0.0.1", "-p", port, "-k", dir, "-F")
	must(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(unix.SIGINT)
		_ = server.Wait()
	})
	connect := fmt.Sprintf("host=127.0.0.1 port=%s user=tester dbname=postgres sslmode=disable", port)
	db, err := sql.Open("pgx", connect)
	must(t, err)
	defer db.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err = db.PingContext(t.Context()); err == nil {
			return connect
		}
		if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL does not answer: %v", err)
		}
	}
}
