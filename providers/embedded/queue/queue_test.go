package queue

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/mailform/mailform/providers/embedded/store"
)

const text = "Received: x\r\nSubject: hi\r\n\r\nbody\r\n.dot\r\n"

func smtpErr(code, class, subject, detail int, message string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{class, subject, detail}, Message: message}
}

func TestAMessageIsDelivered(t *testing.T) {
	s, w := newSink(t, nil), newWorld()
	w.mx["far.test"] = []*net.MX{{Host: "mx.far.test.", Pref: 10}}
	w.host("mx.far.test", "192.0.2.1", s)
	r := newRig(t, w, nil)
	r.add("alice@here.test", text, "a@far.test", "b@FAR.test")
	r.empty()
	want := []sunk{{from: "alice@here.test", to: []string{"a@far.test", "b@FAR.test"}, text: text, helo: "mx.here.test"}}
	if diff := cmp.Diff(want, s.got(), cmp.AllowUnexported(sunk{})); diff != "" {
		t.Errorf("one transaction for both (-want +got):\n%s", diff)
	}
	if n := len(r.store.bounced()); n > 0 {
		t.Errorf("%d reports", n)
	}
}

func TestWhereMailGoes(t *testing.T) {
	for name, tt := range map[string]struct {
		set    func(w *world, s *sink)
		relay  string
		dials  []string
		got    bool
		status string // of the report; empty: deferred or delivered
	}{
		"the best MX first": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: "b.test.", Pref: 20}, {Host: "a.test.", Pref: 10}}
				w.host("a.test", "192.0.2.1", s)
				w.host("b.test", "192.0.2.2", s)
			},
			dials: []string{"192.0.2.1:25"}, got: true,
		},
		"the next MX when the first is down": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: "b.test.", Pref: 20}, {Host: "a.test.", Pref: 10}}
				w.host("a.test", "192.0.2.1 2001:db8::1", nil)
				w.host("b.test", "192.0.2.2", s)
			},
			dials: []string{"192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.2:25"}, got: true,
		},
		"the next MX when the first has no address": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: "b.test.", Pref: 20}, {Host: "a.test.", Pref: 10}}
				w.host("b.test", "192.0.2.2", s)
			},
			dials: []string{"192.0.2.2:25"}, got: true,
		},
		"the domain itself without MX": {
			set:   func(w *world, s *sink) { w.host("far.test", "192.0.2.1", s) },
			dials: []string{"192.0.2.1:25"}, got: true,
		},
		"nowhere with a null MX": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: ".", Pref: 0}}
				w.host("far.test", "192.0.2.1", s)
			},
			status: "5.1.10",
		},
		"nowhere without a domain": {set: func(w *world, s *sink) {}, status: "5.1.2"},
		"later when the MX look-up fails": {
			set: func(w *world, s *sink) {
				w.errs["far.test"] = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
				w.host("far.test", "192.0.2.1", s)
			},
		},
		"later when an address look-up fails": {
			set: func(w *world, s *sink) { w.errs["ip far.test"] = &net.DNSError{Err: "timeout", IsTimeout: true} },
		},
		"never to ourselves by name": {
			set:    func(w *world, s *sink) { w.mx["far.test"] = []*net.MX{{Host: "MX.here.test.", Pref: 10}} },
			status: "5.4.6",
		},
		"never to ourselves by address": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: "other.test.", Pref: 10}}
				w.host("other.test", "192.0.2.99", s)
			},
			status: "5.4.6",
		},
		"only to those before ourselves": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: "c.test.", Pref: 30}, {Host: "mx.here.test.", Pref: 20}, {Host: "b.test.", Pref: 20}, {Host: "a.test.", Pref: 10}}
				w.host("a.test", "192.0.2.1", s)
				w.host("b.test", "192.0.2.2", s)
				w.host("c.test", "192.0.2.3", s)
			},
			dials: []string{"192.0.2.1:25"}, got: true,
		},
		"to the relay host": {
			set: func(w *world, s *sink) {
				w.mx["far.test"] = []*net.MX{{Host: ".", Pref: 0}}
				w.ip["relay.test"] = "192.0.2.7"
				w.servers["192.0.2.7:2525"] = s.l.Addr().String()
			},
			relay: "relay.test:2525", dials: []string{"192.0.2.7:2525"}, got: true,
		},
		"to a relay host that is an address": {
			set:   func(w *world, s *sink) { w.servers["[2001:db8::7]:25"] = s.l.Addr().String() },
			relay: "[2001:db8::7]:25", dials: []string{"[2001:db8::7]:25"}, got: true,
		},
		"later when the relay host is unknown": {set: func(w *world, s *sink) {}, relay: "relay.test:25"},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := newSink(t, nil), newWorld()
			tt.set(w, s)
			r := newRig(t, w, func(o *Options) {
				set := o.Settings()
				set.RelayHost = tt.relay
				o.Settings = func() Settings { return set }
			})
			r.add("alice@here.test", text, "a@far.test")
			if tt.got || tt.status != "" {
				r.empty()
			} else {
				r.deferred(1)
			}
			if diff := cmp.Diff(tt.dials, w.dials()); diff != "" {
				t.Errorf("dials (-want +got):\n%s", diff)
			}
			if got := len(s.got()) == 1; got != tt.got {
				t.Errorf("delivered: %v", got)
			}
			if reports := r.store.bounced(); tt.status != "" && (len(reports) != 1 || !strings.Contains(reports[0].text, "\r\nStatus: "+tt.status+"\r\n")) {
				t.Errorf("reports %+v", reports)
			}
		})
	}
}

