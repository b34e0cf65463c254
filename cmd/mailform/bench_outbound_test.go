package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers/porttest"
)

// destinations is how many servers the mail of the benchmark goes to.
const destinations = 10

// BenchmarkOutboundBesidePostfix sends 3,000 messages of 4 KiB to ten servers
// (smtp-sink), by mailform and by Postfix with the limits that each comes with: first
// out of a full queue, then straight through, from 20 clients that hand them in.
// Either keeps its queue on the disk.
func BenchmarkOutboundBesidePostfix(b *testing.B) {
	const messages = 3000
	out := newSinks(b)
	w := outboundWorld(b, out)
	pf := outboundPostfix(b, out)
	for range b.N {
		ours := out.drained(b, messages, func() { handIn(b, messages, w.outboundClient) }, func() { w.ok("queue", "retry", "-all") })
		pf.settings("defer_transports = smtp")
		theirs := out.drained(b, messages, func() { handIn(b, messages, pf.client) }, func() {
			pf.settings("defer_transports =")
			pf.run("postqueue", "-c", pf.config, "-f")
		})
		again := out.drained(b, messages, func() { handIn(b, messages, w.outboundClient) }, func() { w.ok("queue", "retry", "-all") })
		b.ReportMetric(ours, "drain-mailform-msg/s")
		b.ReportMetric(theirs, "drain-postfix-msg/s")
		b.ReportMetric(again, "drain-mailform-again-msg/s")
		b.ReportMetric(min(ours, again)/theirs, "drain-ratio")

		ours = out.through(b, messages, w.outboundClient)
		theirs = out.through(b, messages, pf.client)
		again = out.through(b, messages, w.outboundClient)
		b.ReportMetric(ours, "through-mailform-msg/s")
		b.ReportMetric(theirs, "through-postfix-msg/s")
		b.ReportMetric(again, "through-mailform-again-msg/s")
		b.ReportMetric(min(ours, again)/theirs, "through-ratio")
	}
}

// sinks are servers that throw mail away and count it.
type sinks struct {
	addrs   []string
	running []*exec.Cmd
	mu      sync.Mutex
	counts  []int
}

func newSinks(b *testing.B) *sinks {
	need(b, "smtp-sink")
	s := &sinks{counts: make([]int, destinations)}
	for range destinations {
		s.addrs = append(s.addrs, porttest.Addr(b))
	}
	b.Cleanup(s.stop)
	return s
}

var sinkCount = regexp.MustCompile(`mesg=(\d+)`)

// start runs the servers, which begin to count at zero.
func (s *sinks) start(b *testing.B) {
	b.Helper()
	for i, addr := range s.addrs {
		s.counts[i] = 0
		cmd := exec.Command("smtp-sink", "-u", "root", "-c", addr, "1000")
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		s.running = append(s.running, cmd)
		go s.follow(i, out)
	}
	for _, addr := range s.addrs {
		eventually(b, "a sink listens", func() bool { return reachable(addr) })
	}
}

// follow reads the counter that a server keeps on its output.
func (s *sinks) follow(i int, out io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if err != nil {
			return // it has ended
		}
		if all := sinkCount.FindAllSubmatch(buf[:n], -1); all != nil {
			if count, err := strconv.Atoi(string(all[len(all)-1][1])); err == nil {
				s.mu.Lock()
				s.counts[i] = max(s.counts[i], count)
				s.mu.Unlock()
			}
		}
	}
}

func (s *sinks) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.counts {
		n += c
	}
	return n
}

func (s *sinks) stop() {
	for _, cmd := range s.running {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
	s.running = nil
}

// until waits for messages, and is their rate since a time.
func (s *sinks) until(b *testing.B, messages int, since time.Time) float64 {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); s.total() < messages; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d messages have come in two minutes", s.total(), messages)
		}
	}
	return float64(messages) / time.Since(since).Seconds()
}

// drained is the rate at which a queue empties that was filled with nobody there.
func (s *sinks) drained(b *testing.B, messages int, fill, release func()) float64 {
	b.Helper()
	fill()
	s.start(b)
	defer s.stop()
	began := time.Now()
	release()
	return s.until(b, messages, began)
}

