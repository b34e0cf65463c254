package smtp

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestLogin(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	ok := plain("", "alice@d.test", "secret")
	for name, lines := range map[string][]string{
		"PLAIN at once":                 {"AUTH PLAIN " + ok, "235 2"},
		"PLAIN in two steps":            {"AUTH PLAIN", "334 ", ok, "235 2"},
		"PLAIN in small letters":        {"auth plain " + ok, "235 2"},
		"PLAIN as oneself":              {"AUTH PLAIN " + plain("alice@d.test", "alice@d.test", "secret"), "235 2"},
		"LOGIN":                         {"AUTH LOGIN", "334 VXNlcm5hbWU6", b64([]byte("alice@d.test")), "334 UGFzc3dvcmQ6", b64([]byte("secret")), "235 2"},
		"LOGIN with the name":           {"AUTH LOGIN " + b64([]byte("alice@d.test")), "334 UGFzc3dvcmQ6", b64([]byte("secret")), "235 2"},
		"a wrong password":              {"AUTH PLAIN " + plain("", "alice@d.test", "wrong"), "535 5.7.8 Authentication credentials invalid\r\n"},
		"an unknown user":               {"AUTH PLAIN " + plain("", "nosuch@d.test", "secret"), "535 5.7.8 Authentication credentials invalid\r\n"},
		"a closed account":              {"AUTH PLAIN " + plain("", "off@d.test", "secret"), "535 5.7.8 Authentication credentials invalid\r\n"},
		"in another's name":             {"AUTH PLAIN " + plain("bob@d.test", "alice@d.test", "secret"), "535 5.7.8 Authentication credentials invalid\r\n"},
		"LOGIN with a wrong password":   {"AUTH LOGIN", "334", b64([]byte("alice@d.test")), "334", b64([]byte("x")), "535 5.7.8"},
		"trouble in the store":          {"AUTH PLAIN " + plain("", "trouble@d.test", "x"), "454 4.7.0"},
		"no base64":                     {"AUTH PLAIN !!", "501 5.5.2"},
		"no base64 in the second step":  {"AUTH PLAIN", "334", "!!", "501 5.5.2"},
		"not three parts":               {"AUTH PLAIN " + b64([]byte("a")), "501 5.5.2"},
		"given up":                      {"AUTH LOGIN", "334", "*", "501"},
		"no mechanism":                  {"AUTH", "501 5.5.4"},
		"an unknown mechanism":          {"AUTH CRAM-MD5", "504 5.5.4"},
		"a response that looks like":    {"AUTH PLAIN", "334", "STARTTLS", "501 5.5.2"},
		"a response like BDAT":          {"AUTH PLAIN", "334", "BDAT 9", "501 5.5.2", "NOOP", "250"},
		"twice":                         {"AUTH PLAIN " + ok, "235", "AUTH PLAIN " + ok, "503 5.5.1"},
		"nothing, and MAIL":             {"MAIL FROM:<alice@d.test>", "530 5.7.0"},
		"a failed login, and MAIL":      {"AUTH PLAIN " + plain("", "alice@d.test", "x"), "535", "MAIL FROM:<alice@d.test>", "530 5.7.0"},
		"a bare null response to PLAIN": {"AUTH PLAIN =", "501 5.5.2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Submission, nil)
			c := r.hello()
			c.startTLS()
			if got := c.say("EHLO client.test", "250"); !strings.Contains(got, "AUTH PLAIN LOGIN\r\n") {
				t.Fatalf("got %q", got)
			}
			for i := 0; i < len(lines); i += 2 {
				c.say(lines[i], lines[i+1])
			}
			if log := r.log.String(); strings.Contains(log, "secret") || strings.Contains(log, ok) {
				t.Errorf("a password is in the log:\n%s", log)
			}
		})
	}
}

func TestNothingIsSubmittedInTheOpen(t *testing.T) {
	c := newRig(t, Submission, nil).dial()
	c.expect("220")
	if got := c.say("EHLO client.test", "250"); strings.Contains(got, "AUTH") || !strings.Contains(got, "STARTTLS") {
		t.Errorf("got %q", got)
	}
	c.say("AUTH PLAIN "+plain("", "alice@d.test", "secret"), "538 5.7.11")
	c.say("AUTH LOGIN", "538 5.7.11")
	c.say("MAIL FROM:<alice@d.test>", "530 5.7.0 Must issue a STARTTLS")
}

