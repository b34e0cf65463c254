package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// transaction does MAIL and RCPT.
func (c *talk) transaction() {
	c.t.Helper()
	c.say("MAIL FROM:<a@remote.test>", "250")
	c.say("RCPT TO:<alice@d.test>", "250")
}

func TestSmuggledCommandsAreNeverRun(t *testing.T) {
	// A second message that a relay in front would take for content.
	const inner = "MAIL FROM:<evil@remote.test>\r\nRCPT TO:<bob@d.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"
	for name, end := range map[string]string{
		"LF dot LF": "\n.\n", "CRLF dot LF": "\r\n.\n", "LF dot CRLF": "\n.\r\n", "CR dot CR": "\r.\r",
		"CR dot CRLF": "\r.\r\n", "CRLF dot CR": "\r\n.\r", "CR CRLF dot CRLF": "\r\r\n.\r\n",
		"CRLF dot CR CRLF": "\r\n.\r\r\n", "NUL in the end": "\r\n\x00.\r\n", "dot and space": "\r\n. \r\n",
	} {
		t.Run(name+" DATA", func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			c.transaction()
			c.say("DATA", "354")
			content := "Subject: x\r\n\r\nbody" + end + inner
			c.send(content)
			want := "550 5.5.2"
			switch {
			case strings.HasPrefix(name, "NUL"):
				want = "550 5.6.0"
			case strings.HasPrefix(name, "dot and"):
				want = "250" // odd, but whole and one
			}
			c.expect(want)
			c.say("QUIT", "221")
			c.closed()
			for _, d := range r.store.deliveries() {
				if d.from != "a@remote.test" || len(r.store.deliveries()) > 1 {
					t.Errorf("smuggled: %+v", r.store.deliveries())
				}
			}
		})
		t.Run(name+" BDAT", func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			c.transaction()
			content := "Subject: x\r\n\r\nbody" + end + inner
			c.send("BDAT " + itoa(len(content)) + " LAST\r\n" + content)
			got := c.reply()
			c.say("QUIT", "221")
			c.closed()
			ds := r.store.deliveries()
			if strings.HasPrefix(got, "250") && (len(ds) != 1 || ds[0].from != "a@remote.test") || len(ds) > 1 {
				t.Errorf("reply %q, deliveries %+v", got, ds)
			}
			if bare := strings.ContainsAny(strings.ReplaceAll(end, "\r\n", ""), "\r\n"); bare != strings.HasPrefix(got, "550 5.5.2") {
				t.Errorf("reply %q", got)
			}
		})
	}
}

func TestCommandLinesEndInCRLF(t *testing.T) {
	r := newRig(t, MTA, nil)
	for name, line := range map[string]string{
		"LF alone": "NOOP\n", "CR within": "NO\rOP\r\n", "NUL within": "NOOP \x00\r\n", "two CR": "NOOP\r\r\n",
		"a whole session in LF": "MAIL FROM:<a@remote.test>\nRCPT TO:<alice@d.test>\nDATA\n",
		"a line without end":    strings.Repeat("x", maxCommand+1),
		"a very long line":      "MAIL FROM:<" + strings.Repeat("x", maxCommand) + "@b.test>\r\n",
	} {
		for _, secure := range []string{"plain", "TLS"} {
			t.Run(name+" "+secure, func(t *testing.T) {
				c := r.hello()
				if secure == "TLS" {
					c.startTLS()
					c.say("EHLO client.test", "250")
				}
				c.send(line)
				c.expect("500 5.5.2")
				c.closed()
			})
		}
	}
}

func TestNothingFromBeforeTLSIsRunWithin(t *testing.T) {
	r := newRig(t, MTA, nil)
	c := r.hello()
	c.transaction()
	c.send("STARTTLS\r\nMAIL FROM:<i@j.test>\r\nNOOP\r\n")
	c.expect("220 2.0.0")
	c.handshake()
	// No reply to what was injected, no greeting, no state of before.
	c.say("RCPT TO:<alice@d.test>", "503 5.5.1")
	c.say("EHLO client.test", "250")
	c.say("DATA", "503 5.5.1")
}

