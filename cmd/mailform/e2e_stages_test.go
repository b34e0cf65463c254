package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// staged is a domain whose mail the server named takes. Both servers are the
// machine's loopback address, and told apart by their ports.
func staged(server, port string) string {
	return `
nameserver "ns1" {
  hostname = "ns1.example.com"
  listen   = ["127.0.0.1:2053"]
}

server "` + server + `" {
  hostname  = "` + server + `.example.com"
  addresses = ["127.0.0.1"]
  smtp { listen = ["127.0.0.1:` + port + `"] }
}

domain "example" {
  name       = "example.com"
  nameserver = nameserver.ns1
  ttl        = "15s"
  mx { server = server.` + server + ` }
  staging {
    mode   = "always" # also on loopback
    ttl    = "1s"
    margin = "1s"
  }
}

user "alice" {
  domain = domain.example
  name   = "alice"
}
`
}

// An MX moves from one running server to another, with an apply that is killed
// while it waits and another that goes on. A sender that honours what dig tells
// it of times to live is never refused.
func TestAnMXMovesUnderTheEyesOfDig(t *testing.T) {
	t.Parallel()
	need(t, "dig")
	w := newWorld(t, map[string]string{"main.mf.hcl": staged("old", "2525")})
	w.apply()
	w.noChanges()
	w.write("main.mf.hcl", staged("new", "2587"))

	sender := &sender{w: w, port: map[string]int{"old.example.com.": w.port["smtp"], "new.example.com.": w.port["submission"]}}
	sender.send()
	first := w.start("apply", "-auto-approve", "-wait")
	first.until(t, "Waiting until", 1)
	first.kill(t)
	sender.send()
	if out := w.ok("show"); !strings.Contains(out, "domain.example.mx: switch to 10 new.example.com., not before ") {
		t.Errorf("the state does not know what is to come:\n%s", out)
	}
	if out := w.dig("+noall", "+answer", "MX", "example.com"); !strings.Contains(out, "\t1\tIN\tMX\t10 old.example.com.") {
		t.Errorf("the time to live is not lowered: %s", out)
	}

	second := w.start("apply", "-auto-approve", "-wait")
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, second.lines)
		ended <- errors.Join(err, second.cmd.Wait())
	}()
	for running := true; running; {
		sender.send()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("apply -wait: %v", err)
			}
			running = false
		default:
		}
	}
	for range 5 {
		sender.send()
	}
	if sender.taken["old.example.com."] == 0 || sender.taken["new.example.com."] == 0 {
		t.Errorf("not both servers were asked: %v", sender.taken)
	}
	w.noChanges()
	if out := w.dig("+noall", "+answer", "MX", "example.com"); !strings.Contains(out, "\t15\tIN\tMX\t10 new.example.com.") {
		t.Errorf("the time to live is not what it was: %s", out)
	}
	if c, err := net.Dial("tcp", w.addr("smtp")); err == nil {
		c.Close()
		t.Error("the old server still listens")
	}
}

// A sender sends to alice, by an MX that it keeps as long as it may.
type sender struct {
	w     *world
	port  map[string]int // of the hosts
	host  string
	until time.Time
	taken map[string]int // messages, by host
}

func (s *sender) send() {
	s.w.t.Helper()
	for range 100 {
		s.ask()
		err := s.offer()
		if err == nil {
			if s.taken == nil {
				s.taken = map[string]int{}
			}
			s.taken[s.host]++
			return
		}
		if time.Now().Before(s.until) {
			s.w.t.Fatal(err)
		}
		// A machine that was busy has kept us longer than we may remember the host.
	}
	s.w.t.Fatal("nothing is sent in time")
}

// ask looks for the host anew where what is known is too old.
func (s *sender) ask() {
	s.w.t.Helper()
	if asked := time.Now(); !asked.Before(s.until) { // before dig has begun: it may take its time
		f := strings.Fields(s.w.dig("+noall", "+answer", "MX", "example.com"))
		if len(f) != 6 {
			s.w.t.Fatalf("dig says %q", f)
		}
		ttl, err := strconv.Atoi(f[1])
		if err != nil {
			s.w.t.Fatal(err)
		}
		s.host, s.until = f[5], asked.Add(time.Duration(ttl)*time.Second)
		if s.host == "old.example.com." && s.w.dig("+short", "A", s.host) == "" {
			s.w.t.Fatalf("%s has no address", s.host)
		}
	}
}

// offer asks the host whether it takes mail for alice.
func (s *sender) offer() error {
	c, err := smtp.Dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port[s.host])))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, err := range []error{c.Hello("sender.example.net"), c.Mail("bob@example.net"), c.Rcpt("alice@example.com")} {
		if err != nil {
			return fmt.Errorf("%s: %w", s.host, err)
		}
	}
	return nil
}
