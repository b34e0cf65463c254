package main

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
)

// Who is there is told at RCPT, and nobody relays, however it is written.
func TestEveryRecipientHasItsAnswer(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	for name, tc := range map[string]struct{ rcpt, want string }{
		"a user":                          {"<alice@example.com>", "250 "},
		"a user in capitals":              {"<ALICE@EXAMPLE.COM>", "250 "},
		"another name of a user":          {"<al@example.com>", "250 "},
		"a user with a quoted local part": {`<"alice"@example.com>`, "250 "},
		"an alias":                        {"<team@example.com>", "250 "},
		"an alias to elsewhere":           {"<outside@example.com>", "250 "},
		"a forwarded user":                {"<fwd@example.com>", "250 "},
		"a disabled user":                 {"<off@example.com>", "550 5.2.1"},
		"nobody":                          {"<nosuch@example.com>", "550 5.1.1"},
		"a user, with a subaddress":       {"<alice+tag@example.com>", "250 "},
		"an alias, with a subaddress":     {"<al+tag@example.com>", "250 "},
		"nobody, with a subaddress":       {"<nosuch+tag@example.com>", "550 5.1.1"},
		"anybody of a catch-all domain":   {"<whoever@example.org>", "250 "},
		"the postmaster":                  {"<postmaster@example.com>", "250 "},
		"the postmaster in capitals":      {"<PostMaster@Example.com>", "250 "},
		"the bare postmaster":             {"<postmaster>", "250 "},
		"the second domain's postmaster":  {"<postmaster@example.org>", "250 "},
		"somebody elsewhere":              {"<b@other.test>", "550 5.7.1"},
		"a percent route":                 {"<b%other.test@example.com>", "550 5.7.1"},
		"a quoted address":                {`<"b@other.test"@example.com>`, "550 5.7.1"},
		"a quoted address, catch-all":     {`<"b@other.test"@example.org>`, "550 5.7.1"},
		"a percent route, catch-all":      {"<b%other.test@example.org>", "550 5.7.1"},
		"a bang path":                     {"<other.test!b@example.com>", "550 5.7.1"},
		"a source route to elsewhere":     {"<@example.com:b@other.test>", "550 5.7.1"},
		"an address literal elsewhere":    {"<b@[192.0.2.1]>", "550 5.7.1"},
		"our own address literal":         {"<b@[127.0.0.1]>", "550 5.7.1"},
		"a subdomain":                     {"<alice@sub.example.com>", "550 5.7.1"},
		"a domain that ends like ours":    {"<alice@notexample.com>", "550 5.7.1"},
		"no domain":                       {"<alice>", "501"},
		"no address":                      {"<>", "501"},
		"a line in the address":           {"<alice\x0b@example.com>", "501"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			s := w.greet()
			s.expect("MAIL FROM:<a@remote.test>", "250")
			if got := s.smtp("RCPT TO:" + tc.rcpt); !strings.HasPrefix(got, tc.want) {
				t.Errorf("RCPT TO:%s was answered %q, want %s", tc.rcpt, got, tc.want)
			}
		})
	}
}

// What is accepted comes to where it belongs, once, and nowhere else.
func TestMailComesToWhereItBelongs(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	sink := w.sink(nil)
	for name, tc := range map[string]struct {
		to    string
		local []string // accounts that get it
		away  []string // addresses elsewhere that get it
	}{
		"catch-all":              {"whoever@example.org", []string{"bob@example.com"}, nil},
		"not the catch-all":      {"ivo@example.org", []string{"ivo@example.org"}, nil},
		"subaddress":             {"alice+lists@example.com", []string{"alice@example.com"}, nil},
		"alias to several":       {"team@example.com", []string{"alice@example.com", "bob@example.com", "both@example.com"}, []string{"away@elsewhere.test"}},
		"alias to outside":       {"outside@example.com", nil, []string{"one@elsewhere.test", "two@elsewhere.test"}},
		"forward without a copy": {"fwd@example.com", []string{"alice@example.com"}, []string{"away@elsewhere.test"}},
		"forward with a copy":    {"both@example.com", []string{"both@example.com"}, []string{"away@elsewhere.test"}},
		"postmaster":             {"postmaster@example.com", []string{"alice@example.com"}, nil},
		"postmaster, catch-all":  {"postmaster@example.org", []string{"bob@example.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.deliver(tc.to, name)
			for _, user := range []string{"alice@example.com", "bob@example.com", "both@example.com", "fwd@example.com", "ivo@example.org"} {
				want := strings.Count(" "+strings.Join(tc.local, " ")+" ", " "+user+" ")
				got := 0
				for _, subject := range w.subjects(user, "INBOX") {
					if subject == name {
						got++
					}
				}
				if got != want {
					t.Errorf("%s has it %d times, want %d", user, got, want)
				}
			}
			for _, to := range tc.away {
				eventually(t, "the relay has a copy for "+to, func() bool { return sink.count(name, to) == 1 })
			}
		})
	}
	eventually(t, "the queue is empty", w.queueIsEmpty)
	for _, m := range sink.messages() {
		if !regexp.MustCompile(`X-Mail-Args: <SRS0=\w{8}=\w\w=example\.net=sender@example\.com>`).MatchString(m) {
			t.Errorf("a forwarded message has another sender:\n%s", m)
		}
		if strings.Contains(m, "Return-Path:") {
			t.Errorf("a forwarded message has a Return-Path, which is for the last hop:\n%s", m)
		}
	}
}

