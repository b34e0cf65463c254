package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the crowd of TestACrowdAndItsEnemiesLeaveTheOthersServed is made of.
const (
	crowdIdle      = 100     // clients that wait for mail
	crowdSMTP      = 900     // clients that have greeted and say no more
	crowdSlow      = 10      // clients that send a byte a second, and read so
	crowdMemory    = 400     // MiB that the daemon may take with all of them: docs/mail-server.md
	patience       = 240     // seconds within which everybody is served
	hostileAtMost  = 1 << 28 // bytes that a hostile client sends where nobody stops it
	hostileLiteral = 50      // connections that announce much and send nothing
)

// A thousand clients are there at once, a hundred of them to hear of new mail, ten
// of them very slow, and others send what has no end or no bottom. Who has an
// ordinary wish is served meanwhile, and the daemon stays small.
func TestACrowdAndItsEnemiesLeaveTheOthersServed(t *testing.T) {
	w := newHouse(t, "50MiB")
	w.deliver("bob@example.com", "before the crowd")
	large := w.greet()
	if got := large.message("a@remote.test", "bob@example.com", "Subject: large\r\n\r\n"+strings.Repeat(strings.Repeat("x", 76)+"\r\n", 1<<17)); !strings.HasPrefix(got, "250") {
		t.Fatalf("a large message: %q", got)
	}
	atFirst := w.peakMemory()

	idle := w.crowd(crowdIdle, "imap", "a LOGIN alice@example.com quickstart\r\nb SELECT INBOX\r\nc IDLE\r\n", "+ ")
	w.crowd(crowdSMTP, "smtp", "EHLO client.example.net\r\n", "250 ")
	over := make(chan struct{})
	var slow, hostile sync.WaitGroup
	for i := range crowdSlow {
		slow.Go(func() { w.crawl(i%2 == 0, over) })
	}
	enemies := w.enemies()
	for name, e := range enemies {
		hostile.Go(func() {
			if said := w.attack(e); e.answer != "" && !strings.Contains(said, e.answer) {
				t.Errorf("%s is answered %.300q, want %q", name, said, e.answer)
			}
		})
	}

	defeated := make(chan struct{})
	go func() {
		hostile.Wait()
		close(defeated)
	}()
	// Everybody else, all the while.
	rounds := 0
	for again := true; again; rounds++ {
		round := rounds
		subject := fmt.Sprintf("round %d", round)
		w.deliver("alice@example.com", subject)
		w.deliver("pia@example.com", subject)
		if got := w.submit("bob@example.com").message("bob@example.com", "ivo@example.org", "Subject: "+subject+"\r\n\r\nx"); !strings.HasPrefix(got, "250") {
			t.Errorf("submission: %q", got)
		}
		for user, n := range map[string]int{"alice@example.com": round + 1, "ivo@example.org": round + 1} {
			if got := w.subjects(user, "INBOX"); len(got) != n || got[n-1] != subject {
				t.Errorf("%s sees %v", user, got)
			}
		}
		if got := w.newestByPOP("pia@example.com"); !strings.Contains(got, "Subject: "+subject+"\r\n") {
			t.Errorf("pia reads %q", got)
		}
		select {
		case <-defeated:
			again = round < 2
		default:
		}
	}
	for i, s := range idle {
		heard := false
		if err := s.c.SetDeadline(time.Now().Add(patience * time.Second)); err != nil {
			t.Fatal(err)
		}
		for !heard {
			line, err := s.r.ReadString('\n')
			if err != nil {
				t.Fatalf("client %d of %d that waits hears nothing: %v", i, len(idle), err)
			}
			heard = strings.HasPrefix(line, fmt.Sprintf("* %d EXISTS", rounds))
		}
	}
	close(over)
	slow.Wait()
	took := w.peakMemory()
	t.Logf("%d rounds; the daemon took %d MiB, and %d before the crowd came", rounds, took>>10, atFirst>>10)
	if took > crowdMemory<<10 {
		t.Errorf("the daemon took more than %d MiB", crowdMemory)
	}
	w.deliver("alice@example.com", "after the crowd")
	w.noChanges()
}

// crowd opens connections side by side, and has each say something and wait for
// the line with which the answer ends.
func (w *world) crowd(n int, service, say, want string) []*session {
	w.t.Helper()
	all := make([]*session, n)
	failed := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { all[i], failed[i] = w.join(service, say, want) })
	}
	wg.Wait()
	for i, err := range failed {
		if err != nil {
			w.t.Fatalf("client %d of %d of %s: %v", i, n, service, err)
		}
	}
	return all
}