func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	r := newRig(t, MTA, nil)
	c := r.hello()
	c.send("MAIL FROM:<a@remote.test>\r\nRCPT TO:<nosuch@d.test>\r\nRCPT TO:<alice@d.test>\r\nDATA\r\n")
	for _, want := range []string{"250", "550 5.1.1", "250", "354"} {
		c.expect(want)
	}
	c.send("Subject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@d.test>\r\nBDAT 4\r\na\r\nbBDAT 2 LAST\r\n\r\nQUIT\r\n")
	for _, want := range []string{"250 2.0.0 OK: queued", "250", "250", "250 2.0.0 Continue", "250 2.0.0 OK: queued", "221"} {
		c.expect(want)
	}
	c.closed()
	ds := r.store.deliveries()
	if len(ds) != 2 || !strings.HasSuffix(ds[0].text, "\r\n\r\n.dot\r\n") || !strings.HasSuffix(ds[1].text, "\r\n\r\na\r\nb\r\n") {
		t.Errorf("deliveries %+v", ds)
	}
}

func TestBigMessages(t *testing.T) {
	message := func(size int) string {
		s := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("y", 98)+"\r\n", size/100+1)
		return s[:size-3] + "z" // the sender adds CRLF
	}
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, MTA, nil)
			for size, want := range map[int]string{9999: "250", 10000: "250", 10001: "552 5.3.4", 300000: "552 5.3.4"} {
				c := r.hello()
				c.transaction()
				content := message(size)[:size-2]
				if got := s.send(c, content); !strings.HasPrefix(got, want) {
					t.Errorf("%d bytes: %q, want %s", size, got, want)
				}
				c.say("NOOP", "250")
				c.say("QUIT", "221")
				c.closed()
			}
		})
	}
}

func TestDrainingABigMessageHasAnEnd(t *testing.T) {
	t.Run("DATA", func(t *testing.T) {
		c := newRig(t, MTA, nil).hello()
		c.transaction()
		c.say("DATA", "354")
		line := strings.Repeat("x", 8190) + "\r\n"
		sent := 0
		for ; sent < 3*maxDrain; sent += len(line) {
			if _, err := io.WriteString(c.conn, line); err != nil {
				break
			}
		}
		if sent >= 3*maxDrain {
			t.Fatal("the server took it all")
		}
	})
	t.Run("BDAT", func(t *testing.T) {
		c := newRig(t, MTA, nil).hello()
		c.transaction()
		c.send("BDAT 4000000000\r\n")
		c.expect("552 5.3.4")
		c.closed()
	})
	t.Run("BDAT without a size", func(t *testing.T) {
		c := newRig(t, MTA, nil).hello()
		c.transaction()
		c.send("BDAT x\r\nNOOP\r\n")
		c.expect("501 5.5.4")
		c.closed()
	})
}

func TestLongLinesArrive(t *testing.T) {
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t, MTA, func(o *Options) {
				o.Settings = func() Settings { return Settings{Hostname: "mx.d.test"} }
			})
			c := r.hello()
			c.transaction()
			long := strings.Repeat("y", 100_000)
			if got := s.send(c, "Subject: "+long+"\r\n\r\n"+long); !queuedAs.MatchString(got) {
				t.Fatalf("got %q", got)
			}
			if ds := r.store.deliveries(); !strings.HasSuffix(ds[0].text, "Subject: "+long+"\r\n\r\n"+long+"\r\n") {
				t.Error("the line was changed")
			}
			c.transaction()
			if got := s.send(c, "Subject: x\r\n\r\n"+strings.Repeat("y", 200_000)); !strings.HasPrefix(got, "550 5.5.2") {
				t.Fatalf("got %q", got)
			}
			c.say("NOOP", "250")
		})
	}
}

