package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// What an S3 server of the tests lets in.
const (
	S3AccessKey = "tester"
	S3SecretKey = "secret-of-the-tests"
	S3Bucket    = "states"
)

// An S3 is a private versitygw with a directory and a port of its own.
type S3 struct {
	dir, path string
	port      int
	cmd       *exec.Cmd
	log       *bytes.Buffer
}

// StartS3 starts a server with a bucket. Where none is installed the error is a
// *Missing.
func StartS3() (s *S3, err error) {
	path, err := installed("versitygw")
	if err != nil {
		return nil, err
	}
	s = &S3{path: path, log: &bytes.Buffer{}}
	if s.dir, err = os.MkdirTemp("", "mailform-s3-"); err != nil {
		return nil, err
	}
	for _, sub := range []string{s.data(), filepath.Join(s.data(), S3Bucket), s.sidecar()} {
		if err := os.Mkdir(sub, 0o700); err != nil {
			return s, err
		}
	}
	if s.port, err = freePort(); err != nil {
		return s, err
	}
	return s, s.Start()
}

// installed finds a program in the PATH or where .ci/peers puts what it builds.
func installed(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(cache, "mailform", "tools", program)
	if _, err := os.Stat(path); err != nil {
		return "", &Missing{program}
	}
	return path, nil
}

func (s *S3) data() string    { return filepath.Join(s.dir, "data") }
func (s *S3) sidecar() string { return filepath.Join(s.dir, "sidecar") }

// Endpoint is the URL of the server.
func (s *S3) Endpoint() string { return "http://" + s.Addr() }

// Addr is where the server listens.
func (s *S3) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Object is the file that holds an object of the bucket.
func (s *S3) Object(name string) string {
	return filepath.Join(s.data(), S3Bucket, filepath.FromSlash(name))
}

// Start starts the server again and waits until it answers.
func (s *S3) Start() error {
	args := []string{"--port", s.Addr(), "--access", S3AccessKey, "--secret", S3SecretKey, "--quiet", "--keep-alive", "posix"}
	// What it has to say of an object it writes into extended attributes.
	if err := unix.Setxattr(s.sidecar(), "user.mailform", []byte("x"), 0); err != nil {
		args = append(args, "--sidecar", s.sidecar())
	}
	s.cmd = exec.Command(s.path, append(args, s.data())...)
	s.cmd.Dir = s.dir
	s.cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = endWithTests()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("versitygw does not answer: %w\n%s", err, s.log), s.Stop())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Crash ends the server at once.
func (s *S3) Crash() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was told to die
	return nil
}

// Stop ends the server and removes what it has.
func (s *S3) Stop() error {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		if err := s.Crash(); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.dir)
}