func TestEqualMXHostsShareTheLoad(t *testing.T) {
	w := newWorld()
	w.mx["far.test"] = []*net.MX{{Host: "a.test.", Pref: 10}, {Host: "b.test.", Pref: 10}}
	w.host("a.test", "192.0.2.1", nil)
	w.host("b.test", "192.0.2.2", nil)
	q := New(Options{Resolver: w, Settings: func() Settings { return Settings{} }})
	first := map[string]int{}
	for range 200 {
		hosts, none := q.exchangers(context.Background(), "far.test")
		if none != nil || len(hosts) != 2 {
			t.Fatalf("%v %v", hosts, none)
		}
		first[hosts[0].name]++
	}
	if first["a.test"] == 0 || first["b.test"] == 0 {
		t.Errorf("first: %v", first)
	}
}

// single is a world with one server for far.test.
func single(s *sink) *world {
	w := newWorld()
	w.mx["far.test"] = []*net.MX{{Host: "mx.far.test.", Pref: 10}}
	w.host("mx.far.test", "192.0.2.1", s)
	return w
}

func TestEachRecipientHasItsOwnOutcome(t *testing.T) {
	s := newSink(t, nil)
	s.onRcpt = func(to string) error {
		switch to {
		case "later@far.test":
			return smtpErr(450, 4, 2, 1, "greylisted")
		case "never@far.test":
			return smtpErr(550, 5, 1, 1, "no such user")
		}
		return nil
	}
	r := newRig(t, single(s), nil)
	r.add("alice@here.test", text, "ok@far.test", "later@far.test", "never@far.test", "too@far.test")
	r.until("the report", func() bool { return len(r.store.bounced()) == 1 })
	es := r.store.state()
	if len(es) != 1 || es[0].To != "later@far.test" || es[0].Attempts != 1 || !strings.Contains(es[0].LastErr, "450 4.2.1 greylisted") ||
		!es[0].Next.Equal(r.clock.Now().Add(time.Minute)) {
		t.Fatalf("queue %+v", es)
	}
	if got := s.got(); len(got) != 1 || !slices.Equal(got[0].to, []string{"ok@far.test", "too@far.test"}) {
		t.Errorf("got %+v", got)
	}
	s.set(func() { s.onRcpt = nil })
	r.later(time.Minute)
	r.empty()
	if got := s.got(); len(got) != 2 || !slices.Equal(got[1].to, []string{"later@far.test"}) {
		t.Errorf("got %+v", got)
	}
}