// through is the rate from the first message handed in to the last delivered.
func (s *sinks) through(b *testing.B, messages int, client func() *session) float64 {
	b.Helper()
	s.start(b)
	defer s.stop()
	began := handIn(b, messages, client)
	return s.until(b, messages, began)
}

// handIn hands in messages from 20 clients, each to the destinations in turn. It
// returns when that began: the clients were connected.
func handIn(b *testing.B, messages int, client func() *session) time.Time {
	b.Helper()
	const clients = 20
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 4096/72)
	sessions := make([]*session, clients)
	for i := range sessions {
		sessions[i] = client()
		if err := sessions[i].c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	var wg sync.WaitGroup
	for c, s := range sessions {
		wg.Go(func() {
			for i := c; i < messages; i += clients {
				to := fmt.Sprintf("friend%d@d%d.test", i, i%destinations)
				for _, line := range []string{"MAIL FROM:<alice@example.com>", "RCPT TO:<" + to + ">", "DATA",
					"From: alice@example.com\r\nTo: " + to + "\r\nSubject: a message\r\n\r\n" + body + "."} {
					if got := s.smtp(line); got[0] != '2' && got[0] != '3' {
						b.Errorf("%.40q was answered %q", line, got)
						return
					}
				}
			}
			s.smtp("QUIT")
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return began
}

// outboundWorld is mailform with a way for each destination.
func outboundWorld(b *testing.B, out *sinks) *world {
	b.Helper()
	w := newWorld(b, nil)
	w.port["smtps"] = porttest.Port(b)
	text := quickstart(b)
	var ways strings.Builder
	for i, addr := range out.addrs {
		fmt.Fprintf(&ways, "  smarthost {\n    host       = %q\n    recipients = [\"d%d.test\"]\n  }\n", addr, i)
	}
	const submission = `submission { listen = ["127.0.0.1:2587"] }`
	if !strings.Contains(text, submission) {
		b.Fatalf("the example has no %s", submission)
	}
	// Nor does Postfix sign.
	text = strings.Replace(text, "  dkim { selector = \"s1\" }\n", "", 1)
	w.write("main.mf.hcl", strings.Replace(text, submission,
		"submission {\n    listen     = [\"127.0.0.1:2587\"]\n    listen_tls = [\""+w.addr("smtps")+"\"]\n  }\n"+ways.String(), 1))
	w.apply()
	return w
}

func (w *world) outboundClient() *session { return w.submit("alice@example.com") }

// An outboundPostfix is a private Postfix with a way for each destination.
type relayingPostfix struct {
	*postfixServer
	b      *testing.B
	config string
	main   []byte
}

func outboundPostfix(b *testing.B, out *sinks) *relayingPostfix {
	b.Helper()
	p := newPostfix(b)
	r := &relayingPostfix{postfixServer: p, b: b, config: filepath.Join(filepath.Dir(filepath.Dir(p.maildir)), "etc")}
	var ways strings.Builder
	for i, addr := range out.addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&ways, "{ d%d.test = smtp:[%s]:%s }, ", i, host, port)
	}
	r.run("postconf", "-c", r.config, "-e", "mynetworks = 127.0.0.0/8",
		"smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination", "transport_maps = inline:{ "+strings.TrimSuffix(ways.String(), ", ")+" }")
	return r
}

func (r *relayingPostfix) settings(setting string) {
	r.run("postconf", "-c", r.config, "-e", setting)
	r.run("postfix", "-c", r.config, "reload")
}

func (r *relayingPostfix) run(program string, args ...string) {
	r.b.Helper()
	var said bytes.Buffer
	cmd := exec.Command(need(r.b, program), args...)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		r.b.Fatalf("%s: %v: %s", program, err, said.String())
	}
}

func (r *relayingPostfix) client() *session {
	s := dial(r.b, r.addr)
	s.expect("", "220", "EHLO client.example.net", "250")
	return s
}
