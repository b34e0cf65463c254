package main

// This file has clients that note what the daemon has promised them, for the tests
// that kill the daemon or break its disk under them. A promise is an answer: 250,
// OK, +OK. What has been promised is there afterwards, once; what has not may be
// there or not, but never twice and never in part.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/schema"
)

// promises are what one client has been told.
type promises struct {
	mu       sync.Mutex
	tried    map[string]bool // all that was asked for
	kept     map[string]bool // what was promised of it
	gone     map[string]bool // what was promised to be deleted
	moved    map[string]bool // what was promised to have been moved
	deciding [][]string      // deletions together of which nobody knows
}

func newPromises() *promises {
	return &promises{tried: map[string]bool{}, kept: map[string]bool{}, gone: map[string]bool{}, moved: map[string]bool{}}
}

func (p *promises) try(id string) { p.note(p.tried, id) }

func (p *promises) keep(id string) { p.note(p.kept, id) }

func (p *promises) note(in map[string]bool, ids ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		in[id] = true
	}
}

func (p *promises) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept)
}

// hold compares what is in a place with what was promised of it.
func (p *promises) hold(t *testing.T, place string, found []string) {
	t.Helper()
	times := map[string]int{}
	for _, id := range found {
		times[id]++
	}
	for id, n := range times {
		if n > 1 || !p.tried[id] {
			t.Errorf("%s: %q is there %d times", place, id, n)
		}
		if p.gone[id] {
			t.Errorf("%s: %q has been deleted and is there", place, id)
		}
	}
	perhaps := map[string]bool{}
	for _, together := range p.deciding {
		there := 0
		for _, id := range together {
			perhaps[id] = true
			there += times[id]
		}
		if there != 0 && there != len(together) {
			t.Errorf("%s: %d of %d that were deleted together are there: %v", place, there, len(together), together)
		}
	}
	for id := range p.kept {
		if times[id] == 0 && !p.gone[id] && !perhaps[id] {
			t.Errorf("%s: %q was promised and is lost", place, id)
		}
	}
}

// A talk is a connection of a client that expects to be cut off.
type talk struct {
	c net.Conn
	r *bufio.Reader
}

// refusal is what an answer begins with that is no promise, in all protocols.
var refusal = regexp.MustCompile(`^([45]\d\d |-ERR|[a-z] (NO|BAD) |\* BYE)`)

// talkTo connects, over TLS where there is a configuration for it, and carries out
// an exchange of commands and beginnings of answers.
func talkTo(addr string, config *tls.Config, steps ...string) (*talk, bool) {
	c, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		return nil, false
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, false
	}
	k := &talk{c, bufio.NewReader(c)}
	if !k.all(steps...) {
		c.Close()
		return nil, false
	}
	return k, true
}

// ask says something and reads up to the line that begins as wanted, which it
// returns; false if there is a refusal or nobody there any more.
func (k *talk) ask(say, want string) (string, bool) {
	if _, err := io.WriteString(k.c, say); err != nil {
		return "", false
	}
	for {
		line, err := k.r.ReadString('\n')
		if err != nil || refusal.MatchString(line) {
			return line, false
		}
		if strings.HasPrefix(line, want) {
			return strings.TrimRight(line, "\r\n"), true
		}
	}
}

func (k *talk) all(steps ...string) bool {
	for i := 0; i+1 < len(steps); i += 2 {
		if _, ok := k.ask(steps[i], steps[i+1]); !ok {
			return false
		}
	}
	return true
}

// mail sends a message by SMTP.
func (k *talk) mail(from, subject string, to ...string) bool {
	steps := []string{"MAIL FROM:<" + from + ">\r\n", "250 "}
	for _, address := range to {
		steps = append(steps, "RCPT TO:<"+address+">\r\n", "250 ")
	}
	return k.all(append(steps, "DATA\r\n", "354 ", "Subject: "+subject+"\r\n\r\n"+strings.Repeat("Hello.\r\n", 50)+".\r\n", "250 ")...)
}

// A promisee does one sort of thing again and again until it is stopped, over one
// connection after the other, and looks afterwards whether all is as promised.
type promisee struct {
	name  string
	say   func(w *world, p *promises, id func() string) // over one connection, to its end
	check func(t *testing.T, w *world, p *promises)
}

const (
	sortingScript = `require "fileinto"; if header :matches "Subject" "sorted *" { fileinto "Junk"; }`
	elsewhere     = "@elsewhere.test"
)

