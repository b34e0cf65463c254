package nametest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Keys that every server knows: the one may do all, the other only read.
const (
	WriteKey = "mailform."
	ReadKey  = "mailform-read."
	// WriteSecret and ReadSecret are in base64.
	WriteSecret = "c2VjcmV0IG9mIHRoZSBrZXkgdGhhdCB3cml0ZXMgLi4="
	ReadSecret  = "c2VjcmV0IG9mIHRoZSBrZXkgdGhhdCByZWFkcyAuLi4="
)

// Options say what a server has.
type Options struct {
	// Zones by their name without trailing dot: the text of a zone file, which may
	// be as [Zone] makes it.
	Zones map[string]string
	// ZoneOptions are further statements of BIND, or lines of Knot, in the
	// configuration of each zone.
	ZoneOptions string
	// Update is the update-policy of BIND's zones; empty: everything by WriteKey.
	Update string
	// Transfer is who may transfer BIND's zones; empty: both keys.
	Transfer string
	// Options are further statements of BIND's options block, or further lines of
	// Knot's configuration.
	Options string
	// TLS is set for one that listens on TLSAddr as well.
	TLS bool
}

// Zone is the text of a zone file with an SOA record, an NS record and an address
// for it, and further lines.
func Zone(name string, lines ...string) string {
	return fmt.Sprintf("$ORIGIN %[1]s.\n$TTL 3600\n@ IN SOA ns1 hostmaster 1 14400 3600 1209600 3600\n@ IN NS ns1\nns1 IN A 127.0.0.1\n%[2]s\n",
		name, strings.Join(lines, "\n"))
}

// A Server is one that runs.
type Server struct {
	// Dir is its directory, Addr where it answers, Control the port or the socket
	// of its control channel, Program the one that controls it.
	Dir, Addr, TLSAddr, Control, Program string
	// CAFile holds the certificate of a server with TLS, for the name localhost.
	CAFile string

	command func() *exec.Cmd
	ready   func() bool
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	log     syncBuffer
}

// A syncBuffer is what a process writes and a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Log is what the server has written so far.
func (s *Server) Log() string { return s.log.String() }

// Need finds a program, also where only root has it in the PATH. Without it the
// test is skipped; in CI, where .ci/peers has installed it, that is a failure.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed; .ci/peers installs it", program)
		}
		t.Skipf("SKIPPED: %s is not installed", program)
	}
	return path
}

// Start starts the server, again where it has ended, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.cmd = s.command()
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = &s.log, &s.log, endWithTests()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, cmd := make(chan struct{}), s.cmd
	s.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it may be told to die
	}()
	for deadline := time.Now().Add(time.Minute); !s.ready(); {
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", s.cmd.Path, s.Log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer:\n%s", s.cmd.Path, s.Log())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Kill ends the server at once.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// begin starts a server that ends with the test.
func (s *Server) begin(t testing.TB) *Server {
	t.Helper()
	t.Cleanup(func() { s.Kill(t) })
	s.Start(t)
	return s
}

// Do runs the program that controls the server.
func (s *Server) Do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := s.Try(args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", s.Program, strings.Join(args, " "), err, out)
	}
	return out
}

// Update makes changes behind everybody's back: lines as nsupdate has them.
func (s *Server) Update(t testing.TB, zone string, edit func(*dns.Msg)) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	edit(m)
	m.SetTsig(WriteKey, dns.HmacSHA256, 300, time.Now().Unix())
	c := &dns.Client{Net: "tcp", Timeout: time.Minute, TsigSecret: map[string]string{WriteKey: WriteSecret}}
	r, _, err := c.Exchange(m, s.Addr)
	if err != nil || r.Rcode != dns.RcodeSuccess {
		t.Fatalf("update %s: %v %v", zone, err, r)
	}
}

// Transfer is a zone as the server has it.
func (s *Server) Transfer(t testing.TB, zone string) []dns.RR {
	t.Helper()
	m := new(dns.Msg).SetAxfr(dns.Fqdn(zone))
	m.SetTsig(ReadKey, dns.HmacSHA256, 300, time.Now().Unix())
	tr := &dns.Transfer{DialTimeout: time.Minute, ReadTimeout: time.Minute, TsigSecret: map[string]string{ReadKey: ReadSecret}}
	in, err := tr.In(m, s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var out []dns.RR
	for e := range in {
		if e.Error != nil {
			t.Fatalf("transfer %s: %v", zone, e.Error)
		}
		out = append(out, e.RR...)
	}
	return out
}

// answers reports whether something answers queries at an address.
func answers(addr string) bool {
	m := new(dns.Msg).SetQuestion(".", dns.TypeSOA)
	c := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	_, _, err := c.Exchange(m, addr)
	return err == nil
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) hostPort() (host, port string) {
	host, port, _ = net.SplitHostPort(s.Addr) // it is one of ours
	return host, port
}
