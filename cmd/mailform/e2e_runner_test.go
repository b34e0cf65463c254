package main

// A pipeline has a fresh runner each time: its directory holds what is in Git, and
// the state is in a backend. These tests run the real binary against the real
// servers of each backend, in processes that are really killed.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/engine/state/statetest"
	"golang.org/x/sys/unix"
)

var (
	sharedPostgres = statetest.Share(statetest.StartPostgres)
	sharedS3       = statetest.Share(statetest.StartS3)
)

// A place is a backend as the files of a pipeline name it.
type place struct {
	name, block string
	env         []string
	// lease is set where the lock of a runner that was killed ends by itself.
	lease bool
}

func places(t *testing.T) map[string]func(t *testing.T) place {
	key := strings.ReplaceAll(t.Name(), "/", "_")
	return map[string]func(t *testing.T) place{
		"http": func(t *testing.T) place {
			url := stateServer(t).URL
			return place{name: "http", block: fmt.Sprintf("backend \"http\" {\n    address = \"%s/s\"\n    lock_address = \"%s/s\"\n    username = \"runner\"\n    password = \"token-of-the-runner\"\n  }", url, url)}
		},
		"pg": func(t *testing.T) place {
			return place{name: "pg", lease: true, env: []string{"PG_CONN_STR=" + sharedPostgres.Get(t).ConnStr()},
				block: fmt.Sprintf("backend \"pg\" {\n    name = %q\n    lease = \"3s\"\n  }", key)}
		},
		"s3": func(t *testing.T) place {
			return place{name: "s3", lease: true,
				env:   []string{"AWS_ACCESS_KEY_ID=" + statetest.S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + statetest.S3SecretKey, "AWS_ENDPOINT_URL_S3=" + sharedS3.Get(t).Endpoint()},
				block: fmt.Sprintf("backend \"s3\" {\n    bucket = %q\n    key = %q\n    lease = \"3s\"\n  }", statetest.S3Bucket, key)}
		},
	}
}

// A pipeline is what its runners share: the repository and the live systems.
type pipeline struct {
	live  *world
	place place
	files map[string]string
}

func newPipeline(t *testing.T, p place, files map[string]string) *pipeline {
	live := newWorld(t, nil)
	live.env = append(p.env, "MF_VAR_state_passphrase=only the runners know this")
	repository := map[string]string{}
	for name, text := range files {
		repository[name] = strings.Replace(text, `"./mail"`, fmt.Sprintf("%q", filepath.Join(live.dir, "mail")), 1)
	}
	repository["backend.mf.hcl"] = "variable \"state_passphrase\" {\n  sensitive = true\n}\nmailform {\n  " + p.block +
		"\n  encryption {\n    passphrase = var.state_passphrase\n    enforced = true\n  }\n}\n"
	return &pipeline{live, p, repository}
}

// runner is a machine that has never seen the pipeline before.
func (p *pipeline) runner(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), port: p.live.port, env: p.live.env}
	for name, text := range p.files {
		w.write(name, text)
	}
	t.Cleanup(func() { p.leavesNothing(t, w) })
	return w
}

// leavesNothing fails where a runner has the state, or a plain plan, on its disk.
func (p *pipeline) leavesNothing(t *testing.T, w *world) {
	found, err := os.ReadDir(w.dir)
	if err != nil {
		t.Error(err)
	}
	for _, f := range found {
		if strings.Contains(f.Name(), "mfstate") {
			t.Errorf("%s: the runner has a %s", p.place.name, f.Name())
		}
		if strings.HasSuffix(f.Name(), ".mfplan") && strings.Contains(readFile(t, filepath.Join(w.dir, f.Name())), "example.com") {
			t.Errorf("%s: the saved plan is plain", p.place.name)
		}
	}
}

// A running command, whose output is read as it comes.
type running struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
	in    io.WriteCloser
}

func (w *world) start(args ...string) *running {
	w.t.Helper()
	r := &running{cmd: w.command(context.Background(), binary, args...)}
	out, both, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	// A small pipe: what is not read holds the command up, so that it cannot have
	// ended before a test that waits for a line has seen it.
	if _, err := unix.FcntlInt(both.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		w.t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = both, both
	if r.in, err = r.cmd.StdinPipe(); err == nil {
		err = r.cmd.Start()
	}
	if err = errors.Join(err, both.Close()); err != nil {
		w.t.Fatal(err)
	}
	r.lines = bufio.NewReader(out)
	w.t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill() // a test has failed before it came to that
			_ = r.cmd.Wait()
		}
	})
	return r
}