func TestALoginDoesNotOutliveItsConversation(t *testing.T) {
	c := newRig(t, Submission, nil).login()
	// EHLO resets the transaction, not the login.
	c.say("MAIL FROM:<alice@d.test>", "250")
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<alice@d.test>", "250")
}

func TestGuessingEndsTheConnection(t *testing.T) {
	c := newRig(t, Submission, nil).hello()
	c.startTLS()
	c.say("EHLO client.test", "250")
	for i := range 5 {
		c.say("AUTH PLAIN "+plain("", "alice@d.test", fmt.Sprint(i)), "535 5.7.8")
	}
	c.expect("421 4.7.0")
	c.closed()
}

func TestWhoMaySendAsWhom(t *testing.T) {
	r := newRig(t, Submission, nil)
	for name, tt := range map[string]struct{ from, want string }{
		"oneself":             {"<alice@d.test>", "250"},
		"in other letters":    {"<Alice@D.TEST>", "250"},
		"by one's alias":      {"<al@d.test>", "250"},
		"nobody":              {"<>", "250"},
		"another user":        {"<bob@d.test>", "553 5.7.1"},
		"someone elsewhere":   {"<alice@other.test>", "553 5.7.1"},
		"something malformed": {"<alice@d..test>", "501 5.1.7"},
	} {
		t.Run(name, func(t *testing.T) {
			r.login().say("MAIL FROM:"+tt.from, tt.want)
		})
	}
	for name, tt := range map[string]struct{ from, want string }{
		"oneself":                      {"From: Alice <ALICE@d.test>", "250"},
		"one's alias":                  {"From: al@d.test", "250"},
		"someone elsewhere":            {"From: alice@elsewhere.test", "250"},
		"an odd character set":         {"From: =?x-unknown?q?A?= <alice@d.test>", "250"},
		"another user":                 {"From: bob@d.test", "550 5.7.1"},
		"another user's name beside":   {"From: alice@d.test, bob@d.test", "550 5.7.1"},
		"another user behind a name":   {"From: \"alice@d.test\" <bob@d.test>", "550 5.7.1"},
		"another user in a folded one": {"From: Bob\r\n <bob@d.test>", "550 5.7.1"},
		"two fields":                   {"From: alice@d.test\r\nFrom: bob@d.test", "550 5.6.0"},
		"nothing readable":             {"From: bob@d.test <", "550 5.6.0"},
	} {
		t.Run("a From field with "+name, func(t *testing.T) {
			c := r.login()
			c.say("MAIL FROM:<alice@d.test>", "250")
			c.say("RCPT TO:<bob@d.test>", "250")
			if got := senders[0].send(c, tt.from+"\r\n\r\nx"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRecipientsOfASubmission(t *testing.T) {
	r := newRig(t, Submission, nil)
	for name, tt := range map[string]struct{ rcpt, want string }{
		"a local user":             {"<bob@d.test>", "250"},
		"an unknown local user":    {"<nosuch@d.test>", "550 5.1.1"},
		"someone elsewhere":        {"<Some.One@Other.test>", "250"},
		"a percent sign elsewhere": {"<a%b@other.test>", "250"},
		"an address literal":       {"<a@[192.0.2.1]>", "550 5.1.2"},
		"the postmaster":           {"<postmaster>", "250"},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.login()
			c.say("MAIL FROM:<alice@d.test>", "250")
			c.say("RCPT TO:"+tt.rcpt, tt.want)
		})
	}
}

// A fakeSigner signs for d.test by the length of what it reads.
type fakeSigner struct{ seen chan string }

func (f fakeSigner) Sign(_ context.Context, domain string, message io.Reader) ([]byte, error) {
	b, err := io.ReadAll(message)
	if err != nil || domain != "d.test" {
		return nil, err
	}
	f.seen <- string(b)
	return fmt.Appendf(nil, "DKIM-Signature: d=%s\r\n", domain), nil
}

func TestASubmissionIsCompletedAndSigned(t *testing.T) {
	for _, s := range senders {
		t.Run(s.name, func(t *testing.T) {
			signer := fakeSigner{make(chan string, 1)}
			r := newRig(t, Submission, func(o *Options) { o.Signer = signer })
			c := r.login()
			c.say("MAIL FROM:<alice@d.test>", "250")
			c.say("RCPT TO:<bob@d.test>", "250")
			c.say("RCPT TO:<X@Other.test>", "250")
			if got := s.send(c, "Bcc: hidden@x.test,\r\n more@x.test\r\nFrom: someone@elsewhere.test\r\nSubject: s\r\n\r\nbody"); !queuedAs.MatchString(got) {
				t.Fatalf("got %q", got)
			}
			d := r.store.deliveries()[0]
			if len(d.accounts) != 1 || len(d.remote) != 1 || d.remote[0] != "X@other.test" {
				t.Errorf("delivery %+v", d)
			}
			signed := <-signer.seen
			for _, want := range []string{"\r\nMessage-ID: <", "Date: ", "\r\nFrom: someone@elsewhere.test\r\nSubject: s\r\n\r\nbody\r\n"} {
				if !strings.Contains(signed, want) {
					t.Errorf("%q is missing in %q", want, signed)
				}
			}
			if strings.Contains(signed, "hidden") || strings.Contains(signed, "more@x") {
				t.Errorf("Bcc is still there: %q", signed)
			}
			// What was signed is what both get, below the trace.
			if local := cutTo(d.text, "DKIM-Signature: d=d.test\r\n"); local != signed {
				t.Errorf("local copy %q", d.text)
			}
			if remote := cutTo(d.remoteText, "DKIM-Signature: d=d.test\r\n"); remote != signed || strings.Contains(d.remoteText, "Return-Path") {
				t.Errorf("remote copy %q", d.remoteText)
			}
			if !strings.Contains(d.text, "with ESMTPSA (TLS") {
				t.Errorf("trace %q", d.text)
			}
		})
	}
}

func cutTo(s, mark string) string { _, rest, _ := strings.Cut(s, mark); return rest }

func TestWhatIsThereIsNotAddedAgain(t *testing.T) {
	r := newRig(t, Submission, nil)
	c := r.login()
	c.say("MAIL FROM:<alice@d.test>", "250")
	c.say("RCPT TO:<bob@d.test>", "250")
	senders[0].send(c, "date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMESSAGE-ID: <x@y>\r\nFROM: alice@d.test\r\n\r\nbody")
	text := r.store.deliveries()[0].text
	for _, name := range []string{"date:", "message-id:", "from:"} {
		if n := strings.Count(strings.ToLower(text), "\r\n"+name); n != 1 {
			t.Errorf("%s stands %d times in %q", name, n, text)
		}
	}
}

func TestAMessageWithoutHeaderGetsOne(t *testing.T) {
	r := newRig(t, Submission, nil)
	c := r.login()
	c.say("MAIL FROM:<alice@d.test>", "250")
	c.say("RCPT TO:<bob@d.test>", "250")
	senders[0].send(c, "just text")
	text := r.store.deliveries()[0].text
	if !strings.Contains(text, "\r\nFrom: <alice@d.test>\r\n") || !bytes.HasSuffix([]byte(text), []byte("\r\n\r\njust text\r\n")) {
		t.Errorf("got %q", text)
	}
}

func TestAnAddressThatGuessesTooOftenIsTurnedAway(t *testing.T) {
	c := newRig(t, Submission, nil).hello()
	c.startTLS()
	c.say("EHLO client.test", "250")
	c.say("AUTH PLAIN "+plain("", "busy@d.test", "x"), "454 4.7.0")
	c.expect("421 4.7.0")
	c.closed()
}

func TestAnAccountThatIsClosedSendsNothingMore(t *testing.T) {
	r := newRig(t, Submission, nil)
	c := r.login()
	r.store.mu.Lock()
	r.store.closed = true
	r.store.mu.Unlock()
	c.say("MAIL FROM:<alice@d.test>", "530 5.7.0")
}
