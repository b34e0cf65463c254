package main

// The tests in the e2e_*_test.go files run the real binary, its real daemon and
// the real programs that people use: swaks, curl, dig, mbsync, fetchmail. This
// file has what they share.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/mailtest"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/rogpeppe/go-internal/testscript"
)

// binary is the mailform that the end-to-end tests run, built once.
var binary string

func TestMain(m *testing.M) {
	testscript.Main(binaryRunner{m}, map[string]func(){"mailform": main})
}

// binaryRunner builds the binary before the tests and removes it afterwards.
type binaryRunner struct{ m *testing.M }

func (r binaryRunner) Run() int {
	dir, err := os.MkdirTemp("", "mailform-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "mailform")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build mailform: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("SWAKS_OPT_timeout", "180"); err != nil { // seconds; its own 30 are few for a busy machine
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sharedS3.Exit(sharedPostgres.Exit(r.m.Run()))
}

// need finds a program that a test runs beside mailform. Without it the test is
// skipped; in CI, where .ci/peers has installed it, that is a failure.
func need(t testing.TB, program string) string {
	t.Helper()
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin")
	if cache, err := os.UserCacheDir(); err == nil { // where .ci/peers puts what it builds
		dirs = append(dirs, filepath.Join(cache, "mailform", "tools"))
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, program)
		if st, err := os.Stat(path); err == nil && !st.IsDir() {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; .ci/peers installs it", program)
	}
	t.Skipf("SKIPPED: %s is not installed", program)
	return ""
}

// A world is a configuration directory with a free port for each service.
type world struct {
	t    testing.TB
	dir  string
	port map[string]int
	env  []string

	outward *outwardPeer // where there is one
}

// The ports that configuration texts in tests name; each world has its own
// instead.
var samplePorts = map[string]string{
	"smtp": "2525", "submission": "2587", "imap": "2143", "pop3": "2110", "dns": "2053",
}

// newWorld makes a directory with the given files. Whatever runs there is
// stopped when the test ends.
func newWorld(t testing.TB, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), port: map[string]int{}}
	for name := range samplePorts {
		w.port[name] = porttest.Port(t)
	}
	for name, text := range files {
		w.write(name, text)
	}
	t.Cleanup(w.end)
	return w
}

// quickstart is the example's text.
func quickstart(t testing.TB) string {
	t.Helper()
	return readFile(t, "../../examples/quickstart/main.mf.hcl")
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// samplePort finds the sample ports, and not the beginnings of longer numbers.
var samplePort = regexp.MustCompile(`(127\.0\.0\.1:|-p )(2525|2587|2143|2110|2053)\b`)

// withPorts puts the world's ports in the place of the samples'.
func (w *world) withPorts(text string) string {
	return samplePort.ReplaceAllStringFunc(text, func(found string) string {
		m := samplePort.FindStringSubmatch(found)
		for name, sample := range samplePorts {
			if sample == m[2] {
				return m[1] + strconv.Itoa(w.port[name])
			}
		}
		return found
	})
}

func (w *world) addr(service string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port[service]))
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(w.withPorts(text)), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces a text in a file, which has to be there.
func (w *world) edit(name, old, new string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	text := readFile(w.t, path)
	if !strings.Contains(text, old) {
		w.t.Fatalf("%s has no %q to replace", name, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(text, old, new, 1)), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// A result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
}

// command prepares a program in the world's directory.
func (w *world) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir)
	cmd.Env = append(cmd.Env, w.env...)
	return cmd
}