// until reads the output up to the nth appearance of a text.
func (r *running) until(t *testing.T, text string, n int) {
	t.Helper()
	var got strings.Builder
	for strings.Count(got.String(), text) < n {
		b, err := r.lines.ReadByte()
		if err != nil {
			t.Fatalf("it ended before it said %q %d times: %v\n%s", text, n, err, got.String())
		}
		got.WriteByte(b)
	}
}

func (r *running) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait() // it was killed
}

func (r *running) wait(t *testing.T) {
	t.Helper()
	rest, err := io.ReadAll(r.lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, rest)
	}
}

func TestAPipelineGoesOnWhereAKilledRunnerStopped(t *testing.T) {
	for name, of := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, of(t), manyUsers(t, 200))
			// The first runner plans, and hands the plan on.
			first := p.runner(t)
			first.ok("plan", "-out=p.mfplan", "-input=false")
			reviewed := filepath.Join(first.dir, "p.mfplan")
			if info, err := os.Stat(reviewed); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the plan: %v, %v", info, err)
			}
			// The second applies it, and is killed after some of the users.
			second := p.runner(t)
			r := second.start("apply", "-input=false", reviewed)
			r.until(t, "mailbox: Creation complete", 3)
			r.kill(t)
			// The third goes on with what is left.
			third := p.runner(t)
			if !p.place.lease {
				out := third.mailform("plan")
				id := regexp.MustCompile(`force-unlock ([0-9a-f-]{36})`).FindStringSubmatch(out.stderr)
				if out.code != 1 || id == nil {
					t.Fatalf("the lock of the one that was killed: %v", out)
				}
				third.ok("force-unlock", "-force", id[1])
			}
			third.ok("apply", "-auto-approve", "-input=false", "-lock-timeout=3m")
			third.noChanges()
			fourth := p.runner(t)
			fourth.noChanges()
			list := fourth.ok("state", "list")
			if n := strings.Count(list, "user.staff["); n != 200 {
				t.Errorf("the state has %d of 200 users", n)
			}
			if r := fourth.mailform("apply", reviewed); r.code != 1 || !strings.Contains(r.stderr, "Saved plan is stale") {
				t.Errorf("the plan of before: %v", r)
			}
			fourth.ok("destroy", "-auto-approve")
			p.runner(t).ok("plan")
		})
	}
}

func TestOfTwoAppliesOneWaitsOrSaysWhoHoldsTheLock(t *testing.T) {
	all := places(t)
	all["local"] = func(*testing.T) place { return place{name: "local", lease: true} }
	for name, of := range all {
		t.Run(name, func(t *testing.T) {
			place := of(t)
			var first, second *world
			if name == "local" {
				first = newWorld(t, map[string]string{"main.mf.hcl": quickstart(t)})
				second = first
			} else {
				p := newPipeline(t, place, map[string]string{"main.mf.hcl": quickstart(t)})
				first, second = p.runner(t), p.runner(t)
			}
			first.env = append(first.env[:len(first.env):len(first.env)], "CI_JOB_URL=https://gitlab.example/jobs/17", "GITHUB_RUN_ID=")
			holder := first.start("apply")
			holder.until(t, "Enter a value: ", 1)
			r := second.mailform("apply", "-auto-approve")
			if r.code != 1 || !strings.Contains(r.stderr, "Error acquiring the state lock") || !strings.Contains(r.stderr, "operation apply") ||
				!strings.Contains(r.stderr, "https://gitlab.example/jobs/17") {
				t.Errorf("the second, which does not wait: %v", r)
			}
			if r := second.mailform("state", "lock"); name != "http" && (r.code != 0 || !strings.Contains(r.stdout, fmt.Sprintf("Process:   %d", holder.cmd.Process.Pid))) {
				t.Errorf("state lock: %v", r)
			}
			waiting := second.start("apply", "-auto-approve", "-lock-timeout=3m")
			if _, err := io.WriteString(holder.in, "yes\n"); err != nil {
				t.Fatal(err)
			}
			holder.wait(t)
			waiting.wait(t)
			first.noChanges()

			// A holder that is killed is followed by the next one.
			holder = first.start("destroy")
			holder.until(t, "Enter a value: ", 1)
			holder.kill(t)
			began := time.Now()
			if !place.lease {
				out := second.mailform("plan")
				id := regexp.MustCompile(`force-unlock ([0-9a-f-]{36})`).FindStringSubmatch(out.stderr)
				if out.code != 1 || id == nil {
					t.Fatalf("the lock of the one that was killed: %v", out)
				}
				second.ok("force-unlock", "-force", id[1])
			}
			second.ok("destroy", "-auto-approve", "-lock-timeout=3m")
			t.Logf("%s: the next one was done %v after the holder was killed", name, time.Since(began).Round(time.Millisecond))
		})
	}
}