// A message that breaks off is not stored, and what follows is not run.
func TestAMessageThatBreaksOff(t *testing.T) {
	parts := map[string]string{
		"DATA":                 "DATA\r\n",
		"BDAT":                 "BDAT 1000\r\n",
		"BDAT LAST":            "BDAT 1000 LAST\r\n",
		"between BDAT chunks":  "BDAT 4\r\nabc\n",
		"in the end of DATA":   "DATA\r\nSubject: x\r\n\r\nbody\r\n.",
		"BDAT with no content": "BDAT 0\r\n",
	}
	for name, part := range parts {
		t.Run(name+" by hanging up", func(t *testing.T) {
			r := newRig(t, MTA, nil)
			c := r.hello()
			c.transaction()
			c.send(part)
			if !strings.HasPrefix(name, "in the end") {
				c.send("Subject: x\r\n\r\nbody\r\n")
			}
			c.conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c.br)
			r.quiet()
			if ds := r.store.deliveries(); len(ds) > 0 {
				t.Errorf("stored %+v", ds)
			}
		})
		t.Run(name+" by silence", func(t *testing.T) {
			inTime(t, 50*time.Millisecond, func(limit time.Duration) bool {
				r := newRig(t, MTA, func(o *Options) { o.Timeouts.Block, o.Timeouts.Command = limit, limit })
				c, ok := r.begin("EHLO client.test", "MAIL FROM:<a@remote.test>", "RCPT TO:<alice@d.test>")
				if _, err := io.WriteString(c.conn, part); !ok || err != nil {
					return false
				}
				// The server gives up, says so, and closes.
				rest, err := io.ReadAll(c.br)
				if isTimeout(err) || err == nil && !strings.HasSuffix(string(rest), replyTimeout) {
					t.Fatalf("got %q, %v", rest, err)
				}
				c.conn.Write([]byte("\r\n.\r\nMAIL FROM:<x@y.test>\r\n"))
				r.quiet()
				if ds := r.store.deliveries(); len(ds) > 0 {
					t.Errorf("stored %+v", ds)
				}
				return err == nil // else what was said came too late
			})
		})
	}
}

// inTime tries something with a server whose time-outs are short. Where the machine
// is so busy that the client itself is late, which try reports, they are longer the
// next time.
func inTime(t *testing.T, limit time.Duration, try func(limit time.Duration) bool) {
	t.Helper()
	for ; limit < 30*time.Second; limit *= 5 {
		if try(limit) {
			return
		}
		t.Logf("the client takes longer than %v", limit)
	}
	t.Fatal("the client never is in time")
}

// begin takes the greeting and says lines. It reports whether each was answered
// before the server had waited for too long.
func (r *rig) begin(lines ...string) (c *talk, inTime bool) {
	r.t.Helper()
	c = r.dial()
	for i := 0; ; i++ {
		switch reply, err := c.tryReply(); {
		case err != nil && !isTimeout(err) || strings.HasPrefix(reply, "421"):
			return c, false
		case err != nil || reply[0] != '2':
			r.t.Fatalf("%q before %q: %v", reply, lines[i:], err)
		case i == len(lines):
			return c, true
		}
		if _, err := io.WriteString(c.conn, lines[i]+"\r\n"); err != nil {
			return c, false
		}
	}
}

// quiet waits until no connection is open.
func (r *rig) quiet() {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); r.srv.Connections() > 0; {
		if time.Now().After(end) {
			r.t.Fatal("connections are still open")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestDeadlinesRollWithinAMessage(t *testing.T) {
	inTime(t, 300*time.Millisecond, func(limit time.Duration) bool {
		r := newRig(t, MTA, func(o *Options) { o.Timeouts.Block = limit })
		c := r.hello()
		c.transaction()
		c.say("DATA", "354")
		for _, part := range strings.Split("Subject: |x\r\n|\r\n|a|b|c|\r\n|.|\r\n", "|") {
			if _, err := io.WriteString(c.conn, part); err != nil {
				return false
			}
			time.Sleep(limit / 4) // slower in all than one block may be
		}
		reply, err := c.tryReply()
		return err == nil && strings.HasPrefix(reply, "250")
	})
}

func TestACommandCannotTrickleIn(t *testing.T) {
	inTime(t, 150*time.Millisecond, func(limit time.Duration) bool {
		r := newRig(t, MTA, func(o *Options) { o.Timeouts.Command = limit })
		c, ok := r.begin("EHLO client.test")
		if !ok {
			return false
		}
		ended, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := c.conn.Write([]byte("x")); err != nil {
					return
				}
				select {
				case <-ended:
					return
				case <-time.After(limit / 15):
				}
			}
		}()
		reply, err := c.tryReply()
		close(ended)
		c.conn.Close()
		<-done
		// What comes after its end makes the system drop what the server has said.
		if !strings.HasPrefix(reply, "421 4.4.2") && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("got %q, %v", reply, err)
		}
		return err == nil
	})
}