// run runs a program to its end.
func (w *world) run(program string, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := w.command(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func (w *world) mailform(args ...string) result {
	w.t.Helper()
	return w.run(binary, args...)
}

// ok runs mailform and expects exit code 0.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.mailform(args...)
	if r.code != 0 {
		w.t.Fatalf("mailform %s: %v\n--- log\n%s", strings.Join(args, " "), r, w.log())
	}
	return r.stdout
}

func (w *world) apply() string {
	w.t.Helper()
	return w.ok("apply", "-auto-approve")
}

// noChanges expects an empty plan.
func (w *world) noChanges() {
	w.t.Helper()
	r := w.mailform("plan", "-detailed-exitcode")
	if r.code != 0 || !strings.Contains(r.stdout, "No changes.") {
		w.t.Fatalf("the plan is not empty: %v", r)
	}
}

// plans expects a plan with this last line.
func (w *world) plans(summary string) string {
	w.t.Helper()
	r := w.mailform("plan", "-detailed-exitcode")
	if r.code != 2 || !strings.Contains(r.stdout, "\n"+summary+"\n") {
		w.t.Fatalf("want exit code 2 and %q, got %v", summary, r)
	}
	return r.stdout
}

func (w *world) log() string {
	b, err := os.ReadFile(filepath.Join(w.dir, "mail", "mailform.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// admin is a client of the world's daemon.
func (w *world) admin() *admin.Client {
	return admin.NewClient(filepath.Join(w.dir, "mail"))
}

// pid is the process of the daemon; 0 if none runs.
func (w *world) pid() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := w.admin().Status(ctx)
	if err != nil {
		return 0
	}
	return st.PID
}

// end stops the daemon, by its pid if it does not end by itself, and what an apply
// that was killed has left behind.
func (w *world) end() {
	defer mailtest.EndAll(w.t, w.dir)
	pid := w.pid()
	if pid == 0 {
		return
	}
	r := w.mailform("stop", "-data", "mail")
	if r.code == 0 {
		return
	}
	w.t.Errorf("stop: %v", r)
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// eventually asks again until cond holds or the deadline is over.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A session speaks a line protocol by hand.
type session struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

// dial connects and reads nothing yet.
func dial(t testing.TB, addr string) *session {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &session{t, c, bufio.NewReader(c)}
}

func (s *session) send(line string) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.c, "%s\r\n", line); err != nil {
		s.t.Fatalf("send %q: %v", line, err)
	}
}

// line reads one line.
func (s *session) line() string {
	s.t.Helper()
	if err := s.c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	line, err := s.r.ReadString('\n')
	if err != nil {
		s.t.Fatalf("read: %v (after %q)", err, line)
	}
	return strings.TrimRight(line, "\r\n")
}

// until reads lines up to one that starts with a prefix.
func (s *session) until(prefix string) []string {
	s.t.Helper()
	var lines []string
	for {
		l := s.line()
		lines = append(lines, l)
		if strings.HasPrefix(l, prefix) {
			return lines
		}
	}
}

// smtp sends a command and reads the whole reply.
func (s *session) smtp(cmd string) string {
	s.t.Helper()
	if cmd != "" {
		s.send(cmd)
	}
	var reply []string
	for {
		l := s.line()
		reply = append(reply, l)
		if len(l) < 4 || l[3] != '-' {
			return strings.Join(reply, "\n")
		}
	}
}

// imap sends a command with a tag and reads up to the tagged answer.
func (s *session) imap(tag, cmd string) string {
	s.t.Helper()
	s.send(tag + " " + cmd)
	return strings.Join(s.until(tag+" "), "\n")
}

// deliver sends a message by hand and expects it to be accepted.
func (w *world) deliver(to, subject string) {
	w.t.Helper()
	s := dial(w.t, w.addr("smtp"))
	for _, step := range []struct{ send, want string }{
		{"", "220"},
		{"EHLO client.example.net", "250"},
		{"MAIL FROM:<sender@example.net>", "250"},
		{"RCPT TO:<" + to + ">", "250"},
		{"DATA", "354"},
		{"From: sender@example.net\r\nTo: " + to + "\r\nSubject: " + subject + "\r\n\r\nHello.\r\n.", "250"},
		{"QUIT", "221"},
	} {
		if got := s.smtp(step.send); !strings.HasPrefix(got, step.want) {
			w.t.Fatalf("%q was answered %q, want %s", step.send, got, step.want)
		}
	}
}

// subjects lists the subjects of a mailbox, in order, read by IMAP.
func (w *world) subjects(user, mailbox string) []string {
	w.t.Helper()
	s := dial(w.t, w.addr("imap"))
	s.until("* OK")
	if got := s.imap("a", fmt.Sprintf("LOGIN %s quickstart", user)); !strings.Contains(got, "a OK") {
		w.t.Fatalf("login as %s: %s", user, got)
	}
	if got := s.imap("b", "EXAMINE "+mailbox); strings.Contains(got, "* 0 EXISTS") {
		return nil
	}
	var subjects []string
	for _, l := range strings.Split(s.imap("c", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"), "\n") {
		if v, ok := strings.CutPrefix(l, "Subject: "); ok {
			subjects = append(subjects, v)
		}
	}
	s.imap("d", "LOGOUT")
	return subjects
}
