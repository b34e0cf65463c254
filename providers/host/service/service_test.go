package service_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/host"
	"github.com/mailform/mailform/providers/host/service"
)

// A server of files: it runs while there is the file "up".
func server(t *testing.T) (*service.Service, string) {
	dir := t.TempDir()
	up := filepath.Join(dir, "up")
	sh := func(script string) host.Command { return host.Command{Args: []string{"sh", "-c", script}, Dir: dir} }
	return &service.Service{
		Host: host.Local(), Start: sh("sleep 0.05; echo started >>log; touch up"), Stop: sh("echo stopped >>log; rm up"), Reload: sh("echo reloaded >>log"),
		Alive: func(context.Context) (bool, error) {
			_, err := os.Stat(up)
			return err == nil, nil
		},
	}, dir
}

func TestByItsOwnProgram(t *testing.T) {
	s, dir := server(t)
	for _, step := range []func(context.Context) error{s.Renew, s.End, s.Begin, s.Begin, s.Renew, s.End, s.End, s.Renew} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil || string(log) != "started\nreloaded\nstopped\n" {
		t.Errorf("what was done: %q, %v", log, err)
	}
	s.Start = host.Cmd("sh", "-c", "echo no such user >&2; exit 1")
	if err := s.Begin(t.Context()); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("the error is: %v", err)
	}
}

// A systemctl of the test's: it keeps the state of a unit in a file.
const systemctl = `#!/bin/sh
echo "$*" >>log
case $1 in
is-active) if [ -e up ]; then echo active; else echo inactive; exit 3; fi ;;
start|restart) touch up ;;
stop) rm -f up ;;
esac
`

// Whoever is killed while he restarts the server has started it again all the same.
func TestRestart(t *testing.T) {
	s, dir := server(t)
	s.Start.Env = []string{"A='b c'"}
	for range 2 { // it does not run, and is started; then it does
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil || string(log) != "started\nstopped\nstarted\n" {
		t.Errorf("what was done: %q, %v", log, err)
	}
	s.Stop = host.Cmd("sh", "-c", "echo it clings to life >&2; exit 1")
	if err := s.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "it clings to life") {
		t.Errorf("the error is: %v", err)
	}
}

func TestByItsUnit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "systemctl")
	if err := os.WriteFile(path, []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Chdir(dir)
	s := &service.Service{Host: host.Local(), Unit: "mail@one.service"}
	for _, step := range []func(context.Context) error{s.Begin, s.Renew, s.Restart, s.End} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	var verbs []string
	for line := range strings.Lines(string(log)) {
		if verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); verb != "is-active" && rest == "-- mail@one.service" {
			verbs = append(verbs, verb)
		}
	}
	if got := strings.Join(verbs, " "); got != "start reload restart stop" {
		t.Errorf("systemctl was asked to %s", got)
	}
}