func TestWhatServersSay(t *testing.T) {
	for name, tt := range map[string]struct {
		set    func(s *sink)
		status string // of the report; empty: deferred
		text   string
	}{
		"4xx to MAIL":   {func(s *sink) { s.onMail = func(string) error { return smtpErr(451, 4, 3, 0, "busy") } }, "", "451 4.3.0 busy"},
		"5xx to MAIL":   {func(s *sink) { s.onMail = func(string) error { return smtpErr(550, 5, 7, 1, "go away") } }, "5.7.1", "550 5.7.1 go away"},
		"4xx to DATA":   {func(s *sink) { s.onData = func(string) error { return smtpErr(452, 4, 2, 2, "full") } }, "", "452 4.2.2 full"},
		"5xx to DATA":   {func(s *sink) { s.onData = func(string) error { return smtpErr(554, 5, 6, 0, "spam") } }, "5.6.0", "554 5.6.0 spam"},
		"a size limit":  {func(s *sink) { s.srv.MaxMessageBytes = 10 }, "5.3.4", "at most 10 bytes"},
		"a long answer": {func(s *sink) { s.onMail = func(string) error { return smtpErr(550, 5, 7, 1, "one\ntwo") } }, "5.7.1", "two"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, nil)
			tt.set(s)
			r := newRig(t, single(s), nil)
			r.add("alice@here.test", text, "a@far.test")
			if tt.status == "" {
				if es := r.deferred(1); !strings.Contains(es[0].LastErr, tt.text) {
					t.Errorf("error %q", es[0].LastErr)
				}
				return
			}
			r.empty()
			reports := r.store.bounced()
			if len(reports) != 1 || !strings.Contains(reports[0].text, "\r\nStatus: "+tt.status+"\r\n") || !strings.Contains(reports[0].text, tt.text) {
				t.Errorf("reports %+v", reports)
			}
		})
	}
}

// script serves connections by hand.
func script(t *testing.T, w *world, ip string, serve func(c net.Conn, br *bufio.Reader)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			serve(c, bufio.NewReader(c))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	w.servers[ip+":25"] = l.Addr().String()
}

// misbehaving are servers that take no message.
var misbehaving = map[string]func(c net.Conn, br *bufio.Reader){
	"hang up at once":    func(net.Conn, *bufio.Reader) {},
	"refuse by greeting": func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, "554 no\r\n") },
	"talk nonsense":      func(c net.Conn, _ *bufio.Reader) { fmt.Fprint(c, "hello?\r\n") },
	"talk without end": func(c net.Conn, _ *bufio.Reader) {
		for {
			if _, err := fmt.Fprint(c, "220-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	},
	"refuse EHLO and HELO": func(c net.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "220 x\r\n")
		for {
			if _, err := br.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprint(c, "500 what\r\n")
		}
	},
	"hang up in the middle": func(c net.Conn, br *bufio.Reader) {
		fmt.Fprint(c, "220 x\r\n")
		for _, reply := range []string{"250 x", "250 ok", "250 ok", "354 go"} {
			br.ReadString('\n')
			fmt.Fprint(c, reply+"\r\n")
		}
		br.ReadString('\n')
	},
	"say nothing": func(c net.Conn, br *bufio.Reader) { br.ReadString('\n') },
}

// Where there is another server, it has the message right away.
func TestTheNextServerServes(t *testing.T) {
	t.Parallel()
	for name, serve := range misbehaving {
		if name == "hang up in the middle" { // who knows what it has
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// On a busy machine the next server is later than the shortest of these allows.
			for limit := 500 * time.Millisecond; ; limit *= 8 {
				s := newSink(t, nil)
				w := newWorld()
				w.mx["far.test"] = []*net.MX{{Host: "b.test.", Pref: 20}, {Host: "a.test.", Pref: 10}}
				w.host("b.test", "192.0.2.2", s)
				w.host("a.test", "192.0.2.1", nil)
				script(t, w, "192.0.2.1", serve)
				r := newRig(t, w, func(o *Options) { o.Timeouts.Command = limit })
				r.add("alice@here.test", text, "a@far.test")
				left := -1
				r.until("the message has been tried", func() bool {
					es := r.store.state()
					left = len(es)
					return left == 0 || es[0].Attempts > 0
				})
				if left == 0 || limit > 10*time.Second {
					if n := len(s.got()); left > 0 || n != 1 {
						t.Errorf("the next server has %d messages, the queue %d", n, left)
					}
					return
				}
				r.stop()
			}
		})
	}
}