func (w *world) join(service, say, want string) (*session, error) {
	c, err := net.DialTimeout("tcp", w.addr(service), patience*time.Second)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { c.Close() })
	s := &session{w.t, c, bufio.NewReaderSize(c, 256)}
	if err := c.SetDeadline(time.Now().Add(patience * time.Second)); err != nil {
		return nil, err
	}
	if _, err := s.r.ReadString('\n'); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, say); err != nil {
		return nil, err
	}
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(line, want) {
			return s, nil
		}
	}
}

// crawl is a client that sends a message by a byte a second, or one that reads a
// large one so, until the others are done.
func (w *world) crawl(sends bool, over <-chan struct{}) {
	service, say, want := "imap", "a LOGIN bob@example.com quickstart\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n", "b OK"
	if sends {
		service, say, want = "smtp", "EHLO x\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n", "354"
	}
	s, err := w.join(service, say, want)
	if err != nil {
		w.t.Errorf("a slow client: %v", err)
		return
	}
	defer s.c.Close()
	if err := s.c.SetDeadline(time.Time{}); err != nil {
		w.t.Error(err)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		if sends {
			_, err = s.c.Write([]byte("x"))
		} else {
			_, err = s.r.ReadByte()
		}
		if err != nil {
			w.t.Errorf("a slow client is cut off: %v", err)
			return
		}
	}
}

// An enemy says something in its session, then more of the same for as long as
// the server takes it, and last something that ends it.
type enemy struct {
	service           string
	begin, more, last string
	times             int    // how often it does so, over one connection each
	answer            string // what the server says to it; "" where it may be cut off before it has read that
}

// enemies are those whom TestACrowdAndItsEnemiesLeaveTheOthersServed meets.
func (w *world) enemies() map[string]enemy {
	const smtp = "EHLO x\r\nMAIL FROM:<a@remote.test>\r\nRCPT TO:<ida@example.com>\r\n"
	const login = "a LOGIN alice@example.com quickstart\r\nb SELECT INBOX\r\n"
	long := strings.Repeat("x", 1<<16)
	// Parts within parts, down to where no reader follows.
	var mime strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&mime, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return map[string]enemy{
		"SMTP: a command line without end":    {service: "smtp", begin: "EHLO ", more: long},
		"SMTP: commands that there are not":   {service: "smtp", more: strings.Repeat("XYZZY\r\n", 1000)},
		"SMTP: a line of a message":           {service: "smtp", begin: smtp + "DATA\r\nSubject: x\r\n\r\n", more: long},
		"SMTP: a header without end":          {service: "smtp", begin: smtp + "DATA\r\n", more: strings.Repeat("X-More: header\r\n", 4096)},
		"SMTP: a message without end":         {service: "smtp", begin: smtp + "DATA\r\nSubject: x\r\n\r\n", more: strings.Repeat("never enough\r\n", 4096)},
		"SMTP: a chunk of 4 GiB":              {service: "smtp", begin: smtp + "BDAT 4294967295 LAST\r\n", more: long},
		"SMTP: chunks of one byte":            {service: "smtp", begin: smtp, more: strings.Repeat("BDAT 1\r\nx", 1000)},
		"SMTP: recipients without end":        {service: "smtp", begin: "EHLO x\r\nMAIL FROM:<a@remote.test>\r\n", more: strings.Repeat("RCPT TO:<alice@example.com>\r\n", 1000)},
		"SMTP: parts within parts":            {service: "smtp", begin: smtp + "DATA\r\nSubject: deep\r\n" + mime.String() + "\r\nx\r\n.\r\nQUIT\r\n"},
		"SMTP: addresses without end":         {service: "smtp", begin: smtp + "DATA\r\nSubject: many\r\nTo: " + strings.Repeat("a@b.test,\r\n ", 50_000) + "c@d.test\r\n\r\nx\r\n.\r\nQUIT\r\n"},
		"SMTP: TLS that is no TLS":            {service: "smtps", more: long},
		"IMAP: a command line without end":    {service: "imap", begin: "a LOGIN ", more: long},
		"IMAP: a word of 4 GiB":               {service: "imap", begin: "a LOGIN {4294967295+}\r\n", more: long},
		"IMAP: nested NOT":                    {service: "imap", begin: login + "c SEARCH ", more: strings.Repeat("NOT ", 1<<14), last: "ALL\r\n"},
		"IMAP: NOT within the limit":          {service: "imap", begin: login + "c SEARCH " + strings.Repeat("NOT ", 12_000) + "ALL\r\nd LOGOUT\r\n", answer: "c BAD"},
		"IMAP: brackets within the limit":     {service: "imap", begin: login + "c SEARCH " + strings.Repeat("(", 30_000) + "ALL" + strings.Repeat(")", 30_000) + "\r\nd LOGOUT\r\n", answer: "c BAD"},
		"IMAP: OR within the limit":           {service: "imap", begin: login + "c SEARCH " + strings.Repeat("OR ALL ", 8_000) + "ALL ALL\r\nd LOGOUT\r\n", answer: "c BAD"},
		"IMAP: brackets of LIST":              {service: "imap", begin: login + "c LIST " + strings.Repeat("(", 30_000), more: long},
		"IMAP: messages that are not there":   {service: "imap", begin: login + "c FETCH " + strings.Repeat("1:4294967295,", 4_000) + "1 FLAGS\r\nd LOGOUT\r\n", answer: "d OK"},
		"IMAP: the same again and again":      {service: "imap", begin: "a LOGIN bob@example.com quickstart\r\nb EXAMINE INBOX\r\nc FETCH 1:* (" + strings.Repeat("BODY.PEEK[] ", 4_000) + "FLAGS)\r\nd LOGOUT\r\n", answer: "c BAD"},
		"IMAP: a gigabyte of answers":         {service: "imap", begin: "a LOGIN bob@example.com quickstart\r\nb EXAMINE INBOX\r\nc FETCH 1:* (" + strings.Repeat("BODY.PEEK[] ", 100) + "FLAGS)\r\nd LOGOUT\r\n", answer: "c OK"},
		"IMAP: patterns of LIST":              {service: "imap", begin: login + "c LIST \"\" \"" + strings.Repeat("*%", 500) + "x\"\r\nd LOGOUT\r\n", answer: "c OK"},
		"IMAP: a message announced, not sent": {service: "imap", begin: "a LOGIN alice@example.com quickstart\r\nb APPEND INBOX {52428800+}\r\nx", times: hostileLiteral},
		"IMAP: a message of 2^63":             {service: "imap", begin: "a LOGIN alice@example.com quickstart\r\nb APPEND INBOX {9223372036854775808+}\r\n", more: long},
		"POP3: a command line without end":    {service: "pop3", begin: "USER ", more: long},
		"POP3: commands that there are not":   {service: "pop3", more: strings.Repeat("XYZZY\r\n", 1000)},
		"POP3: USER and never PASS":           {service: "pop3", begin: "USER alice@example.com\r\n", times: hostileLiteral},
	}
}