// promisees do what clients do to a house in which ida has the sorting script, alice
// has mailboxes Copies, Desk and Filed, the relay takes nothing, and the smarthost for
// one domain everything.
var promisees = []promisee{
	{"mail that is sorted", func(w *world, p *promises, id func() string) {
		k, ok := talkTo(w.addr("smtp"), nil, "", "220 ", "EHLO x\r\n", "250 ")
		for ok {
			subject := "sorted " + id()
			p.try(subject)
			if ok = k.mail("a@remote.test", subject, "ida@example.com"); ok {
				p.keep(subject)
			}
		}
		k.close()
	}, func(t *testing.T, w *world, p *promises) {
		p.hold(t, "ida's Junk", w.in(t).subjects("ida@example.com", "Junk"))
		if got := w.in(t).subjects("ida@example.com", "INBOX"); len(got) != 0 {
			t.Errorf("ida's INBOX has what belongs into Junk: %v", got)
		}
	}},
	{"submission", func(w *world, p *promises, id func() string) {
		login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00bob@example.com\x00quickstart")) + "\r\n"
		k, ok := talkTo(w.addr("smtps"), w.trust(), "", "220 ", "EHLO x\r\n", "250 ", login, "235 ")
		for ok {
			subject := id()
			p.try(subject)
			if ok = k.mail("bob@example.com", subject, "ivo@example.org", subject+elsewhere); ok {
				p.keep(subject)
			}
		}
		k.close()
	}, func(t *testing.T, w *world, p *promises) {
		p.hold(t, "ivo's INBOX", w.in(t).subjects("ivo@example.org", "INBOX"))
		var entries []queued
		if err := json.Unmarshal([]byte(w.in(t).ok("queue", "list", "-json")), &entries); err != nil {
			t.Fatal(err)
		}
		var waiting []string
		for _, e := range entries {
			if to, ok := strings.CutSuffix(e.To, elsewhere); ok {
				waiting = append(waiting, to)
			}
		}
		p.hold(t, "the queue", waiting)
	}},
	{"APPEND and COPY", func(w *world, p *promises, id func() string) {
		k, ok := talkTo(w.addr("imap"), nil, "", "* OK", "a LOGIN alice@example.com quickstart\r\n", "a OK", "b SELECT Drafts\r\n", "b OK")
		for ok {
			subject := id()
			text := "Subject: " + subject + "\r\n\r\nDraft.\r\n"
			p.try(subject)
			if ok = k.all(fmt.Sprintf("c APPEND Drafts {%d+}\r\n%s\r\n", len(text), text), "c OK", "d NOOP\r\n", "d OK", "e COPY * Copies\r\n", "e OK"); ok {
				p.keep(subject)
			}
		}
		k.close()
	}, func(t *testing.T, w *world, p *promises) {
		p.hold(t, "alice's Drafts", w.in(t).subjects("alice@example.com", "Drafts"))
		p.hold(t, "alice's Copies", w.in(t).subjects("alice@example.com", "Copies"))
	}},
	{"MOVE", func(w *world, p *promises, id func() string) {
		k, ok := talkTo(w.addr("imap"), nil, "", "* OK", "a LOGIN alice@example.com quickstart\r\n", "a OK", "b SELECT Desk\r\n", "b OK")
		for ok {
			subject := id()
			text := "Subject: " + subject + "\r\n\r\nTo be filed.\r\n"
			p.try(subject)
			if ok = k.all(fmt.Sprintf("c APPEND Desk {%d+}\r\n%s\r\n", len(text), text), "c OK", "d NOOP\r\n", "d OK"); !ok {
				break
			}
			p.keep(subject)
			if ok = k.all("e MOVE * Filed\r\n", "e OK"); ok {
				p.note(p.moved, subject)
			}
		}
		k.close()
	}, func(t *testing.T, w *world, p *promises) {
		desk := w.in(t).subjects("alice@example.com", "Desk")
		p.hold(t, "alice's Desk and Filed together", append(w.in(t).subjects("alice@example.com", "Filed"), desk...))
		for _, id := range desk {
			if p.moved[id] {
				t.Errorf("%q was moved away and is there", id)
			}
		}
	}},
	{"the queue", sendOutward, func(t *testing.T, w *world, p *promises) { w.outward.hold(t, w.in(t), p) }},
	{"DELE and QUIT", func(w *world, p *promises, id func() string) {
		k, ok := talkTo(w.addr("smtp"), nil, "", "220 ", "EHLO x\r\n", "250 ")
		for range 4 {
			subject := id()
			p.try(subject)
			if ok = ok && k.mail("a@remote.test", subject, "pia@example.com"); ok {
				p.keep(subject)
			}
		}
		k.close()
		if !ok {
			return
		}
		k, listed, ok := w.maildrop()
		if !ok {
			return
		}
		defer k.close()
		together := listed[:(len(listed)+1)/2]
		for i := range together {
			if !k.all(fmt.Sprintf("DELE %d\r\n", i+1), "+OK") {
				return
			}
		}
		if k.all("QUIT\r\n", "+OK") {
			p.note(p.gone, together...)
			return
		}
		p.mu.Lock()
		p.deciding = append(p.deciding, together)
		p.mu.Unlock()
	}, func(t *testing.T, w *world, p *promises) {
		k, listed, ok := w.maildrop()
		if !ok {
			t.Fatal("pia cannot read her mail")
		}
		k.close()
		p.hold(t, "pia's INBOX", listed)
	}},
}