func TestServersThatMisbehave(t *testing.T) {
	for name, serve := range misbehaving {
		t.Run(name, func(t *testing.T) {
			w := single(nil)
			script(t, w, "192.0.2.1", serve)
			r := newRig(t, w, func(o *Options) { o.Timeouts.Command = 200 * time.Millisecond })
			r.add("alice@here.test", text, "a@far.test")
			r.deferred(1)
			// A second server serves those that the first one fails before a
			// transaction.
			if name == "hang up in the middle" {
				return
			}
			s := newSink(t, nil)
			w.mu.Lock()
			w.servers["192.0.2.1:25"] = s.l.Addr().String()
			w.mu.Unlock()
			r.until("the queue is empty", func() bool {
				r.later(time.Minute) // on a busy machine the second one may be too slow, too
				time.Sleep(20 * time.Millisecond)
				return len(r.store.state()) == 0
			})
		})
	}
}

func TestTLSIsUsedWhereItIsOffered(t *testing.T) {
	s := newSink(t, func(srv *gosmtp.Server) {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{testCert()}}
	})
	r := newRig(t, single(s), nil)
	r.add("alice@here.test", text, "a@far.test")
	r.empty()
	if got := s.got(); len(got) != 1 || !got[0].tls || got[0].helo != "mx.here.test" {
		t.Errorf("got %+v", got)
	}
	// A server that only claims to have it gets the mail all the same.
	s = newSink(t, func(srv *gosmtp.Server) { srv.TLSConfig = &tls.Config{} })
	r = newRig(t, single(s), nil)
	r.add("alice@here.test", text, "a@far.test")
	r.empty()
	if got := s.got(); len(got) != 1 || got[0].tls {
		t.Errorf("got %+v", got)
	}
}

func TestAttemptsFollowTheSchedule(t *testing.T) {
	w := single(nil)
	r := newRig(t, w, nil)
	start := r.clock.Now()
	r.add("alice@here.test", text, "a@far.test")
	if es := r.deferred(1); !es[0].Next.Equal(start.Add(time.Minute)) {
		t.Fatalf("next %v", es[0].Next)
	}
	r.later(59 * time.Second)
	r.later(time.Second)
	if es := r.deferred(2); !es[0].Next.Equal(start.Add(time.Minute + time.Hour)) {
		t.Fatalf("next %v", es[0].Next)
	}
	r.later(time.Hour)
	r.empty()
	if n := len(w.dials()); n != 3 {
		t.Errorf("%d attempts", n)
	}
	reports := r.store.bounced()
	if len(reports) != 1 || !strings.Contains(reports[0].text, "gave up after 1h1m0s") || !strings.Contains(reports[0].text, "Status: 4.4.1\r\n") {
		t.Errorf("reports %+v", reports)
	}
}