// attack does what an enemy does, and returns what the server says to it.
func (w *world) attack(e enemy) string {
	var said strings.Builder
	for range max(e.times, 1) {
		c, err := net.DialTimeout("tcp", w.addr(e.service), patience*time.Second)
		if err != nil {
			w.t.Errorf("an enemy: %v", err)
			return ""
		}
		if err := c.SetDeadline(time.Now().Add(2 * patience * time.Second)); err != nil {
			w.t.Error(err)
		}
		// What is not read holds the server up, which is an attack as well; but here
		// we want to know what it says.
		var first limitedBuilder
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(&first, c) // until somebody ends it
		}()
		_, err = io.WriteString(c, e.begin)
		for sent := 0; err == nil && e.more != "" && sent < hostileAtMost; sent += len(e.more) {
			_, err = io.WriteString(c, e.more)
		}
		if err == nil && e.last != "" {
			_, err = io.WriteString(c, e.last)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.t.Errorf("%s: the server neither reads nor ends it", e.service)
		case err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET):
			w.t.Errorf("%s: %v", e.service, err)
		case e.times > 0:
			// It stays for as long as the test.
			w.t.Cleanup(func() { c.Close() })
			continue
		case err == nil:
			_ = c.(*net.TCPConn).CloseWrite() // then it is ended by the server
		}
		<-read
		c.Close()
		said.WriteString(first.String())
	}
	return said.String()
}

// A limitedBuilder keeps the beginning and the end of what is written into it.
type limitedBuilder struct{ head, tail []byte }

func (b *limitedBuilder) Write(p []byte) (int, error) {
	const keep = 4096
	if room := keep - len(b.head); room > 0 {
		b.head = append(b.head, p[:min(room, len(p))]...)
	}
	b.tail = append(b.tail, p...)
	b.tail = b.tail[max(0, len(b.tail)-keep):]
	return len(p), nil
}

func (b *limitedBuilder) String() string { return string(b.head) + "…" + string(b.tail) }
