package postfix_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/porttest"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// An lmtpSink takes any mail by LMTP and remembers for whom.
type lmtpSink struct {
	addr string
	mu   sync.Mutex
	to   []string
}

func newSink(t *testing.T) *lmtpSink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &lmtpSink{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return s
}

func (s *lmtpSink) serve(c net.Conn) {
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 sink")
	rcpts, in := 0, bufio.NewScanner(c)
	for data := false; in.Scan(); {
		verb := strings.ToUpper(in.Text())
		switch {
		case data && in.Text() == ".":
			for range rcpts {
				say("250 taken")
			}
			data, rcpts = false, 0
		case data:
		case strings.HasPrefix(verb, "LHLO"):
			say("250 sink")
		case strings.HasPrefix(verb, "RCPT"):
			_, to, _ := strings.Cut(in.Text(), "<")
			to, _, _ = strings.Cut(to, ">")
			s.mu.Lock()
			s.to = append(s.to, to)
			s.mu.Unlock()
			rcpts++
			say("250 ok")
		case verb == "DATA":
			data = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// took waits until mail for exactly these has come, and forgets it.
func (s *lmtpSink) took(t *testing.T, want ...string) {
	t.Helper()
	var have []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		have = slices.Sorted(slices.Values(s.to))
		s.mu.Unlock()
		if slices.Equal(have, want) {
			s.mu.Lock()
			s.to = nil
			s.mu.Unlock()
			return
		}
	}
	t.Errorf("mail came for %q, want %q", have, want)
}

func dial(t *testing.T, addr string) *smtp.Client {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func code(err error) int {
	var e *textproto.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// answers tells how a recipient is answered.
func answers(t *testing.T, addr, to string) int {
	t.Helper()
	c := dial(t, addr)
	if err := c.Mail("someone@remote.example"); err != nil {
		t.Fatal(err)
	}
	return code(c.Rcpt(to))
}

func send(t *testing.T, addr string, to ...string) {
	t.Helper()
	c := dial(t, addr)
	if err := c.Mail("someone@remote.example"); err != nil {
		t.Fatal(err)
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "Subject: a\r\n\r\nb\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// fails applies one change that has to fail, and returns why.
func (i *instance) fails(t *testing.T, c providers.Change) string {
	t.Helper()
	why := ""
	err := i.provider("L").Apply(t.Context(), []providers.Change{c}, func(_ providers.Change, _ providers.Observed, err error) error {
		if err != nil {
			why = err.Error()
		}
		return nil
	})
	if err != nil {
		why = err.Error()
	}
	if why == "" {
		t.Errorf("%s was done", c.Resource.Address)
	}
	return why
}

// A server that runs, as those who send to it see it.
func TestRunning(t *testing.T) {
	i, sink := newInstance(t), newSink(t)
	t.Cleanup(func() { i.endAuthd(t) })
	mx, submission, smtps := porttest.Addr(t), porttest.Addr(t), porttest.Addr(t)
	batch := i.everything("alice", "bob", "carol")
	for n := range batch {
		switch batch[n].Resource.Kind {
		case schema.KindDelivery:
			batch[n].Resource = providertest.With(delivery("authd"), "lmtp", cty.StringVal(sink.addr))
		case schema.KindRecipient:
			batch[n].Resource = providertest.With(batch[n].Resource, "password_hash", strs(hashA)) // of "quickstart"
		}
	}
	i.apply(t, append(batch, create(
		domain("caught.example"), recipient("dora@caught.example"), route("@caught.example", "catch_all", false, "bob@example.com"),
		route("al@example.com", "alias", false, "alice@example.com"), route("all@example.com", "alias", false, "al@example.com", "bob@example.com"),
		route("carol@example.com", "forward", true, "bob@example.com"),
		listener("smtp", strs(mx), strs()), listener("submission", strs(submission), strs(smtps)))...)...)

	t.Run("who receives mail", func(t *testing.T) {
		for to, want := range map[string]int{
			"alice@example.com": 0, "ALICE@Example.COM": 0, "al@example.com": 0, "any@caught.example": 0, "nosuch@example.com": 550, "someone@elsewhere.example": 554,
		} {
			if got := answers(t, mx, to); got != want {
				t.Errorf("%s is answered %d, want %d", to, got, want)
			}
		}
	})
	t.Run("where it goes", func(t *testing.T) {
		for to, want := range map[string][]string{
			"all@example.com": {"alice@example.com", "bob@example.com"}, "carol@example.com": {"bob@example.com", "carol@example.com"},
			"any@caught.example": {"bob@example.com"}, "dora@caught.example": {"dora@caught.example"},
		} {
			send(t, mx, to)
			sink.took(t, want...)
		}
	})
	t.Run("TLS and submission", func(t *testing.T) {
		c := dial(t, mx)
		if ok, _ := c.Extension("AUTH"); ok {
			t.Error("who sends from elsewhere can log in")
		}
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		state, _ := c.TLSConnectionState()
		if err := state.PeerCertificates[0].VerifyHostname("mail.example.com"); err != nil {
			t.Error(err)
		}
		if got := answersFirst(t, submission); got != 530 {
			t.Errorf("submission in clear text is answered %d", got)
		}
		for _, tt := range []struct {
			password, from, to string
			want               int
		}{
			{"", "alice@example.com", "bob@example.com", 553}, {"wrong", "alice@example.com", "bob@example.com", 535},
			{"quickstart", "alice@example.com", "bob@example.com", 0}, {"quickstart", "al@example.com", "someone@elsewhere.example", 0},
			{"quickstart", "bob@example.com", "alice@example.com", 553}, {"quickstart", "someone@elsewhere.example", "alice@example.com", 553},
		} {
			if got := submits(t, smtps, tt.password, tt.from, tt.to); got != tt.want {
				t.Errorf("alice, with the password %q, from %s to %s: answered %d, want %d", tt.password, tt.from, tt.to, got, tt.want)
			}
		}
	})
	t.Run("a session survives a new user", func(t *testing.T) {
		pid := i.PID()
		c := dial(t, mx)
		if err := c.Mail("someone@remote.example"); err != nil {
			t.Fatal(err)
		}
		i.apply(t, create(recipient("new@example.com"))...)
		if err := c.Rcpt("alice@example.com"); err != nil {
			t.Error(err)
		}
		if got := answers(t, mx, "new@example.com"); got != 0 || i.PID() != pid {
			t.Errorf("the new user is answered %d, the master is %d, was %d", got, i.PID(), pid)
		}
	})
	t.Run("what Postfix refuses is put back", func(t *testing.T) {
		before := i.read("main.cf")
		have := i.observed(t, parameter("inet_protocols", ""))["parameter inet_protocols"]
		why := i.fails(t, providers.Change{Action: providers.Update, Resource: parameter("inet_protocols", "bogus"), Prior: &have})
		if !strings.Contains(why, "bogus") || i.read("main.cf") != before || answers(t, mx, "alice@example.com") != 0 {
			t.Errorf("it says %q", why)
		}
	})
	t.Run("a port that another program has", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		have := i.observed(t)["listener main/smtp"]
		master := i.read("master.cf")
		why := i.fails(t, providers.Change{Action: providers.Update, Resource: listener("smtp", strs(l.Addr().String()), strs()), Prior: &have})
		if !strings.Contains(why, "another program") || i.read("master.cf") != master || answers(t, mx, "alice@example.com") != 0 {
			t.Errorf("it says %q", why)
		}
	})
	t.Run("a map that was edited and not built", func(t *testing.T) {
		alice := recipient("alice@example.com", hashA)
		i.write("mailform/recipients", without(i.read("mailform/recipients"), "alice@example.com"))
		if _, there := i.observed(t, alice)["recipient alice@example.com"]; there {
			t.Error("it is not seen")
		}
		i.apply(t, create(alice)...)
		if _, there := i.observed(t, alice)["recipient alice@example.com"]; !there || !strings.Contains(i.read("mailform/recipients"), "\nalice@example.com\t") {
			t.Error("it is not put right")
		}
	})
	t.Run("an open relay is refused", func(t *testing.T) {
		i.Tool(t, "postconf", "-e", "mynetworks=0.0.0.0/0")
		problems, err := i.provider("L").(providers.Validator).Validate(t.Context(), []schema.Resource{setting()})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Detail, "mynetworks has 0.0.0.0/0") {
			t.Errorf("%v, %v", problems, err)
		}
	})
}

// answersFirst tells how the first MAIL is answered.
func answersFirst(t *testing.T, addr string) int {
	t.Helper()
	return code(dial(t, addr).Mail("alice@example.com"))
}

// submits tells how alice is answered who submits mail.
func submits(t *testing.T, addr, password, from, to string) int {
	t.Helper()
	tc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tc.Close() })
	c, err := smtp.NewClient(tc, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		if err := c.Auth(smtp.PlainAuth("", "alice@example.com", password, "localhost")); err != nil {
			return code(err)
		}
	}
	if err := c.Mail(from); err != nil {
		return code(err)
	}
	return code(c.Rcpt(to))
}