func TestShutdown(t *testing.T) {
	t.Run("tells idle clients and waits for a transaction", func(t *testing.T) {
		r := newRig(t, MTA, nil)
		fresh, idle, secure, busy := r.dial(), r.hello(), r.hello(), r.hello()
		fresh.expect("220")
		secure.startTLS()
		secure.say("EHLO client.test", "250")
		busy.transaction()
		busy.say("DATA", "354")
		done := make(chan error, 1)
		go func() { done <- r.srv.Shutdown(context.Background()) }()
		for _, c := range []*talk{fresh, idle, secure} {
			c.expect("421 4.3.2")
			c.closed()
		}
		select {
		case err := <-done:
			t.Fatalf("shutdown did not wait: %v", err)
		default:
		}
		busy.send("Subject: x\r\n\r\ny\r\n.\r\n")
		busy.expect("250")
		busy.expect("421 4.3.2")
		busy.closed()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(r.store.deliveries()) != 1 {
			t.Error("the message is missing")
		}
	})
	t.Run("cuts off what takes too long", func(t *testing.T) {
		r := newRig(t, MTA, nil)
		r.store.hold, r.store.entered = make(chan struct{}), make(chan struct{}, 1)
		stuck, silent := r.hello(), r.hello()
		silent.transaction()
		silent.say("DATA", "354")
		stuck.transaction()
		stuck.say("DATA", "354")
		stuck.send("Subject: x\r\n\r\ny\r\n.\r\n")
		<-r.store.entered
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := r.srv.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		if n := r.srv.Connections(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Run("in all", func(t *testing.T) {
		r := newRig(t, MTA, func(o *Options) { o.Limits.Connections = 2 })
		a, b := r.hello(), r.hello()
		c := r.dial()
		c.expect("421 4.7.0")
		c.closed()
		a.say("QUIT", "221")
		a.closed()
		for end := time.Now().Add(time.Minute); r.srv.Connections() > 1 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		r.hello().say("NOOP", "250")
		b.say("NOOP", "250")
	})
	t.Run("for an address, but loopback", func(t *testing.T) {
		for throttle, want := range map[bool]string{true: "421 4.7.0", false: "220"} {
			r := newRig(t, MTA, func(o *Options) {
				o.Limits.ConnectionsPerClient, o.Limits.ThrottleLoopback = 1, throttle
				o.Limits.GreetDelay = time.Millisecond
			})
			r.hello()
			r.dial().expect(want)
		}
	})
}

func TestErrorsAreLimited(t *testing.T) {
	r := newRig(t, MTA, func(o *Options) { o.Limits.Errors = 5 })
	c := r.hello()
	c.say("MAIL FROM:<a@remote.test>", "250")
	// All in one packet: what is beyond the limit is not looked at any more.
	c.send(strings.Repeat("RCPT TO:<nosuch@d.test>\r\n", 20))
	for range 5 {
		c.expect("550 5.1.1")
	}
	c.expect("421 4.7.0")
	c.closed()

	d := r.hello()
	for range 4 {
		d.say("FOOO", "500 5.5.2")
	}
	d.expect("421 4.7.0")
	d.closed()
}

func TestWhoTalksBeforeTheGreetingIsRefused(t *testing.T) {
	r := newRig(t, MTA, func(o *Options) {
		o.Limits.ThrottleLoopback, o.Limits.GreetDelay = true, time.Minute
	})
	c := r.dial()
	c.send("EHLO early.test\r\n")
	c.expect("554 5.5.1")
	c.closed()

	r = newRig(t, MTA, func(o *Options) {
		o.Limits.ThrottleLoopback, o.Limits.GreetDelay = true, 10*time.Millisecond
	})
	c = r.dial()
	c.expect("220")
	c.say("EHLO client.test", "250")
}

func TestTLSFromTheFirstByte(t *testing.T) {
	r := newRig(t, Submission, nil)
	r.addr = r.listen((*Server).ServeTLS)
	c := r.dial()
	c.handshake()
	c.expect("220 mx.d.test")
	if got := c.say("EHLO client.test", "250"); !strings.Contains(got, "AUTH PLAIN LOGIN\r\n") || strings.Contains(got, "STARTTLS") {
		t.Errorf("got %q", got)
	}
	// Someone who speaks plain text there is not answered in plain text.
	p := r.dial()
	p.send("EHLO client.test\r\n")
	b, _ := io.ReadAll(p.br)
	if strings.HasPrefix(string(b), "2") {
		t.Errorf("got %q", b)
	}
}

func TestAClosedListenerLeavesConnectionsOpen(t *testing.T) {
	r := newRig(t, MTA, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.srv.Serve(l) }()
	r.addr = l.Addr().String()
	c := r.hello()
	l.Close()
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
	c.say("NOOP", "250")
	if n := r.srv.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