func TestAReportIsWellFormed(t *testing.T) {
	s := newSink(t, nil)
	s.onRcpt = func(to string) error { return smtpErr(550, 5, 1, 1, "no such user: "+to+" \u2026") }
	r := newRig(t, single(s), nil)
	r.add("alice@here.test", "Received: x\r\nSubject: the original\r\n\r\nsecret body\r\n", "a@far.test", "b@far.test")
	r.empty()
	reports := r.store.bounced()
	if len(reports) != 1 || reports[0].from != "" || !slices.Equal(reports[0].accounts, []int64{1}) || reports[0].remote != nil {
		t.Fatalf("reports %+v", reports)
	}
	if !strings.HasPrefix(reports[0].text, "Return-Path: <>\r\n") || strings.Contains(strings.ReplaceAll(reports[0].text, "\r\n", ""), "\n") {
		t.Errorf("report %q", reports[0].text)
	}
	m, err := mail.ReadMessage(strings.NewReader(reports[0].text))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("To") != "<alice@here.test>" || m.Header.Get("Auto-Submitted") != "auto-replied" ||
		m.Header.Get("From") != "Mail Delivery System <MAILER-DAEMON@mx.here.test>" || m.Header.Get("Message-ID") == "" {
		t.Errorf("header %v", m.Header)
	}
	if _, err := m.Header.Date(); err != nil {
		t.Error(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	mr := multipart.NewReader(m.Body, params["boundary"])
	var kinds []string
	var parts []string
	for {
		p, err := mr.NextRawPart()
		if err != nil {
			break
		}
		var b strings.Builder
		if _, err := bufio.NewReader(p).WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		kinds, parts = append(kinds, p.Header.Get("Content-Type")), append(parts, b.String())
	}
	if !slices.Equal(kinds, []string{"text/plain; charset=utf-8", "message/delivery-status", "text/rfc822-headers"}) {
		t.Fatalf("parts %q", kinds)
	}
	for _, want := range []string{
		"Reporting-MTA: dns; mx.here.test\r\n", "\r\n\r\nFinal-Recipient: rfc822; a@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		"\r\n\r\nFinal-Recipient: rfc822; b@far.test\r\n", "Remote-MTA: dns; mx.far.test\r\n",
		"Diagnostic-Code: smtp; 550 5.1.1 no such user: a@far.test \u2026\r\n",
	} {
		if !strings.Contains(parts[1], want) {
			t.Errorf("%q is missing in %q", want, parts[1])
		}
	}
	if parts[2] != "Received: x\r\nSubject: the original\r\n" {
		t.Errorf("original header %q", parts[2])
	}
}

func TestWhoGetsAReport(t *testing.T) {
	for name, tt := range map[string]struct {
		from   string
		want   int
		remote string
	}{
		"a local sender":               {"alice@here.test", 1, ""},
		"a sender elsewhere":           {"Eve@Else.test", 1, "Eve@Else.test"},
		"nobody for a report":          {"", 0, ""},
		"nobody where the user is new": {"gone@here.test", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, nil)
			s.onRcpt = func(string) error { return smtpErr(550, 5, 1, 1, "no") }
			r := newRig(t, single(s), nil)
			r.add(tt.from, text, "a@far.test")
			r.empty()
			reports := r.store.bounced()
			if len(reports) != tt.want {
				t.Fatalf("reports %+v", reports)
			}
			if tt.remote != "" && (!slices.Equal(reports[0].remote, []string{tt.remote}) || strings.Contains(reports[0].text, "Return-Path")) {
				t.Errorf("report %+v", reports[0])
			}
		})
	}
	t.Run("later when it cannot be told", func(t *testing.T) {
		s := newSink(t, nil)
		s.onRcpt = func(string) error { return smtpErr(550, 5, 1, 1, "no") }
		w := single(s)
		r := newRig(t, w, nil)
		r.store.mu.Lock()
		r.store.resolveE = errors.New("database is busy")
		r.store.mu.Unlock()
		r.add("alice@here.test", text, "a@far.test")
		r.deferred(1)
		r.stop()
	})
}

func TestAddressesBeyondASCII(t *testing.T) {
	s := newSink(t, func(srv *gosmtp.Server) { srv.EnableSMTPUTF8 = false })
	r := newRig(t, single(s), nil)
	r.add("alice@here.test", text, "\u00e4@far.test")
	r.empty()
	if reports := r.store.bounced(); len(reports) != 1 || !strings.Contains(reports[0].text, "Status: 5.6.7\r\n") ||
		!strings.Contains(reports[0].text, "Final-Recipient: utf-8; \u00e4@far.test") || !strings.Contains(reports[0].text, "message/global-delivery-status") {
		t.Errorf("reports %+v", reports)
	}
	s = newSink(t, nil)
	r = newRig(t, single(s), nil)
	r.add("alice@here.test", text, "\u00e4@far.test")
	r.empty()
	if got := s.got(); len(got) != 1 || !got[0].utf8 {
		t.Errorf("got %+v", got)
	}
	r.add("alice@here.test", "Subject: \u00e4\r\n\r\nx\r\n", "a@far.test")
	r.empty()
	if got := s.got(); len(got) != 2 || !got[1].utf8 {
		t.Errorf("got %+v", got)
	}
}