func (k *talk) close() {
	if k != nil {
		k.c.Close()
	}
}

// maildrop opens pia's, and tells the subjects there are in it.
func (w *world) maildrop() (k *talk, subjects []string, ok bool) {
	k, ok = talkTo(w.addr("pop3"), nil, "", "+OK", "USER pia@example.com\r\n", "+OK", "PASS quickstart\r\n", "+OK")
	if !ok {
		return nil, nil, false
	}
	line, ok := k.ask("STAT\r\n", "+OK ")
	stat := strings.Fields(line)
	if !ok || len(stat) != 3 {
		k.close()
		return nil, nil, false
	}
	n, err := strconv.Atoi(stat[1])
	for i := 0; i < n && ok && err == nil; i++ {
		if line, ok = k.ask(fmt.Sprintf("TOP %d 0\r\n", i+1), "Subject: "); ok {
			subjects = append(subjects, strings.TrimPrefix(line, "Subject: "))
			_, ok = k.ask("", ".")
		}
	}
	if !ok || err != nil {
		k.close()
		return nil, nil, false
	}
	return k, subjects, true
}

// newPromising applies a house for promisees.
func newPromising(t *testing.T) (*world, map[string]*promises) {
	t.Helper()
	w := newHouse(t, "1MiB")
	w.edit("main.mf.hcl", `["1s", "1s", "1s"]`, `["1h"]`)
	w.outward = newOutward(t, w)
	w.edit("main.mf.hcl", `name          = "ida"`, `name          = "ida"`+"\n  sieve         = "+strconv.Quote(sortingScript))
	w.apply()
	for _, mailbox := range []string{"Copies", "Desk", "Filed"} {
		if got := w.mailbox("alice@example.com", "INBOX").imap("a", "CREATE "+mailbox); !strings.Contains(got, "a OK") {
			t.Fatal(got)
		}
	}
	all := map[string]*promises{}
	for _, one := range promisees {
		all[one.name] = newPromises()
	}
	return w, all
}

// work has all promisees at work, until the function that it returns is called,
// which waits for them.
func (w *world) work(all map[string]*promises, round int) (stop func()) {
	stopped := make(chan struct{})
	var working sync.WaitGroup
	for _, one := range promisees {
		clients := 1
		if one.name == "the queue" {
			clients = 2 * schema.DefaultConcurrencyPerDestination // so that there is one
		}
		for client := range clients {
			working.Go(func() {
				n := 0
				id := func() string {
					n++
					return fmt.Sprintf("r%d-c%d-n%d", round, client, n)
				}
				for {
					one.say(w, all[one.name], id)
					select {
					case <-stopped:
						return
					case <-time.After(10 * time.Millisecond): // nobody may be there
					}
				}
			})
		}
	}
	return func() {
		close(stopped)
		working.Wait()
	}
}

// counts is how many promises each has.
func counts(all map[string]*promises) map[string]int {
	n := map[string]int{}
	for name, p := range all {
		n[name] = p.count()
	}
	return n
}

// moreThan waits until each has more promises than before.
func moreThan(t *testing.T, all map[string]*promises, before map[string]int, more int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		eventually(t, "promises of "+name, func() bool { return all[name].count() > before[name]+more })
	}
}

// keepsItsWord looks at everything, and at the store itself.
func (w *world) keepsItsWord(t *testing.T, all map[string]*promises) {
	t.Helper()
	for _, one := range promisees {
		one.check(t, w, all[one.name])
	}
	if out := w.ok("check-store"); !strings.HasSuffix(out, "mail: sound\n") {
		t.Errorf("check-store: %s", bytes.TrimSpace([]byte(out)))
	}
}
