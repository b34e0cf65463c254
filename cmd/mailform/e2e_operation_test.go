package main

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers/porttest"
)

// What an administrator asks of a server that runs: what became of a message, and
// whether all is well.
func TestOperation(t *testing.T) {
	t.Parallel()
	curl := need(t, "curl")
	w := newHouse(t, "1MiB")
	at := porttest.Addr(t)
	w.edit("main.mf.hcl", `["1s", "1s", "1s"]`, `["1h"]`)
	w.edit("main.mf.hcl", "\n  smtp ", "\n  metrics { listen = [\""+at+"\"] }\n  smtp ")
	w.apply()
	w.noChanges()

	s := w.submit("bob@example.com")
	s.expect("MAIL FROM:<bob@example.com>", "250", "RCPT TO:<one@elsewhere.test>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354",
		"Message-ID: <traced@example.com>\r\nSubject: traced\r\n\r\nhello\r\n.", "250")
	in := dial(t, w.addr("smtp"))
	in.expect("", "220", "EHLO client.remote.test", "250", "MAIL FROM:<a@remote.test>", "250", "RCPT TO:<nosuch@example.com>", "550", "QUIT", "221")

	for range 2 {
		reader := dial(t, w.addr("imap"))
		reader.until("* OK")
		if got := reader.imap("a", "LOGIN alice@example.com wrong"); !strings.Contains(got, "a NO") {
			t.Fatal(got)
		}
	}
	secure := dial(t, w.addr("imaps"))
	secure.secure(w.trust())
	secure.until("* OK")

	eventually(t, "the attempt in vain is in the log", func() bool {
		return strings.Contains(w.ok("trace", "traced@example.com"), "delivery deferred")
	})
	for query, want := range map[string][]string{
		"<traced@example.com>": {"<traced@example.com>", "message accepted  from <bob@example.com>  to one@elsewhere.test, alice@example.com", "delivery deferred  to one@elsewhere.test"},
		"one@ELSEWHERE.test":   {"message accepted", "delivery deferred"},
		"nosuch@example.com":   {"recipient refused  from <a@remote.test>  to nosuch@example.com", "code 550", "No such user here"},
	} {
		out := w.ok("trace", query)
		for _, part := range want {
			if !strings.Contains(out, part) {
				t.Errorf("trace %s lacks %q: %s", query, part, out)
			}
		}
	}
	if r := w.mailform("trace", "nobody@nowhere.test"); r.code != 1 || !strings.Contains(r.stderr, "There is no message of nobody@nowhere.test") {
		t.Errorf("trace of what there is not: %v", r)
	}
	if r := w.mailform("trace"); r.code != 1 || !strings.Contains(r.stderr, "needs a Message-ID") {
		t.Errorf("trace of nothing: %v", r)
	}

	if r := w.run(curl, "-sS", "http://"+at+"/health"); r.stdout != "ok\n" {
		t.Errorf("health: %v", r)
	}
	metrics := w.run(curl, "-sS", "http://"+at+"/metrics").stdout
	_, port, _ := net.SplitHostPort(at)
	for _, line := range []string{
		`mailform_message_events_total{event="message accepted"} 1`,
		`mailform_message_events_total{event="recipient refused"} 1`,
		`mailform_logins_total{result="ok",service="submission"} 1`,
		`mailform_logins_total{result="wrong",service="imap"} 2`,
		`mailform_connections{server="main",service="imap"} 3`,
		"mailform_queue_messages 1",
		`mailform_listener_open{address="127.0.0.1:` + port + `",server="main",service="metrics"} 1`,
		"mailform_certificate_expiry_seconds{host=",
		"mailform_disk_free_bytes ",
		"go_goroutines ",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s:\n%s", line, metrics)
		}
	}
	status := w.ok("status")
	for _, part := range []string{at, "  metrics ", "1 in the queue", "certificate of ", "free on the disk"} {
		if !strings.Contains(status, part) {
			t.Errorf("status lacks %q: %s", part, status)
		}
	}

	// A socket that cannot be had is seen.
	smtp := strconv.Itoa(w.port["smtp"])
	w.ok("stop")
	taken, err := net.Listen("tcp", "127.0.0.1:"+smtp)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w.ok("start")
	if r := w.run(curl, "-sS", "-w", "%{http_code}", "http://"+at+"/health"); !strings.HasSuffix(r.stdout, "503") || !strings.Contains(r.stdout, "smtp of main at 127.0.0.1:"+smtp) {
		t.Errorf("health without SMTP: %v", r)
	}
}