// A trace says how the message came.
func TestTheTraceOfADelivery(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	w := newHouse(t, "1MiB")
	r := w.run(swaks, "--server", w.addr("smtp"), "-tls", "--ehlo", "client.remote.test", "--to", "alice@example.com", "--from", "probe@remote.test",
		"--add-header", "Return-Path: <forged@remote.test>", "--add-header", "Authentication-Results: mail.example.com; spf=pass")
	m := regexp.MustCompile(`(?m)^<~  250 2\.0\.0 .*queued as (\w+)$`).FindStringSubmatch(r.stdout)
	if r.code != 0 || m == nil {
		t.Fatalf("swaks: %v", r)
	}
	h := header(w.newest("alice@example.com", "INBOX"))
	for want, n := range map[string]int{
		`(?m)^Return-Path: <probe@remote\.test>\r$`:                  1,
		`(?mi)^Return-Path:`:                                         1,
		`(?mi)^Authentication-Results: mail\.example\.com; spf=pass`: 0,
		`(?ms)^Received: from client\.remote\.test \(\[127\.0\.0\.1\]\)\r\n\tby mail\.example\.com with ESMTPS \(TLS1\.3 \w+\)\r\n\tid ` + m[1] + ` for <alice@example\.com>; `: 1,
	} {
		if got := len(regexp.MustCompile(want).FindAllString(h, -1)); got != n {
			t.Errorf("%s matches %d times, want %d:\n%s", want, got, n, h)
		}
	}
}

// What a server may offer depends on TLS and on the port.
func TestNothingIsOfferedThatMustNotBe(t *testing.T) {
	t.Parallel()
	swaks := need(t, "swaks")
	w := newHouse(t, "1MiB")
	for name, tc := range map[string]struct {
		port       string
		args       []string
		has, lacks []string
	}{
		"public port, before TLS":     {"smtp", nil, []string{"STARTTLS", "SIZE 1048576", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"}, []string{"AUTH"}},
		"public port, within TLS":     {"smtp", []string{"-tls"}, []string{"SIZE 1048576"}, []string{"AUTH", "STARTTLS"}},
		"submission port, before TLS": {"submission", nil, []string{"STARTTLS"}, []string{"AUTH"}},
		"submission port, within TLS": {"submission", []string{"-tls"}, []string{"AUTH PLAIN LOGIN"}, []string{"STARTTLS"}},
		"submissions port":            {"smtps", []string{"-tlsc"}, []string{"AUTH PLAIN LOGIN"}, []string{"STARTTLS"}},
	} {
		r := w.run(swaks, append([]string{"--server", w.addr(tc.port), "--quit-after", "EHLO"}, tc.args...)...)
		if r.code != 0 {
			t.Errorf("%s: %v", name, r)
		}
		offers := r.stdout
		if i := strings.LastIndex(offers, "> EHLO"); i >= 0 {
			offers = offers[i:]
		}
		for _, ext := range tc.has {
			if !regexp.MustCompile(`(?m)^<[-~] +250[ -]` + ext + `\b`).MatchString(offers) {
				t.Errorf("%s: no %s in\n%s", name, ext, offers)
			}
		}
		for _, ext := range tc.lacks {
			if regexp.MustCompile(`(?m)^<[-~] +250[ -]` + ext + `\b`).MatchString(offers) {
				t.Errorf("%s: %s is offered:\n%s", name, ext, offers)
			}
		}
	}
}

func TestSubmissionAsksWhoYouAre(t *testing.T) {
	t.Parallel()
	w := newHouse(t, "1MiB")
	plain := func(user, password string) string {
		return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password))
	}
	clear := dial(t, w.addr("submission"))
	clear.expect("", "220", "EHLO x", "250",
		"MAIL FROM:<alice@example.com>", "530 5.7.0",
		plain("alice@example.com", "quickstart"), "538 5.7.11",
		"STARTTLS", "220")
	clear.secure(w.trust())
	clear.expect("EHLO x", "250", "MAIL FROM:<alice@example.com>", "530 5.7.0")

	guess := func(user string) string {
		s := dial(t, w.addr("smtps"))
		s.secure(w.trust())
		s.expect("", "220", "EHLO x", "250")
		got := s.smtp(plain(user, "wrong"))
		for range 3 {
			s.expect(plain(user, "wrong"), "535 5.7.8")
		}
		s.expect(plain(user, "wrong"), "535 5.7.8")
		s.send(plain(user, "quickstart"))
		if rest := s.ended(); !strings.HasPrefix(rest, "421 4.7.0") {
			t.Errorf("a sixth try as %s was answered %q", user, rest)
		}
		return got
	}
	known, unknown, closed := guess("alice@example.com"), guess("nosuch@example.com"), guess("off@example.com")
	if known != unknown || known != closed {
		t.Errorf("a wrong password is answered %q, an unknown user %q, a disabled one %q", known, unknown, closed)
	}

	s := w.submit("alice@example.com")
	for from, want := range map[string]string{
		"alice@example.com": "250", "al@example.com": "250", "": "250",
		"bob@example.com": "553 5.7.1", "alice@example.org": "553 5.7.1", "alice@elsewhere.test": "553 5.7.1",
	} {
		s.expect("MAIL FROM:<"+from+">", want, "RSET", "250")
	}
	if got := s.message("alice@example.com", "bob@example.com", "From: bob@example.com\r\nSubject: forged\r\n\r\nx"); !strings.HasPrefix(got, "550 5.7.1") {
		t.Errorf("a From of another local user is answered %q", got)
	}
	// Users with either protocol, or none for the moment, send all the same.
	w.submit("pia@example.com")
	w.submit("ida@example.com")
}