func TestOneBadEntryDoesNotStopTheOthers(t *testing.T) {
	s := newSink(t, nil)
	w := single(s)
	w.errs["bad.test"] = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	r := newRig(t, w, nil)
	now := r.clock.Now()
	r.store.mu.Lock()
	r.store.entries[1] = &store.QueueEntry{ID: 1, From: "alice@here.test", To: "a@far.test", Body: 77, Next: now, Created: now}
	r.store.entries[2] = &store.QueueEntry{ID: 2, From: "alice@here.test", To: "no at sign\r\nDATA", Body: 78, Next: now, Created: now}
	r.store.mu.Unlock()
	r.add("alice@here.test", text, "x@bad.test")
	r.add("alice@here.test", text, "x\r\nRSET@far.test", "a@far.test")
	r.until("delivery", func() bool { return len(s.got()) == 1 })
	r.until("the rest is settled", func() bool {
		es := r.store.state()
		return len(es) == 1 && es[0].To == "x@bad.test" && es[0].Attempts == 1
	})
}

func TestTheLimitsOfConcurrency(t *testing.T) {
	release := make(chan struct{})
	s := newSink(t, nil)
	s.onData = func(string) error { <-release; return nil }
	other := newSink(t, nil)
	w := single(s)
	w.host("other.test", "192.0.2.2", other)
	r := newRig(t, w, func(o *Options) { o.PerDestination, o.Concurrency = 3, 4 })
	for i := range 10 {
		r.add("alice@here.test", text, fmt.Sprintf("u%d@far.test", i))
	}
	r.add("alice@here.test", text, "a@other.test")
	// One slow destination leaves room for the others.
	r.until("the other one", func() bool { return len(other.got()) == 1 })
	close(release)
	r.empty()
	if s.peak > 3 || len(s.got()) != 10 {
		t.Errorf("%d at a time, %d messages", s.peak, len(s.got()))
	}
}

func TestADeadDestinationIsTriedOnceForAll(t *testing.T) {
	w := single(nil)
	r := newRig(t, w, func(o *Options) { o.PerDestination = 1 })
	for i := range 50 {
		r.add("alice@here.test", text, fmt.Sprintf("u%d@far.test", i))
	}
	r.deferred(1)
	if n := len(w.dials()); n > 25 {
		t.Errorf("%d dials for 50 messages", n)
	}
}

func TestManyRecipientsAreSplit(t *testing.T) {
	s := newSink(t, nil)
	r := newRig(t, single(s), func(o *Options) { o.Recipients = 2 })
	r.add("alice@here.test", text, "a@far.test", "b@far.test", "c@far.test", "d@far.test", "e@far.test")
	r.empty()
	if n := len(s.got()); n != 3 {
		t.Errorf("%d transactions", n)
	}
}

func TestADeliveryIsRecordedHoweverLong(t *testing.T) {
	s := newSink(t, nil)
	r := newRig(t, single(s), nil)
	r.store.mu.Lock()
	r.store.fails = 2
	r.store.mu.Unlock()
	r.add("alice@here.test", text, "a@far.test")
	r.empty()
	if n := len(s.got()); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

func TestStopping(t *testing.T) {
	t.Run("lets an attempt end", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s := newSink(t, nil)
		s.onData = func(string) error { close(entered); <-release; return nil }
		r := newRig(t, single(s), nil)
		r.add("alice@here.test", text, "a@far.test")
		<-entered
		go func() { time.Sleep(20 * time.Millisecond); close(release) }()
		r.stop()
		if es := r.store.state(); len(es) > 0 {
			t.Errorf("queue %+v", es)
		}
	})
	t.Run("cuts off one that does not, and leaves it queued", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s := newSink(t, nil)
		s.onData = func(string) error { close(entered); <-release; return nil }
		r := newRig(t, single(s), func(o *Options) { o.Timeouts.Grace = 20 * time.Millisecond })
		r.add("alice@here.test", text, "a@far.test")
		<-entered
		r.stop()
		close(release)
		if es := r.store.state(); len(es) != 1 || es[0].Attempts != 0 {
			t.Errorf("queue %+v", es)
		}
	})
}
