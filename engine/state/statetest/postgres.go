package statetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that Start asks with
)

// unprivileged is the user that the database server runs as where the tests run
// as root, which it refuses: "nobody" of Debian and others.
const unprivileged = 65534

// A Postgres is a private PostgreSQL with a directory and a port of its own.
type Postgres struct {
	dir, bin string
	port     int
	cmd      *exec.Cmd
	log      *bytes.Buffer
}

// ConnStr is the connection string of its superuser.
func (s *Postgres) ConnStr() string {
	return fmt.Sprintf("postgres://tester@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}

// StartPostgres starts a server. Where none is installed the error is a *Missing.
func StartPostgres() (s *Postgres, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		path, lookErr := exec.LookPath("postgres")
		if lookErr != nil {
			return nil, &Missing{"PostgreSQL"}
		}
		found = []string{path}
	}
	s = &Postgres{bin: filepath.Dir(found[len(found)-1]), log: &bytes.Buffer{}}
	if s.dir, err = os.MkdirTemp("", "mailform-pg-"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		if err := os.Chown(s.dir, unprivileged, unprivileged); err != nil {
			return s, err
		}
	}
	initdb := s.command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return s, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return s, err
	}
	return s, s.Start()
}

func (s *Postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "HOME=" + s.dir}
	cmd.SysProcAttr = endWithTests()
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	return cmd
}

// Start starts the server again and waits until it answers.
func (s *Postgres) Start() error {
	s.cmd = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", s.dir)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.ConnStr())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("PostgreSQL does not answer: %w", err), s.Stop())
		}
	}
}

// Crash ends the server at once, without a checkpoint.
func (s *Postgres) Crash() error {
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was told to die
	return nil
}

// Stop ends the server and removes what it has.
func (s *Postgres) Stop() error {
	if s.cmd != nil {
		if err := s.Crash(); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.dir)
}
